"""Checks of what comes from outside: texts and coordinates."""
