"""What any server needs: tasks, queues, periodic jobs, logs, incidents. Knows nothing of taxis."""
