"""Where drivers are: reports, where they are kept, areas, and times of arrival."""
