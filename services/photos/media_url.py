"""Opens the photo store that a setting names: a local folder, or a bucket of an S3-compatible object store."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from services.photos.store import PhotoStore

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig, S3Config, S3Credential

# At least two characters, because one letter is a Windows drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")

# Wider than Amazon's rule, for other stores, but without the characters that separate keys or a port.
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

_OPTIONS = ("access_key_id", "allow_http", "endpoint", "region", "secret_access_key", "session_token")

# obstore's own limits (10 retries in 3 minutes, 30 s each) would delay a sign-up as long.
_CONNECT_TIMEOUT_S = 3
_REQUEST_TIMEOUT_S = 10
_RETRIES_MAX = 2
_RETRY_TIMEOUT_S = 15


class BadOptions(ValueError):
    """The options of the object store cannot be used. The one line of text says what to do."""


def open_store(
    media_url: str, options: Mapping[str, str] | None = None, *, attributes: Mapping[str, str] | None = None
) -> PhotoStore:
    """Open the store that a setting names; creates a missing folder, but not a missing bucket.

    ``media_url`` is a folder (``var/media``, ``file:///srv/media``) or ``s3://bucket/prefix``. The options of a
    bucket are ``endpoint``, ``region``, ``access_key_id``, ``secret_access_key``, ``session_token`` and
    ``allow_http``, in the query of the URL or in ``options``, which takes precedence. For missing options obstore
    uses the usual sources of AWS clients (``AWS_*``, the role of the machine). ``attributes``: headers that a
    bucket keeps with each photo, for programs that serve its objects. It makes no connection yet.

    Raises:
        BadOptions: an option cannot be used.
        ValueError: the URL cannot be used; the text is one line that says what to do, without a secret.
    """
    if not _SCHEME.match(media_url):
        return PhotoStore(_open_folder(media_url, options))
    url = urlsplit(media_url)
    if url.scheme == "file":
        if url.netloc not in ("", "localhost"):
            raise ValueError(
                f"The media URL names the host {url.netloc!r}: write file:///folder, with three slashes."
            )
        return PhotoStore(_open_folder(unquote(url.path), options))
    if url.scheme == "s3":
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        return PhotoStore(_open_bucket(url, {**query, **(options or {})}), attributes=attributes)
    raise ValueError(
        f"The media URL has the scheme {url.scheme!r}: use a folder such as var/media, or s3://bucket/prefix."
    )


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
        # Under this name, because AWS_ENDPOINT_URL_S3 in the environment would override plain `endpoint`.
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
            # A provider, because keys in the configuration are combined with AWS_SESSION_TOKEN of the environment.
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
