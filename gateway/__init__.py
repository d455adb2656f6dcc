"""All HTTP except GraphQL: pages, photos, health, metrics, middleware, and the uvicorn protocols."""
