"""Files of a multipart request."""

from starlette.datastructures import UploadFile

from schema.api.errors import bad_user_input


async def read_upload(value: object, name: str) -> bytes | None:
    """The bytes of an ``Upload`` argument; None if there is none.

    Raises:
        RequestError: BAD_USER_INPUT when it is not a file of a multipart request (the scalar takes any JSON).
    """
    if value is None:
        return None
    if not isinstance(value, UploadFile):
        raise bad_user_input("A file is sent by the GraphQL multipart request specification.", field=(name,))
    # Several arguments may use the same file, so it may have been read before.
    await value.seek(0)
    return await value.read()
