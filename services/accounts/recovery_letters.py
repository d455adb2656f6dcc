"""Decides, when a letter is sent, whether somebody gets it, and makes its token."""

from email.message import EmailMessage

import structlog

from models.email_token import TokenPurpose
from models.letter import LetterKind
from services.accounts.email_tokens import EmailTokens
from services.database.connections import Database, Source
from services.database.dialects import Row, uuid
from services.database.failures import Conflict
from services.notifications.composing import LetterTexts
from services.notifications.letters import DueLetter, Letters

_log = structlog.stdlib.get_logger(__name__)

# An address gets at most so many letters an hour that ask to confirm it: anybody can enter a foreign address in
# any number of accounts.
MAX_UNASKED = 5
_PURPOSES = {
    LetterKind.VERIFY_EMAIL: TokenPurpose.VERIFY_EMAIL,
    LetterKind.RESET_PASSWORD: TokenPurpose.RESET_PASSWORD,
}


class RecoveryLetters:
    """Composes the letters about accounts. A token exists only from here on: no row of a letter contains one."""

    def __init__(self, database: Database, letters: Letters, tokens: EmailTokens, texts: LetterTexts) -> None:
        self._database = database
        self._letters = letters
        self._tokens = tokens
        self._texts = texts

    async def compose(self, letter: DueLetter) -> tuple[EmailMessage, str] | None:
        """The message of a claimed letter, and its address; None if nobody gets it.

        Nobody does if no account has the name, the address is not verified or not the account's any more, or the
        account has got the same letter within an hour. Each attempt makes a new token.
        """
        try:
            async with self._database.transaction() as transaction:
                account = await self._account(transaction, letter)
                if account is None:
                    await self._letters.handing_over(letter, transaction)
                    return self._nothing(letter)
                user_id, address = uuid(account["id"]), letter.address or account["email"]
                await self._letters.address_to(transaction, letter, user_id=user_id, address=address)
                purpose = _PURPOSES.get(letter.kind)
                token = (
                    await self._tokens.make(transaction, purpose, user_id=user_id, address=address)
                    if purpose is not None
                    else None
                )
        except Conflict:
            # The same letter was sent within the hour, or is being sent by another process.
            return self._nothing(letter)
        return self._texts.compose(letter.kind, to=address, username=account["username"], token=token), address

    def _nothing(self, letter: DueLetter) -> None:
        """As much work as a letter: who measures other answers must not learn that nobody gets this one."""
        if letter.username_key is not None:
            self._texts.compose(letter.kind, to="nobody@localhost", username="nobody", token="")

    async def _account(self, transaction: Source, letter: DueLetter) -> Row | None:
        """The account that gets the letter, locked: nothing changes it, or ends its tokens, while one is made."""
        is_active = self._database.sql.is_true("is_active")
        who = "id" if letter.user_id is not None else "username_key"
        args: list[object] = [letter.user_id or letter.username_key]
        match letter.kind:
            case LetterKind.VERIFY_EMAIL:
                condition = f"email_verified_at IS NULL AND {is_active}"
            case LetterKind.RESET_PASSWORD:
                condition = f"email_verified_at IS NOT NULL AND {is_active}"
            case LetterKind.PASSWORD_CHANGED | LetterKind.EMAIL_CHANGED:
                condition = "deleted IS NULL"
        if letter.address is not None and letter.kind in _PURPOSES:
            condition += " AND email = $2"
            args.append(letter.address)
        rows = await transaction.fetch(
            f"SELECT id, username, email FROM users WHERE {who} = $1 AND {condition}"
            f"{self._database.sql.locked('SHARE')}",
            *args,
        )
        if rows and letter.kind is LetterKind.VERIFY_EMAIL and await self._is_flooded(transaction, letter):
            _log.warning("too many letters to one address: this one is not sent", letter=letter.id)
            return None
        return rows[0] if rows else None

    async def _is_flooded(self, transaction: Source, letter: DueLetter) -> bool:
        assert letter.address is not None, "it was written with its address"
        return await self._letters.sent_lately(transaction, letter.kind, letter.address) >= MAX_UNASKED
