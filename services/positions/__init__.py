"""The positions of drivers: reports, storage, cells, and times of arrival."""
