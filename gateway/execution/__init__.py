"""Answers without a visit to every leaf.

- projection: from a selection of fields to a function that gives a record's answer in one go
- executor: graphql-core's executor, which uses that function where a record is completed
"""
