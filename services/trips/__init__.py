"""A trip's life: requested, accepted, moved, read, and its history."""
