"""Retry, circuit breaker, fair queue and rate limits of upstream calls."""
