"""General tools of a server: tasks, queues, periodic jobs, logs, incidents. Imports nothing about trips."""
