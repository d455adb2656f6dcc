"""Serves the photos over HTTP."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.photos.store import PhotoStore, StoreUnreachable

_CONTENT_TYPE = "image/webp"
# A name always stands for the same contents, so clients may keep a photo for a year.
_IMMUTABLE = "public, max-age=31536000, immutable"
# An object store keeps these headers with each photo, in case it serves them itself.
PHOTO_HEADERS = {"Content-Type": _CONTENT_TYPE, "Cache-Control": _IMMUTABLE}

# If a user opens a photo as a page, the browser must not guess its type and must not run anything in it.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # Without this header, the `download` name in a page's link would decide.
    "Content-Disposition": "inline",
}


def media_route(folder: str, store: PhotoStore, *, is_embeddable: bool = False) -> Route:
    """Serve the photos to anyone who knows a name, by GET and HEAD; a name without a photo is 404.

    ``folder``: the path of the photos. ``is_embeddable``: pages of other origins may show them. Otherwise browsers
    refuse, because such a page could measure whether the user has seen the photo before. If the store cannot be
    reached, the answer is 503, not 404.
    """

    inert = {**_INERT, "Cross-Origin-Resource-Policy": "cross-origin" if is_embeddable else "same-origin"}

    async def serve(request: Request) -> Response:
        name: str = request.path_params["name"]
        try:
            photo = await store.get(name)
        except StoreUnreachable:
            # The store logs its outage once, not for every request.
            return Response(status_code=503, headers={**inert, "Retry-After": "5"})
        if photo is None:
            return Response(status_code=404, headers=inert)
        etag = f'"{name}"'
        headers = {**inert, "Cache-Control": _IMMUTABLE, "ETag": etag}
        if _names(request.headers.get("If-None-Match", ""), etag):
            return Response(status_code=304, headers=headers)
        return Response(photo, media_type=_CONTENT_TYPE, headers=headers)

    return Route(f"{folder}/{{name}}", serve, methods=["GET", "HEAD"], name="media")


def _names(if_none_match: str, etag: str) -> bool:
    """Whether the header lists this tag; compared weakly, as RFC 9110 asks of If-None-Match."""
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
