"""The part of a list request that AWS does not offer, over AWS's records. Pure: it makes no calls.

- instants: AWS's timestamps as points in time
- conditions: one condition of a filter each, as a function of a record
- list_filter: a whole filter, split into AWS's parameters and the gateway's conditions
"""
