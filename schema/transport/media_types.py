"""Which media type an answer has (GraphQL over HTTP specification, "Media Types")."""

JSON = "application/json"
RESPONSE_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"
HTML = "text/html"


def accepted(accept: str | None, *offered: str) -> str | None:
    """The offered media type that the client likes best; the first of equals. None: it takes none of them.

    Without an Accept header everything is welcome.
    """
    if accept is None or not accept.strip():
        return offered[0]
    best: tuple[float, str] | None = None
    for media_type in offered:
        quality = _quality(accept, media_type)
        if quality > 0 and (best is None or quality > best[0]):
            best = (quality, media_type)
    return best[1] if best else None


def _quality(accept: str, media_type: str) -> float:
    """The weight that the header gives a media type; its most specific range counts (RFC 9110, 12.5.1)."""
    main, _, _ = media_type.partition("/")
    ranges = {media_type: 2, f"{main}/*": 1, "*/*": 0}
    found = (-1, 0.0)
    for item in accept.split(","):
        name, *parameters = (part.strip().lower() for part in item.split(";"))
        specificity = ranges.get(name, -1)
        if specificity > found[0]:
            found = (specificity, _weight(parameters))
    return found[1] if found[0] >= 0 else 0.0


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
