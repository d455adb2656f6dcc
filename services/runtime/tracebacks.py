"""What an error holds on to."""


def forget_frames(error: BaseException) -> None:
    """Let an error that has been reported, and those that led to it, forget where they were raised.

    A frame that an error has passed often knows the error. Each such circle, with all that its request has
    gathered, would wait for the garbage collector.
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
