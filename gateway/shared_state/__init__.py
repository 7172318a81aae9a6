"""Token buckets, circuit breakers, and the Redis client through which replicas share state."""
