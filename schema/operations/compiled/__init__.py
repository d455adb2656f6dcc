"""Compiles operations to Python functions, to run without graphql-core (``docs/compiled-operations.md``)."""
