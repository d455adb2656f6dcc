"""The database: connections, dialects, migrations, and the instance lock."""
