"""Authentication and scopes: which caller sends a request, and which fields it may read."""
