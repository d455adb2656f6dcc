"""The staff's pages at `/admin`, on starlette-admin. They reach data through the use cases alone."""
