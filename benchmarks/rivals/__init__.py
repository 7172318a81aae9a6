"""The gateway beside its rivals, over one stub upstream, in one run: `python -m benchmarks.rivals`."""
