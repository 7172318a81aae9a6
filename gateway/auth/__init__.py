"""Authentication: who the caller is, and which scopes it has."""
