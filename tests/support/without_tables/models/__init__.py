"""`models` without its tables: Tortoise takes a process as long to load as everything else.

For processes that use no database; this folder is before the project's own on their path.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parents[4] / "models")]
