"""The settings. Only this module reads the environment and ``.env``.

Longer than 300 lines because all settings are in one table; their types are in ``application/setting_types.py``.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UndecodableSetting

from application import setting_types as types
from services.database.settings import sqlite_path

PREFIX = "TAXIRANK_"

# Old names of settings, without the prefix, and their new names.
RENAMED = {"CONSOLE": "BOARD"}

MIB = 1024 * 1024
DAY_S = 24 * 3600


class SettingsError(Exception):
    """A missing or wrong setting. Its text is one line that says what to do."""


class Settings(BaseSettings):
    """Everything that can be set. Each name is prefixed with ``TAXIRANK_`` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, validate_default=True
    )

    host: str = Field("127.0.0.1", min_length=1, description="The address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Server processes; more than one needs Redis.")
    database_url: types.DatabaseUrl = Field(
        "sqlite://var/taxirank.sqlite3",
        description="`sqlite://FILE` or `postgresql://USER:PASSWORD@HOST:PORT/NAME`. Of several `HOST:PORT`, "
        "separated by commas, the primary is used.",
    )
    database_direct_url: types.PostgresUrl | None = Field(
        None,
        description="PostgreSQL's own address where DATABASE_URL is a pooler such as PgBouncer: for locks and "
        "migrations.",
    )
    database_replica_url: types.PostgresUrl | None = Field(
        None,
        description="The address of replicas of PostgreSQL (hot standbys), one or several `HOST:PORT`, for lists "
        "and figures of staff; none: the primary has them.",
    )
    database_replica_max_age_s: float = Field(
        2.0,
        ge=0.5,
        le=60,
        description="How old what a replica shows may be, in seconds; else the primary is read.",
    )
    database_pool_size: int = Field(10, ge=1, le=200, description="PostgreSQL connections a process.")
    redis_url: types.RedisUrl | None = Field(
        None,
        description="`redis://` or `rediss://` of the event bus, or "
        "`redis+sentinel://HOST:PORT,HOST:PORT/SERVICE`, or `redis+cluster://HOST:PORT,HOST:PORT`; "
        "none: in this process only.",
    )
    redis_prefix: types.TopicPrefix = Field("taxirank", description="The prefix of every topic.")
    media_url: str = Field(
        "var/media", min_length=1, description="Where photos are kept: a folder, or `s3://BUCKET/PATH`."
    )
    media_options: dict[str, str] = Field(
        default_factory=dict, description="Options of the object store, as a JSON object."
    )
    photo_required: bool = Field(False, description="Refuse sign-ups without a photo.")
    driver_approval: bool = Field(
        False, description="New drivers get no offers until staff have approved them; drivers before are approved."
    )
    vehicle_required: bool = Field(
        False, description="Drivers get no offers until they have described their vehicle."
    )
    photo_max_bytes: int = Field(
        5 * 1024 * 1024, ge=1024, le=100 * MIB, description="The largest photo file, in bytes."
    )
    photo_max_pixels: int = Field(
        25_000_000, ge=10_000, le=200_000_000, description="The largest photo, in pixels."
    )
    photo_concurrency: int = Field(
        2, ge=1, le=64, description="Photos decoded at once in each process; one takes up to 21 bytes a pixel."
    )
    public_url: types.PublicUrl | None = Field(
        None,
        description="The address that users see, such as `https://taxi.example`; with https, cookies are Secure.",
    )
    allowed_origins: types.Origins = Field(
        (), description="Other origins whose pages may call the API, separated by commas."
    )
    allowed_hosts: types.HostNames = Field(
        (),
        description="Accepted host names besides `PUBLIC_URL`'s, separated by commas; `*` accepts any. "
        "IP addresses and private names are always accepted.",
    )
    trusted_proxies: types.Networks = Field(
        "127.0.0.1",
        description="Proxies whose X-Forwarded-* headers are trusted: addresses and networks, separated by "
        "commas.",
    )
    cookie_samesite: Literal["lax", "strict", "none"] = Field(
        "lax", description="SameSite of the session cookie; `none` needs an https `PUBLIC_URL`."
    )
    admin: bool = Field(True, description="Serve the admin to staff at `/admin`.")
    graphiql: bool = Field(True, description="Serve GraphiQL to browsers at `/graphql`.")
    board: bool = Field(True, description="Serve the board to browsers at `/`.")
    map_style_url: types.MapStyleUrl | None = Field(
        None,
        description="The address of a MapLibre style with real tiles, which the pages load; none: the maps show a "
        "made-up city.",
    )
    map_origins: types.MapOrigins = Field(
        (),
        description="Other origins that this style names, for tiles, glyphs and sprites, separated by commas.",
    )
    build_pages: bool = Field(
        True,
        description="Build the pages when `serve` starts, if they are missing or old and there is Node.",
    )
    introspection: bool = Field(True, description="Allow introspection queries.")
    suggestions: bool = Field(
        True, description='Say "Did you mean" about unknown names; never without INTROSPECTION.'
    )
    persisted_queries: bool = Field(
        True, description="Accept the hash of a query that was sent before (automatic persisted queries)."
    )
    trusted_documents: types.File | None = Field(
        None, description="A file of trusted documents: no other operation runs; none: every valid operation runs."
    )
    federation: bool = Field(
        False, description="Be a subgraph of Apollo Federation: a router may ask for trips and users by their ids."
    )
    max_document_chars: int = Field(
        32_768, ge=1000, le=1_000_000, description="The longest document, in characters."
    )
    max_tokens: int = Field(1_000, ge=100, le=100_000, description="Tokens in a document.")
    max_depth: int = Field(20, ge=5, le=100, description="How deep fields may be nested.")
    max_aliases: int = Field(50, ge=0, le=10_000, description="Aliases in a document.")
    max_directives: int = Field(50, ge=0, le=10_000, description="Directives in a document.")
    max_list_items: int = Field(100, ge=1, le=10_000, description="Items of one list in arguments or variables.")
    max_root_fields: int = Field(20, ge=1, le=1_000, description="Fields at the root of one operation.")
    max_cost: int = Field(
        50_000,
        # With less, no user could sign up or log in.
        ge=26_000,
        le=1_000_000_000,
        description="The highest cost of one operation: the estimated number of values in its answer.",
    )
    operation_timeout_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        description="Time limit of an operation, and of the start of a subscription, in seconds.",
    )
    session_ttl_s: int = Field(
        14 * 24 * 3600,
        ge=60,
        le=400 * DAY_S,
        description="A session that is not used ends after this many seconds.",
    )
    session_max_age_s: int = Field(
        90 * 24 * 3600,
        ge=60,
        le=400 * DAY_S,
        description="A session ends at the latest this many seconds after the log-in.",
    )
    request_ttl_s: int = Field(
        600, ge=1, le=7 * DAY_S, description="A request that no driver accepts expires after this many seconds."
    )
    open_trips_per_rider: Annotated[int | None, Field(ge=1, le=1_000), types.OFF_IS_NONE] = Field(
        5, description="How many open requests a rider may have at once; or `off`."
    )
    log_in_rate: types.RateText = Field(
        "10/minute",
        description="Log-ins and changes of passwords from one address; ten times as many that fail at one name; "
        "or `off`.",
    )
    sign_up_rate: types.RateText = Field(
        "30/hour", description="Sign-ups from one address; ten times as many under one name; or `off`."
    )
    recovery_rate: types.RateText = Field(
        "30/hour",
        description="Requests for letters that reset a password, and uses of the links in letters, from one "
        "address; ten times as many for one name; also changes of the e-mail address by one user; or `off`.",
    )
    smtp_url: types.SmtpUrl | None = Field(
        None,
        description="The mail server: `smtp://USER:PASSWORD@HOST:PORT` with STARTTLS, or `smtps://…`; "
        "`smtp://HOST:PORT?starttls=off` sends in clear text. None: letters go into `MAIL_FOLDER`.",
    )
    mail_from: types.MailSender | None = Field(
        None,
        description="The sender of letters, such as `Taxirank <no-reply@taxi.example>`; needed with `SMTP_URL`.",
    )
    mail_folder: types.Folder = Field(
        Path("var/mail"), description="Without `SMTP_URL`, letters are written into this folder as `.eml` files."
    )
    webhook_private_hosts: types.PrivateHosts = Field(
        (),
        description="Hosts of your own network that webhooks may be sent to, also by http: `HOST` or `HOST:PORT`, "
        "separated by commas. Without it, only public hosts by https.",
    )
    trip_rate: types.RateText = Field(
        "60/minute",
        description="How often a user may request, change or rate a trip, change the account, or go on or off "
        "duty; or `off`.",
    )
    estimate_rate: types.RateText = Field(
        "60/minute", description="How often a user may ask for the estimate of a trip; or `off`."
    )
    subscribe_rate: types.RateText = Field("300/minute", description="How often a user may subscribe; or `off`.")
    arrival_radius_m: float = Field(
        500, ge=10, le=50_000, description="A driver reports arrival within this many metres of the pick-up."
    )
    pick_up_pin: bool = Field(
        False, description="Whether a driver needs a PIN to start a ride, which only the rider sees."
    )
    no_show_wait_s: int = Field(
        300,
        ge=0,
        le=DAY_S,
        description="A driver may cancel as no-show this many seconds after arrival.",
    )
    silent_driver_s: int = Field(
        900,
        ge=10,
        le=7 * DAY_S,
        description="A rider in the car may end the trip if the driver has changed nothing for this many seconds, "
        "and reported no position for as long, or for `LOCATION_TTL_S` if that is shorter.",
    )
    trip_max_s: int = Field(
        DAY_S,
        ge=60,
        le=30 * DAY_S,
        description="A trip under way that nobody has changed for this many seconds is cancelled as abandoned.",
    )
    trip_retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Trips that ended this many days ago are removed, with their history and ratings. Without it "
        "all are kept.",
    )
    vapid_private_key: types.VapidPrivateKey | None = Field(
        None,
        description="The private key for push messages to browsers, from `server.py vapid-keys`. Without it none "
        "are sent.",
    )
    vapid_subject: types.VapidSubject | None = Field(
        None,
        description="Whom push services may contact, such as `mailto:ops@taxi.example`; needed with "
        "`VAPID_PRIVATE_KEY`.",
    )
    offer_radius_m: float = Field(
        3_000, ge=1, le=50_000, description="Trips are offered to drivers within this many metres of the pick-up."
    )
    location_ttl_s: int = Field(
        600, ge=1, le=86_400, description="A driver's position is deleted after this many seconds."
    )
    location_stale_s: float = Field(
        60.0, ge=0.1, le=86_400, description="A driver's position is shown as stale after this many seconds."
    )
    location_rate: types.RateText = Field(
        "5/second", description="How often a driver may report a position, such as `10/minute`; or `off`."
    )
    driving_speed_kmh: float = Field(
        25, ge=1, le=300, description="The average speed for estimates of arrival times, in km/h."
    )
    routing_url: types.HttpUrl | None = Field(
        None, description="The URL of an OSRM server that computes arrival times; none: they are estimated."
    )
    routing_timeout_s: float = Field(
        1.0,
        ge=0.1,
        le=60,
        description="Time limit of a request to OSRM, in seconds; after it, the arrival time is estimated.",
    )
    max_body_bytes: int = Field(
        6 * 1024 * 1024, ge=1024, le=1024 * MIB, description="The largest HTTP request body, in bytes."
    )
    max_body_bytes_together: int = Field(
        256 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * MIB,
        description="The HTTP bodies that a process holds at once, in bytes; above it, large ones are refused "
        "with 503.",
    )
    max_requests: int = Field(
        1000,
        ge=1,
        le=100_000,
        description="The requests, and operations of sockets, that a process works on at once; fewer while it is "
        "busy. As many wait for a moment; all others get 503.",
    )
    receive_timeout_s: float = Field(
        60.0,
        ge=0.1,
        le=3600,
        description="How long the server waits for a client, in seconds: for the head of a request, for its "
        "body, and until it reads more of the answer.",
    )
    keep_alive_s: float = Field(
        75.0,
        ge=0.1,
        le=3600,
        description="An idle HTTP connection is closed after this many seconds; keep it above the load "
        "balancer's, often 60.",
    )
    max_json_bytes: int = Field(
        256 * 1024,
        ge=1024,
        le=64 * MIB,
        description="The largest JSON of an HTTP request, in bytes: only files may be more.",
    )
    max_message_bytes: int = Field(
        64 * 1024, ge=1024, le=16 * MIB, description="The largest socket message, in bytes."
    )
    max_operations_per_socket: int = Field(
        50, ge=1, le=10_000, description="Operations that one socket may run at once."
    )
    max_sockets_per_user: int = Field(
        20,
        ge=1,
        le=100_000,
        description="Sockets and streams that one user has open at once, in each process.",
    )
    socket_message_rate: types.RateText = Field(
        "100/second",
        description="How many frames a socket may send; a long frame counts once more for each KiB; or `off`.",
    )
    socket_offence_rate: types.RateText = Field(
        "20/minute",
        description="An address whose sockets break the protocol more often is refused for that time; or `off`.",
    )
    max_pools_per_user: int = Field(
        20,
        ge=1,
        le=10_000,
        description="Subscriptions to the pool around a driver's position at once, in each process.",
    )
    connection_init_timeout_s: float = Field(
        5.0, ge=0.1, le=60, description="A socket must send `connection_init` within this many seconds."
    )
    ping_interval_s: float = Field(20.0, ge=0.1, le=600, description="Seconds between two pings of a socket.")
    pong_timeout_s: float = Field(
        20.0, ge=0.1, le=600, description="A socket that does not answer a ping within this many seconds is cut."
    )
    password_hash_concurrency: int = Field(2, ge=1, le=64, description="Password hashes computed at once.")
    password_hash_memory_kib: int = Field(
        19 * 1024,
        ge=1024,
        le=256 * 1024,
        description="Memory of one Argon2 hash, in KiB; less is faster and weaker.",
    )
    metrics: bool = Field(True, description="Serve Prometheus metrics at `/metrics`; keep that path private.")
    tracing: bool = Field(
        False, description="Trace requests with OpenTelemetry, whose own variables (`OTEL_*`) say where to."
    )
    drain_delay_s: float = Field(
        0.0,
        ge=0,
        le=600,
        description="After SIGTERM `/readyz` says no for so many seconds before anything ends, so that load "
        "balancers choose other servers.",
    )
    drain_s: float = Field(
        0.0,
        ge=0,
        le=600,
        description="Then the port is closed, and the sockets are sent away, evenly over so many seconds.",
    )
    shutdown_timeout_s: int = Field(
        10, ge=1, le=600, description="The longest time that a shutdown takes after that, in seconds."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The lowest level that is logged."
    )
    log_format: Literal["console", "json"] = Field("console", description="The format of log lines.")

    @model_validator(mode="after")
    def _consistent(self) -> "Settings":
        if self.cookie_samesite == "none" and not self.secure_cookies:
            raise ValueError(f"{PREFIX}COOKIE_SAMESITE=none needs a PUBLIC_URL that begins with https://")
        if self.database_direct_url is not None and self.sqlite_path is not None:
            raise ValueError(f"{PREFIX}DATABASE_DIRECT_URL is for a DATABASE_URL of PostgreSQL")
        if self.database_replica_url is not None and self.sqlite_path is not None:
            raise ValueError(f"{PREFIX}DATABASE_REPLICA_URL is for a DATABASE_URL of PostgreSQL")
        if self.workers > 1 and self.redis_url is None:
            raise ValueError(
                f"{PREFIX}WORKERS above 1 needs a REDIS_URL, because events would stay in one process"
            )
        if self.smtp_url is not None and self.mail_from is None:
            raise ValueError(f"{PREFIX}SMTP_URL needs a MAIL_FROM such as Taxirank <no-reply@taxi.example>")
        if self.map_origins and self.map_style_url is None:
            raise ValueError(f"{PREFIX}MAP_ORIGINS is for the style of a MAP_STYLE_URL")
        clear = [url for url in (self.map_style_url, *self.map_origins) if url and url.startswith("http://")]
        if clear and self.secure_cookies:
            # Browsers refuse to load it from a page with https.
            raise ValueError(f"{PREFIX}MAP_STYLE_URL and MAP_ORIGINS must begin with https:// like the PUBLIC_URL")
        if self.smtp_url is not None and self.public_url is None:
            raise ValueError(f"{PREFIX}SMTP_URL needs a PUBLIC_URL: the links in letters lead there")
        if (self.vapid_private_key is None) != (self.vapid_subject is None):
            raise ValueError(f"{PREFIX}VAPID_PRIVATE_KEY and {PREFIX}VAPID_SUBJECT need each other")
        if self.federation and self.trusted_documents is not None:
            raise ValueError(
                f"{PREFIX}FEDERATION does not go with TRUSTED_DOCUMENTS: a router sends operations of its own"
            )
        return self

    @property
    def secure_cookies(self) -> bool:
        """Whether users reach the server over https, so that the cookie can be Secure."""
        return bool(self.public_url and self.public_url.startswith("https://"))

    @property
    def host_names(self) -> frozenset[str]:
        """The accepted values of ``Host``, in addition to IP addresses and private names."""
        public = urlsplit(self.public_url or "").hostname
        return frozenset({*self.allowed_hosts, self.host.lower(), *([public] if public else [])})

    @property
    def sqlite_path(self) -> Path | None:
        """The database file, or None on PostgreSQL."""
        return sqlite_path(self.database_url)

    @property
    def has_demo(self) -> bool:
        """Whether the board offers demo people: on a server for trying out, where they need nobody's help."""
        is_embedded = self.sqlite_path is not None and self.redis_url is None
        needs_help = self.photo_required or self.driver_approval or self.pick_up_pin
        return is_embedded and self.public_url is None and not needs_help


def pass_on(**given: object) -> None:
    """Set settings for this process and those that it starts: the processes that serve read the environment."""
    os.environ |= {PREFIX + name.upper(): str(value) for name, value in given.items()}


def otel_variables() -> dict[str, str]:
    """OpenTelemetry's own variables, which its SDK reads too. It takes an empty one as missing."""
    return {name: value for name, value in os.environ.items() if name.startswith("OTEL_") and value.strip()}


def load_settings(**overrides: object) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: a value is wrong, or an unknown ``TAXIRANK_`` name is set: a typing mistake, or an old name.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    try:
        present = {*os.environ, *dotenv_values(".env")}
    except UnicodeDecodeError:
        raise SettingsError("the file .env is not in UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"the file .env cannot be read: {error.strerror}") from None
    unknown = sorted(n for n in present if n.upper().startswith(PREFIX) and n.upper() not in known)
    unknown = [name for name in unknown if not name.startswith(PREFIX + "TEST_")]
    for name in unknown:
        if renamed := RENAMED.get(name.upper().removeprefix(PREFIX)):
            raise SettingsError(f"{name} is called {PREFIX}{renamed} now: rename it")
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}: see `server.py settings` for the names")
    try:
        return Settings(**overrides)  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        if first["loc"]:
            # The location may also name a part inside the value, such as one option of several.
            message = (
                f"{PREFIX}{str(first['loc'][0]).upper()}: {re.sub(r'^(Input|String) should', 'must', message)}"
            )
        raise SettingsError(message) from None
    except UndecodableSetting:
        # MEDIA_OPTIONS is the only field that is decoded from JSON.
        raise SettingsError(f'{PREFIX}MEDIA_OPTIONS: must be a JSON object such as {{"key": "value"}}') from None
