"""Tokens in the links of letters: random, stored as hashes, used once, and short-lived."""

import secrets
from uuid import UUID

from models.email_token import TokenPurpose
from services.accounts.sessions import TOKEN_BYTES, token_hash
from services.database.connections import Database, Source
from services.database.dialects import Row

TTL_S = {TokenPurpose.RESET_PASSWORD: 3600, TokenPurpose.VERIFY_EMAIL: 24 * 3600}


async def end_all(transaction: Source, user_id: UUID, *purposes: TokenPurpose) -> None:
    """End the tokens of an account, of those purposes, or of all. The caller has locked the user."""
    for purpose in purposes or TokenPurpose:
        await transaction.fetch("DELETE FROM email_tokens WHERE user_id = $1 AND purpose = $2", user_id, purpose)


class EmailTokens:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def make(self, transaction: Source, purpose: TokenPurpose, *, user_id: UUID, address: str) -> str:
        """A new token for the account and that address; the one before it ends.

        The caller has locked the user. The token is available only here.
        """
        token = secrets.token_urlsafe(TOKEN_BYTES)
        await transaction.fetch(
            "DELETE FROM email_tokens WHERE user_id = $1 AND purpose = $2 AND address = $3",
            user_id,
            purpose,
            address,
        )
        await transaction.fetch(
            "INSERT INTO email_tokens (token_hash, user_id, purpose, address, expires) "
            f"VALUES ($1, $2, $3, $4, {self._database.sql.ago(-TTL_S[purpose])})",
            token_hash(token),
            user_id,
            purpose,
            address,
        )
        return token

    async def owner(self, purpose: TokenPurpose, token: str) -> Row | None:
        """The user of a valid token, without using it; None if it is not valid."""
        rows = await self._database.fetch(
            "SELECT u.id, u.username, u.first_name, u.last_name, u.role, u.photo FROM users u "
            f"WHERE EXISTS (SELECT 1 FROM email_tokens t WHERE t.user_id = u.id AND {self._is_valid('u')})",
            token_hash(token),
            purpose,
        )
        return rows[0] if rows else None

    async def use(self, transaction: Source, purpose: TokenPurpose, token: str) -> bool:
        """Use up a token in the caller's transaction. Of several uses at once one succeeds."""
        used = await transaction.fetch(
            "DELETE FROM email_tokens AS t WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = t.user_id "
            f"AND {self._is_valid('u')}) RETURNING user_id",
            token_hash(token),
            purpose,
        )
        return bool(used)

    async def remove_old(self) -> None:
        """Delete tokens that have expired."""
        await self._database.fetch("DELETE FROM email_tokens WHERE expires < {now}")

    def _is_valid(self, user: str) -> str:
        """SQL: whether token ``t`` has the hash $1 and the purpose $2 and is valid for its user."""
        is_active = self._database.sql.is_true(f"{user}.is_active")
        return (
            f"t.token_hash = $1 AND t.purpose = $2 AND t.expires > {{now}} AND t.address = {user}.email "
            f"AND {is_active}"
        )
