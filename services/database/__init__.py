"""The database: connections, dialects, migrations, and the lock of the only server."""
