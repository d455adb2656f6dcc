"""Live delivery: subscribers, their feeds and their messages. Imports no GraphQL."""
