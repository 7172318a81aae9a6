"""Fixtures of execution's tests."""

from tests.http.conftest import endpoint

__all__ = ["endpoint"]
