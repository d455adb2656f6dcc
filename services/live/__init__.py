"""Live delivery: who follows what, and what each is sent. Knows nothing of GraphQL."""
