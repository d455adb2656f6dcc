"""uvicorn's protocols with this server's changes, and all code that uses uvicorn's internals."""
