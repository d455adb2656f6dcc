"""The pages for staff at `/admin`, on starlette-admin. They reach data only through the use cases."""
