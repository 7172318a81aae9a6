"""The GraphQL types. Each field reads one key of AWS's records, or links to another record."""
