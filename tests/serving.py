"""For tests: see gateway.serving."""

from gateway.serving import serving_in_thread as serving

__all__ = ["serving"]
