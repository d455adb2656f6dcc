"""The strength of passwords, and the number of concurrent hashes."""

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.accounts.passwords import MAX_CHARS, PasswordMismatch, Passwords, PasswordWeak

STRONG = "correct-horse-battery-9"


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(concurrency=2, memory_kib=1024)


async def test_a_strong_password_is_accepted(passwords: Passwords) -> None:
    await passwords.check(STRONG, STRONG, about_user=["rosa"])


@pytest.mark.parametrize(
    "password", ["", " ", "a", "12345678", "password", "P@ssw0rd", "qwertyuiop", "a" * 60, "rosa.alvarez1990"]
)
async def test_a_password_that_can_be_guessed_is_weak(passwords: Passwords, password: str) -> None:
    with pytest.raises(PasswordWeak) as refused:
        await passwords.check(password, password, about_user=["rosa.alvarez", "Rosa", "Alvarez"])
    assert refused.value.field == ("password1",)


async def test_a_password_made_of_the_users_data_is_weak(passwords: Passwords) -> None:
    await passwords.check("zanzibarquokka77", "zanzibarquokka77", about_user=[])
    with pytest.raises(PasswordWeak):
        await passwords.check("zanzibarquokka77", "zanzibarquokka77", about_user=["zanzibarquokka77"])


async def test_the_longest_password_has_128_characters(passwords: Passwords) -> None:
    longest = (STRONG * 10)[:MAX_CHARS]
    await passwords.check(longest, longest, about_user=[])
    with pytest.raises(PasswordWeak):
        await passwords.check(longest + "x", longest + "x", about_user=[])


async def test_a_mistyped_password_is_a_mismatch(passwords: Passwords) -> None:
    with pytest.raises(PasswordMismatch) as refused:
        await passwords.check(STRONG, STRONG + " ", about_user=[])
    assert refused.value.field == ("password2",)


async def test_the_whole_password_counts(passwords: Passwords) -> None:
    longest = (STRONG * 10)[:MAX_CHARS]
    kept = await passwords.hash(longest)
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, longest)
    assert not await passwords.verify(kept, longest[:-1])
    assert not await passwords.verify(kept, longest + "x")


async def test_equal_passwords_have_different_hashes(passwords: Passwords) -> None:
    assert await passwords.hash(STRONG) != await passwords.hash(STRONG)


async def test_no_password_is_right_for_a_missing_account(passwords: Passwords) -> None:
    assert not await passwords.verify(None, "no password of anybody's")
    assert not await passwords.verify("", STRONG)
    assert not await passwords.verify("not a hash", STRONG)


async def test_a_password_made_to_slow_the_rating_is_rated_quickly(passwords: Passwords) -> None:
    slow = ("4@({[<3690!1|7$5+%2" * 7)[:MAX_CHARS]
    began = time.process_time()
    await passwords.check(slow, slow, about_user=[])
    # 72 characters of it took 5.5 s, 32 take 0.4.
    assert time.process_time() - began < 3


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_accepted_or_weak(password: str) -> None:
    passwords = Passwords(concurrency=1, memory_kib=1024)
    with suppress(PasswordWeak):
        asyncio.run(passwords.check(password, password, about_user=[password[:5], ""]))


class _Gauge:
    """Wraps the real hasher and counts the threads in it."""

    def __init__(self, hasher: Any) -> None:
        self._hasher = hasher
        self._lock = threading.Lock()
        self._inside = 0
        self.most = 0
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        def work(*args: Any) -> Any:
            with self._lock:
                self._inside += 1
                self.calls += 1
                self.most = max(self.most, self._inside)
            try:
                return getattr(self._hasher, name)(*args)
            finally:
                with self._lock:
                    self._inside -= 1

        return work


async def test_no_more_passwords_are_hashed_at_once_than_allowed(passwords: Passwords) -> None:
    gauge = passwords._hasher = _Gauge(passwords._hasher)  # pyright: ignore
    kept = await passwords.hash(STRONG)
    waiting = [asyncio.create_task(passwords.hash(STRONG)) for _ in range(20)]
    # A cancelled caller frees its place only when its thread has ended.
    for task in waiting[::2]:
        task.cancel()
    await asyncio.gather(*(passwords.verify(kept, STRONG) for _ in range(20)), *waiting, return_exceptions=True)
    assert gauge.calls > 20
    assert gauge.most == 2
