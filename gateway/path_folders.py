"""The first parts of paths, by which requests are counted and traced: all photos are one."""

from collections.abc import Iterable


def folder_of(path: str) -> str:
    """The first part of a path, such as `/media`."""
    return "/" + path.removeprefix("/").partition("/")[0]


def folders_of(paths: Iterable[str]) -> frozenset[str]:
    """The first parts of these paths."""
    return frozenset(folder_of(path) for path in paths)
