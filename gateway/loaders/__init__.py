"""The data sources of one request: pages of the two lists, and records by their keys with the fewest upstream calls.

- phone_numbers, phone_number_orders: the two data sources
- record_loader: records by key, the keys of one tick in one batch
- batch: runs one batch
- batch_plan: which call to make next (pure)
"""
