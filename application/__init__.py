"""The composition root: it builds the parts from the settings, serves them, and has the command line."""
