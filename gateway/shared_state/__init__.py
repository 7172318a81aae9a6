"""State that replicas share through Redis."""
