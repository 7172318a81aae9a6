"""Relay connections over lists that are read by forward-only tokens. Pure: the caller passes in a function for pages.

- cursor: the opaque position of an edge
- cursor_keys, cursor_text: the keys that encrypt cursors, and the list and caller that a cursor is bound to
- arguments: `first`, `after`, `last` and `before`, checked
- token_list: a list that is read page by page, and one page of it
- pages: consecutive pages of one list, fetched when they are needed, and the rows in them
- read_ahead: pages that are requested before it is proven that they follow
- paginator: from page arguments to rows, with the fewest pages
- sort_order, sorted_list, sorted_paginator: the same for a list that the gateway sorts

Source: GraphQL Cursor Connections Specification. Forward-only tokens need a few readings of it. Each is explained at
the code that makes it.
"""
