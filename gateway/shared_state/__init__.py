"""Token buckets, and state that replicas share through Redis."""
