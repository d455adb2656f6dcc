"""Frees what errors refer to."""


def forget_frames(error: BaseException) -> None:
    """Drop the frames from a reported error and from the errors that caused it.

    A frame that an error has passed often refers to the error. Each such cycle, with everything that its request
    has collected, would wait for the garbage collector.
    """
    waiting: list[BaseException | None] = [error]
    seen = set[int]()
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        # The last is that of graphql-core's errors.
        waiting += [each.__cause__, each.__context__, getattr(each, "original_error", None)]
