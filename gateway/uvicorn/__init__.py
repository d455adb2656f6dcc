"""uvicorn's protocols as this server needs them, and all that reaches into uvicorn."""
