"""The worker that sends letters."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from email.message import EmailMessage

import structlog

from services.errors import DatabaseUnavailable
from services.notifications.letters import CLAIM_S, REPEAT_S, DueLetter, Letters
from services.notifications.transports import (
    LetterDeferred,
    LetterRefused,
    MailUnavailable,
    OutcomeUnknown,
    Transport,
)
from services.runtime.counters import Counters
from services.runtime.tasks import cancel_and_wait, keep_running
from services.runtime.waits import until_woken

_log = structlog.stdlib.get_logger(__name__)

# How often each process looks for letters of others, and for those to try again.
LOOK_INTERVAL_S = 5.0
# All that comes before the text of a letter is sent, and the text itself.
TIMEOUT_S = 60.0
BATCH = 10
# How long a letter under way may take when the server stops.
STOP_TIMEOUT_S = 1.0
# After a failure of the mail server, this process tries again after the first, then twice as long each time.
FIRST_PAUSE_S = 5.0
LONGEST_PAUSE_S = 300.0

assert TIMEOUT_S < CLAIM_S

# The message of a letter and its address; None if there is nothing to send.
Compose = Callable[[DueLetter], Awaitable[tuple[EmailMessage, str] | None]]


class Mailer:
    """Sends the letters of all processes, one at a time in each.

    Each letter is sent at least once, unless the mail server refuses it for ever or for a day, and not twice
    within an hour. No request waits for it: a mail server that is slow, hangs or is away delays only letters.
    """

    def __init__(self, letters: Letters, transport: Transport, counters: Counters, *, compose: Compose) -> None:
        self._letters = letters
        self._transport = transport
        self._counters = counters
        self._compose = compose
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False
        self._sending = asyncio.Lock()
        self._failures = 0
        self._quiet_until = 0.0

    @property
    def is_up(self) -> bool:
        """Whether the mail server took, or the folder kept, the last letter."""
        return self._failures == 0

    async def start(self) -> None:
        """Begin to send."""
        self._tasks = [asyncio.create_task(keep_running("mailer", self._work, self._counters))]

    async def stop(self) -> None:
        """Stop after the letter under way, or after ``STOP_TIMEOUT_S``; another process sends the others."""
        self._is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S), self._sending:
                pass
        await cancel_and_wait(self._tasks)
        self._tasks = []
        self._is_stopping = False

    async def _work(self) -> None:
        while True:
            await until_woken(self._letters.added, at_most_s=LOOK_INTERVAL_S)
            if asyncio.get_running_loop().time() < self._quiet_until:
                continue
            try:
                await self.send_due()
            except DatabaseUnavailable as error:
                _log.warning("letters wait for the database", error=str(error))
            except Exception:
                _log.exception("sending letters failed")

    async def send_due(self) -> None:
        """Send all letters that are due, until the mail server fails."""
        async with self._sending:
            await self._send_due()

    async def _send_due(self) -> None:
        while not self._is_stopping and (letters := await self._letters.claim(BATCH)):
            for position, letter in enumerate(letters, 1):
                if not await self._send_or_put_off(letter) or self._is_stopping:
                    await self._release(letters[position:])
                    return

    async def _release(self, letters: Sequence[DueLetter]) -> None:
        for letter in letters:
            await self._letters.retry(letter, after_s=0)

    async def _send_or_put_off(self, letter: DueLetter) -> bool:
        """As ``_send``. A letter that fails unexpectedly does not keep the others waiting."""
        try:
            return await self._send(letter)
        except DatabaseUnavailable:
            raise
        except Exception:
            _log.exception("sending a letter failed", kind=letter.kind, letter=letter.id)
            self._counters.letters_deferred += 1
            # It may have been sent.
            await self._letters.retry(letter, after_s=REPEAT_S)
            return True

    async def _send(self, letter: DueLetter) -> bool:
        """Send one letter. Returns whether the mail server works."""
        if letter.is_too_old:
            self._give_up(letter, "it could not be sent for a day")
            await self._letters.drop(letter)
            return True
        composed = await self._compose(letter)
        if composed is None:
            # As many commits as for a letter that is sent.
            await self._letters.handing_over(letter)
            await self._letters.drop(letter)
            return True
        message, address = composed

        async def before_text() -> None:
            await self._letters.handing_over(letter)

        try:
            async with asyncio.timeout(TIMEOUT_S):
                await self._transport.send(message, to=address, before_text=before_text)
        except LetterRefused as error:
            self._works()
            self._give_up(letter, str(error))
            await self._letters.drop(letter)
        except LetterDeferred as error:
            self._works()
            self._counters.letters_deferred += 1
            _log.info("a letter is tried again later", kind=letter.kind, letter=letter.id, reason=str(error))
            await self._letters.retry(letter, after_s=letter.retry_s)
        except MailUnavailable as error:
            self._fails(str(error))
            await self._letters.retry(letter, after_s=0)
            return False
        except (OutcomeUnknown, TimeoutError) as error:
            # It stays claimed, for two minutes if the text was not sent yet, otherwise for an hour.
            self._fails(str(error) or "no answer in time")
            return False
        else:
            self._works()
            self._counters.letters_sent += 1
            await self._letters.sent(letter)
        return True

    def _give_up(self, letter: DueLetter, reason: str) -> None:
        self._counters.letters_given_up += 1
        _log.warning("a letter was given up", kind=letter.kind, letter=letter.id, reason=reason)

    def _works(self) -> None:
        if self._failures:
            _log.info("letters are sent again")
        self._failures = 0

    def _fails(self, reason: str) -> None:
        pause_s = min(FIRST_PAUSE_S * 2 ** min(self._failures, 10), LONGEST_PAUSE_S)
        self._quiet_until = asyncio.get_running_loop().time() + pause_s
        self._failures += 1
        self._counters.letters_deferred += 1
        _log.warning("no letter can be sent", reason=reason, again_in_s=pause_s)
