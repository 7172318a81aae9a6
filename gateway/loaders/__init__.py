"""The data sources of one request: pages of the two lists, and records by their keys with the fewest upstream calls.

- phone_numbers, phone_number_orders: the two data sources
- orders_of_numbers: the order that each phone number came with
- data_source: records by key, with Strawberry's DataLoader
- record_cache: the DataLoader's cache, which knows the listed records
- batch: runs one batch
- batch_plan: which call to make next (pure)
"""
