"""HTTP apart from GraphQL: pages, photos, health, metrics, middleware, and the uvicorn protocols."""
