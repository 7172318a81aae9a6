"""HTTP: one HTTP request becomes one GraphQL request and one response."""
