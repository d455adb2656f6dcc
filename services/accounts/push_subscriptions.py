"""The use cases of push subscriptions: which devices of a user get messages in the background."""

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import ec

from models.visibility import Actor
from services.accounts.sessions import Sessions
from services.database.connections import Database
from services.errors import ErrorCode, UserFault
from services.limits.throttle import PerUser
from services.notifications.outgoing import AddressRefused, NoAnswer, OutgoingClient
from services.notifications.web_push import bytes_of
from services.runtime.shield import Shield

# The oldest of a user makes room: it is of a device that is no longer used, or of a former session.
MAX_PER_USER = 10
_AUTH_BYTES = 16
_P256DH_BYTES = 65
_MAX_KEY_CHARS = 100


class PushUnavailable(UserFault):
    """This server sends no push messages: it has no VAPID key."""

    code = ErrorCode.PUSH_UNAVAILABLE


class PushSubscriptionInvalid(UserFault):
    """The endpoint or a key cannot be one of a browser, or the endpoint is not on a public host."""

    code = ErrorCode.PUSH_SUBSCRIPTION_INVALID


class PushSubscriptions:
    """The push subscriptions of one application. Each belongs to a session and ends with it."""

    def __init__(
        self,
        database: Database,
        shield: Shield,
        *,
        sessions: Sessions,
        client: OutgoingClient,
        changing: PerUser,
        public_key: str | None,
        registered: Callable[[], None],
    ) -> None:
        """``public_key``: of the server, in base64url; None: it sends no messages. ``registered``: called after a
        commit.
        """
        self._database = database
        self._shield = shield
        self._sessions = sessions
        self._client = client
        self._changing = changing
        self.public_key = public_key
        self._registered = registered

    async def register(self, actor: Actor, *, endpoint: str, p256dh: str, auth: str) -> None:
        """Let the caller's device get messages. Repeating it changes nothing but the keys.

        An endpoint is known to its browser alone. If another session has registered it, it now belongs to the
        caller's: somebody else has logged in with that browser.

        Raises:
            PushUnavailable
            RateLimited: the caller changes things too often.
            PushSubscriptionInvalid: the endpoint is no https address of a public host, or a key is wrong.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        if self.public_key is None:
            raise PushUnavailable("This server sends no push messages.")
        keys = _checked_keys(p256dh, auth)
        try:
            await self._client.check(endpoint)
        except (AddressRefused, NoAnswer):
            # One text for all reasons: nobody learns by it which names and addresses this server can see.
            raise PushSubscriptionInvalid(
                "The endpoint must be an https address of a public host.", field=("endpoint",)
            ) from None
        await self._shield.run(self._register(actor, endpoint, *keys))
        self._registered()

    async def _register(self, actor: Actor, endpoint: str, p256dh: str, auth: str) -> None:
        async with self._database.transaction() as transaction:
            # The user is locked, so that simultaneous calls count one another.
            await self._sessions.require(transaction, actor.session_id, lock=self._sessions.user_lock_sql)
            await transaction.fetch(
                "INSERT INTO push_subscriptions (session_id, endpoint, endpoint_hash, p256dh, auth, created) "
                "VALUES ($1, $2, $3, $4, $5, {now}) ON CONFLICT (endpoint_hash) DO UPDATE SET session_id = $1, "
                "p256dh = $4, auth = $5, created = {now}, failing_since = NULL",
                actor.session_id,
                endpoint,
                _hash(endpoint),
                p256dh,
                auth,
            )
            await transaction.fetch(
                "DELETE FROM push_subscriptions WHERE id IN (SELECT p.id FROM push_subscriptions p "
                "JOIN sessions s ON s.id = p.session_id WHERE s.user_id = $1 "
                f"ORDER BY p.created DESC, p.id DESC LIMIT 1000 OFFSET {MAX_PER_USER})",
                actor.id,
            )

    async def remove(self, actor: Actor, *, endpoint: str) -> None:
        """Let a device of the caller get no more messages. Repeating it changes nothing.

        Raises:
            RateLimited: the caller changes things too often.
            SessionEnded: the caller's session has ended.
        """
        await self._changing.count(actor)
        await self._shield.run(self._remove(actor, endpoint))

    async def _remove(self, actor: Actor, endpoint: str) -> None:
        async with self._database.transaction() as transaction:
            await self._sessions.require(transaction, actor.session_id, lock=self._sessions.session_lock_sql)
            await transaction.fetch(
                "DELETE FROM push_subscriptions WHERE endpoint_hash = $1 AND session_id IN "
                "(SELECT id FROM sessions WHERE user_id = $2)",
                _hash(endpoint),
                actor.id,
            )


def _hash(endpoint: str) -> str:
    return hashlib.sha256(endpoint.encode(errors="surrogatepass")).hexdigest()


def _checked_keys(p256dh: str, auth: str) -> tuple[str, str]:
    """The keys without padding. Raises: PushSubscriptionInvalid."""
    key, secret = _decoded(p256dh), _decoded(auth)
    try:
        if len(key) != _P256DH_BYTES:
            raise ValueError
        # A point that is not on the curve would fail at every message.
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        raise PushSubscriptionInvalid(
            "p256dh must be a public key of P-256, uncompressed, in base64url.", field=("p256dh",)
        ) from None
    if len(secret) != _AUTH_BYTES:
        raise PushSubscriptionInvalid("auth must be 16 bytes in base64url.", field=("auth",))
    return p256dh.rstrip("="), auth.rstrip("=")


def _decoded(text: str) -> bytes:
    """The bytes of base64url; none if it is something else, or longer than a key."""
    try:
        return bytes_of(text) if len(text) <= _MAX_KEY_CHARS else b""
    except ValueError:
        return b""
