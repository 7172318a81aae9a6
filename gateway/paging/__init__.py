"""Relay's connections over lists whose pages are reached by forward-only tokens. No I/O of its own: pages are given.

- cursor: the text a caller holds, and the position it stands for
- seal: the keys that make a cursor unreadable, unchangeable, and good for one list and caller
- window: what `first`, `after`, `last` and `before` ask for
- page: consecutive pages of one list, fetched when needed, and the rows taken out of them
- walk: from a window to its rows, at the fewest pages

Source: GraphQL Cursor Connections Specification, with the readings that forward-only tokens make necessary said where
they are made.
"""
