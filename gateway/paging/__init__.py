"""Relay connections over lists that are read by forward-only tokens. Pure: the caller passes in a function for pages.

- cursor: the opaque position of an edge
- cursor_keys: the keys that encrypt cursors, and the list and caller that a cursor is bound to
- arguments: `first`, `after`, `last` and `before`, checked
- pages: consecutive pages of one list, fetched when they are needed, and the rows in them
- paginator: from page arguments to rows, with the fewest pages

Source: GraphQL Cursor Connections Specification. Forward-only tokens need a few readings of it. Each is explained at
the code that makes it.
"""
