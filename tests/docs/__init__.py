"""Tests of README.md and docs/: the pages are true, complete and of a readable size."""
