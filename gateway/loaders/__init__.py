"""One request's joins: records by their key, at the fewest upstream calls.

- plan: which call to make next (pure)
- record_loader: a tick's keys as one batch, carried out as planned
- phone_numbers, phone_number_orders: the two joins
"""
