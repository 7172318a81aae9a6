"""Upstream responses that are kept for a time and shared by identical calls."""
