"""A comparison of the gateway with its rivals, over one stub upstream, in one run: `python -m benchmarks.rivals`."""
