"""Riders and drivers who use the real API from outside: ``uv run server.py simulate``.

Needs the server's own dependencies and nothing of the server: it knows the schema, as any client does.
"""
