"""Everything of HTTP that is not GraphQL."""
