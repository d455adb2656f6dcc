"""Checks the strength of passwords, and hashes them."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from zxcvbn import zxcvbn

from services.errors import ErrorCode, UserFault

T = TypeVar("T")

MAX_CHARS = 128
LEAST_SCORE = 3
# zxcvbn tries every way to read 4@({[<3690!1|7$5+%2 as letters: 72 such characters took 5 s, 32 take 0.4.
# What is strong within so many characters stays so.
RATED_CHARS = 32


class PasswordMismatch(UserFault):
    """The two passwords differ."""

    code = ErrorCode.PASSWORD_MISMATCH


class PasswordWeak(UserFault):
    """The password can be guessed, or is longer than 128 characters."""

    code = ErrorCode.PASSWORD_WEAK


class Passwords:
    """Checks and hashes passwords with Argon2id (RFC 9106), at most ``concurrency`` at once."""

    def __init__(self, *, concurrency: int, memory_kib: int) -> None:
        # A pool, not a semaphore: the thread of a cancelled caller works on, and must still count.
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="passwords")
        # Two passes on one thread, for the 19 MiB of the settings: OWASP's Password Storage Cheat Sheet.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)
        self._decoy = self._hasher.hash("no password of anybody's")

    async def check(self, password1: str, password2: str, *, about_user: Sequence[str]) -> None:
        """Refuse a password that is mistyped or weak.

        ``about_user``: words that an attacker would try, besides the name of this software.

        Raises:
            PasswordMismatch: the two differ.
            PasswordWeak: zxcvbn rates it below 3 of 4, or it is too long.
        """
        if password1 != password2:
            raise PasswordMismatch("The two passwords differ.", field=("password2",))
        if len(password1) > MAX_CHARS:
            raise PasswordWeak(f"A password has at most {MAX_CHARS} characters.", field=("password1",))
        # zxcvbn fails on an empty one.
        if not password1:
            raise PasswordWeak("Choose a password.", field=("password1",))
        rating = await self._in_thread(
            zxcvbn, password1[:RATED_CHARS], [w for w in (*about_user, "taxirank") if w]
        )
        if rating["score"] < LEAST_SCORE:
            advice = rating["feedback"]["warning"] or "Add another word or two."
            raise PasswordWeak(f"This password is easy to guess. {advice}", field=("password1",))

    async def hash(self, password: str) -> str:
        """The Argon2id hash to keep."""
        return await self._in_thread(self._hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. Takes as long for an unknown account (None)."""
        if len(password) > MAX_CHARS:
            password = ""
        try:
            await self._in_thread(self._hasher.verify, password_hash or self._decoy, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
        return password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other settings: verifying it takes another time than the decoy."""
        return self._hasher.check_needs_rehash(password_hash)

    async def _in_thread(self, work: Callable[..., T], *args: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
