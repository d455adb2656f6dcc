"""Operations as Python functions, which run in place of graphql-core (``docs/compiled-operations.md``)."""
