"""The part of a list request that AWS does not offer, over AWS's records. Pure: it makes no calls.

- instants: AWS's timestamps as points in time
- conditions: conditions of a filter, each as a function of a record
- list_filter: a whole filter, split into AWS's parameters and the gateway's conditions
- record_values: one value of a record, as the text by which lists are sorted and counted
- facet_counts: how many records have each value
"""
