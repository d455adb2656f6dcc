"""Files that came with a multipart request."""

from starlette.datastructures import UploadFile as UploadedFile

__all__ = ["UploadedFile"]
