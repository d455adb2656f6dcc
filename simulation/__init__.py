"""Riders and drivers who use the real API from outside: ``uv run server.py simulate``.

Imports nothing of the server: like any client, it knows only the schema.
"""
