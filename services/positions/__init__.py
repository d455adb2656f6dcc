"""Where drivers are: reports, where they are kept, cells, and times of arrival."""
