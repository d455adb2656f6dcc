"""Helpers for tests: servers to test, and clients that talk to them."""
