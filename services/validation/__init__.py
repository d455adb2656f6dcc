"""Checks of user input: texts and coordinates."""
