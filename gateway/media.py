"""The photos, over HTTP."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.photos.photos import Photos
from services.photos.store import StoreUnreachable

_CONTENT_TYPE = "image/webp"
# A name never gets other contents, so that whoever has a photo may keep it for a year.
_IMMUTABLE = "public, max-age=31536000, immutable"
# What an object store keeps with each photo, in case that it serves them itself.
PHOTO_HEADERS = {"Content-Type": _CONTENT_TYPE, "Cache-Control": _IMMUTABLE}

# A browser that is led to open a photo as a page must neither guess at its type nor run anything in it.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # Said, since a name that a page puts into a link's `download` would otherwise decide.
    "Content-Disposition": "inline",
}


def media_route(folder: str, photos: Photos, *, is_embeddable: bool = False) -> Route:
    """Serve the photos to anyone who knows a name, by GET and HEAD; a name without a photo is 404.

    ``folder``: the path under which they are. ``is_embeddable``: pages of other origins may show them. Otherwise a
    browser keeps them from such a page, which could tell by the time whether the photo had been seen. A store that
    cannot be reached is 503 and no 404.
    """

    inert = {**_INERT, "Cross-Origin-Resource-Policy": "cross-origin" if is_embeddable else "same-origin"}

    async def serve(request: Request) -> Response:
        name: str = request.path_params["name"]
        try:
            photo = await photos.read(name)
        except StoreUnreachable:
            # The store logs its outage once; not every request does.
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
