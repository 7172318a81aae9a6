"""HTTP in and out: one request becomes one context and one answer."""
