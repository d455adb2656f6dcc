"""The photo store: a local folder, or a bucket of any S3-compatible object store.

The only module that imports obstore.
"""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Self
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import structlog
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

SETTING = "TAXIRANK_MEDIA_URL"

# The only shape of a name, so that none can leave the folder or the prefix.
_NAME = re.compile(r"[0-9a-f]{32}\.webp")

# Two characters at least, since one is a drive of Windows.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

# Wider than Amazon's rule, for other stores, but without what would separate keys or a port.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_OPTIONS = ("access_key_id", "allow_http", "endpoint", "region", "secret_access_key", "session_token")

# obstore's own limits (10 retries in 3 minutes, 30 s each) would hold a sign-up as long as that.
_CONNECT_TIMEOUT_S = 3
_REQUEST_TIMEOUT_S = 10
_RETRIES_MAX = 2
_RETRY_TIMEOUT_S = 15

# How often a store that fails is tried.
LOOK_AGAIN_S = 5.0

# A name never gets other contents, so whatever stands in front of a bucket may keep an object for a year.
IMMUTABLE = "public, max-age=31536000, immutable"


class BadOptions(ValueError):
    """The options of the object store cannot be used; the one line says what to do, without a secret."""


_log = structlog.stdlib.get_logger(__name__)


class StoreUnreachable(Exception):
    """The folder or bucket of the photos does not answer, or refuses. Trying again later may help."""


class PhotoStore:
    """Named, immutable byte strings, in a folder or a bucket.

    Writes are atomic: a reader sees the whole photo or none. An outage (``is_up``) begins with whatever fails, and
    ends with the next photo that can be kept, since a full disk can still be read; each is one line in the log.
    """

    def __init__(self, objects: LocalStore | S3Store) -> None:
        self._objects = objects
        self.is_up = True

    @classmethod
    def from_url(cls, media_url: str, options: Mapping[str, str] | None = None) -> Self:
        """Open the store that a setting names; a folder is created if it is absent, a bucket is not.

        ``media_url`` is a folder (``var/media``, ``file:///srv/media``) or ``s3://bucket/prefix``. The
        options of a bucket are ``endpoint``, ``region``, ``access_key_id``, ``secret_access_key``,
        ``session_token`` and ``allow_http``, in the query of the URL or in ``options``, which wins. What they
        leave out, obstore takes from where AWS clients take it (``AWS_*``, the role of the machine).

        No connection is made yet.

        Raises:
            BadOptions: an option cannot be used.
            ValueError: the URL cannot be; the one line says what to do, without a secret.
        """
        if not _SCHEME.match(media_url):
            return cls(_open_folder(media_url, options))
        url = urlsplit(media_url)
        if url.scheme == "file":
            if url.netloc not in ("", "localhost"):
                raise ValueError(
                    f"The media URL names the host {url.netloc!r}: write file:///folder, with three slashes."
                )
            return cls(_open_folder(unquote(url.path), options))
        if url.scheme == "s3":
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            return cls(_open_bucket(url, {**query, **(options or {})}))
        raise ValueError(
            f"The media URL has the scheme {url.scheme!r}: use a folder such as var/media, or s3://bucket/prefix."
        )

    async def check(self) -> None:
        """Check that the store can save and delete a photo.

        Raises:
            ValueError: never as it is set; the one line says what to do.
            StoreUnreachable: not now.
        """
        if isinstance(self._objects, LocalStore):
            assert self._objects.prefix is not None
            _check_folder(Path(self._objects.prefix))
            return
        name = f"{token_hex(16)}.webp"
        try:
            await self.put(name, b"", "image/webp")
            await self.delete(name)
        except StoreUnreachable as error:
            match error.__cause__:
                case FileNotFoundError():
                    raise ValueError("The media bucket is not there: create it, or name another.") from error
                case PermissionDeniedError() | UnauthenticatedError():
                    raise ValueError(
                        "The media bucket may not be written: give these keys the right to."
                    ) from error
                case _:
                    raise

    async def look(self) -> None:
        """Check the state of the store now."""
        try:
            await self.check()
        except (ValueError, StoreUnreachable) as error:
            self._begin_outage(error.__cause__ or error)
        else:
            self._end_outage()

    async def look_again(self) -> None:
        """During an outage, check whether it is over."""
        if not self.is_up:
            await self.look()

    async def put(self, name: str, data: bytes, content_type: str) -> None:
        """Keep ``data`` under ``name``; a photo that has the name already is replaced.

        Raises:
            ValueError: this can never be the name of a photo.
            StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a photo: use 32 hexadecimal digits and .webp.")
        attributes: Attributes | None = None
        # A folder has no place for attributes, and obstore refuses them there.
        if isinstance(self._objects, S3Store):
            attributes = {"Content-Type": content_type, "Cache-Control": IMMUTABLE}
        with self._told():
            await self._objects.put_async(name, data, attributes=attributes, use_multipart=False)
        self._end_outage()

    async def get(self, name: str) -> bytes | None:
        """Return the bytes under ``name``; None if there are none, or if no photo can have that name.

        Raises: StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            return None
        with self._told():
            try:
                found = await self._objects.get_async(name)
                return bytes(await found.bytes_async())
            except FileNotFoundError:
                return None

    async def delete(self, name: str) -> None:
        """Remove what lies under ``name``; nothing there, or a name that no photo can have, is fine.

        Raises: StoreUnreachable
        """
        if not _NAME.fullmatch(name):
            return
        # A folder reports what is missing, S3 does not.
        with self._told(), suppress(FileNotFoundError):
            await self._objects.delete_async(name)

    @contextmanager
    def _told(self) -> Generator[None]:
        """Raises: StoreUnreachable for whatever the store raises."""
        try:
            yield
        except (OSError, BaseError) as error:
            self._begin_outage(error)
            raise StoreUnreachable("The store of the photos does not answer.") from error

    def _begin_outage(self, error: BaseException) -> None:
        if self.is_up:
            self.is_up = False
            # obstore adds its whole configuration in further lines.
            text = str(error).strip().partition("\n")[0]
            _log.warning("the store of the photos fails", setting=SETTING, error=text)

    def _end_outage(self) -> None:
        if not self.is_up:
            self.is_up = True
            # Also a warning: each line is useless without the other.
            _log.warning("the store of the photos works again")


def _open_folder(path: str, options: Mapping[str, str] | None) -> LocalStore:
    if options:
        raise BadOptions("Media options are for a bucket, and this is a folder: leave them out.")
    if not path.strip():
        raise ValueError("The media URL is empty: use a folder such as var/media, or s3://bucket/prefix.")
    folder = Path(path).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return LocalStore(folder)
    except (OSError, ValueError, BaseError) as error:
        raise ValueError(
            f"The media folder {str(folder)!r} cannot be used: name one that can be created."
        ) from error


def _check_folder(folder: Path) -> None:
    """Raises: ValueError if no file can be made there."""
    # Not by obstore, which tries for ever where the system says that a folder is gone whenever it is written to.
    try:
        with TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        raise ValueError(
            f"The media folder {str(folder)!r} cannot be written ({error.strerror}): name one that this user may "
            "write to, on a disk with room."
        ) from error


def _open_bucket(url: SplitResult, options: Mapping[str, str]) -> S3Store:
    if not _BUCKET.fullmatch(url.netloc):
        raise ValueError(
            "The media URL must be s3://bucket/prefix: a host and keys are options, such as ?endpoint=."
        )
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        raise BadOptions(f"Unknown media option {unknown[0]!r}: the options are {', '.join(_OPTIONS)}.")
    empty = sorted(key for key, value in options.items() if not value)
    if empty:
        raise BadOptions(f"The media option {empty[0]!r} is empty: give it a value or leave it out.")

    allow_http = _parse_switch("allow_http", options.get("allow_http", "false"))
    client: ClientConfig = {
        "allow_http": allow_http,
        "connect_timeout": timedelta(seconds=_CONNECT_TIMEOUT_S),
        "timeout": timedelta(seconds=_REQUEST_TIMEOUT_S),
    }
    retry: RetryConfig = {
        "max_retries": _RETRIES_MAX,
        "retry_timeout": timedelta(seconds=_RETRY_TIMEOUT_S),
    }
    # Photos are deleted one at a time, and not every S3-compatible store has the bulk call.
    config: S3Config = {"disable_bulk_delete": True}
    if "region" in options:
        config["region"] = options["region"]
    if "endpoint" in options:
        # By this name, since AWS_ENDPOINT_URL_S3 in the environment would win over plain `endpoint`.
        config["aws_endpoint_url_s3"] = _check_endpoint(options["endpoint"], allow_http=allow_http)
    credential = _credential(options)
    if credential is not None:
        config["skip_signature"] = False
    try:
        return S3Store(
            url.netloc,
            prefix=unquote(url.path).strip("/") or None,
            config=config,
            client_options=client,
            retry_config=retry,
            # A provider, since keys in the configuration are mixed with AWS_SESSION_TOKEN of the environment.
            credential_provider=None if credential is None else lambda: credential,
        )
    except (ValueError, BaseError) as error:
        raise ValueError(
            f"The media URL s3://{url.netloc}{url.path} cannot be used: check bucket, prefix and options."
        ) from error


def _credential(options: Mapping[str, str]) -> "S3Credential | None":
    given = {"access_key_id", "secret_access_key"} & options.keys()
    if len(given) == 1 or ("session_token" in options and not given):
        raise BadOptions(
            "The media options access_key_id and secret_access_key belong together: give both or neither."
        )
    if not given:
        return None
    return {
        "access_key_id": options["access_key_id"],
        "secret_access_key": options["secret_access_key"],
        "token": options.get("session_token"),
        "expires_at": None,
    }


def _check_endpoint(endpoint: str, *, allow_http: bool) -> str:
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc or "@" in url.netloc:
        raise BadOptions("The media option endpoint must be a URL such as https://s3.example.org, without keys.")
    if url.scheme == "http" and not allow_http:
        raise BadOptions("The media option endpoint is not encrypted: use https, or add allow_http=true.")
    return endpoint.rstrip("/")


def _parse_switch(option: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise BadOptions(f"The media option {option} must be true or false.")
    return value.lower() == "true"
