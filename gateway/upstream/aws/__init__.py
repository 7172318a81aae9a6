"""Calls of AWS's APIs over the wire."""
