"""Connections that go from hand to hand, and when they go back to the pool."""

from collections.abc import AsyncGenerator, Callable

import pytest

from services.database.loans import Lender
from services.database.turns import Turns


class _Connection:
    def __init__(self) -> None:
        self.was_lost = False

    def is_closed(self) -> bool:
        return self.was_lost


class _Pooled:
    """A connection as Tortoise's client gives it."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self.connection = _Connection()

    async def __aenter__(self) -> _Connection:
        self.connection = _Connection()
        self._pool.acquired += 1
        self._pool.lent += 1
        return self.connection

    async def __aexit__(self, *_: object) -> None:
        self._pool.lent -= 1


class _Pool:
    """A pool whose connections are lent to one statement after the other, of which others wait for their turn."""

    def __init__(self) -> None:
        self.acquired = self.lent = 0
        self.turns = Turns(3)
        self.lender = Lender(self, self.turns)

    def acquire_connection(self) -> _Pooled:
        return _Pooled(self)

    async def run(self, *, waiting: int, fails: bool = False) -> _Connection:
        """Run a statement, at whose end so many others wait."""
        loan = self.lender.acquire_connection()
        connection = await loan.__aenter__()
        self.turns.waiting = waiting
        await loan.__aexit__(ConnectionError if fails else None)
        return connection


@pytest.fixture
async def pool() -> AsyncGenerator[_Pool]:
    """A pool that has all its connections back at the end."""
    pool = _Pool()
    yield pool
    await pool.lender.return_all()
    assert pool.lent == 0


async def test_the_next_who_waits_takes_the_connection_of_whoever_is_ready(pool: _Pool) -> None:
    connections = {await pool.run(waiting=waiting) for waiting in (2, 1, 0)}
    assert (len(connections), pool.acquired, pool.lent) == (1, 1, 0)


async def test_as_many_connections_are_kept_as_wait(pool: _Pool) -> None:
    async with pool.lender.acquire_connection(), pool.lender.acquire_connection():
        pool.turns.waiting = 1
    assert (pool.acquired, pool.lent) == (2, 1)


async def test_while_nobody_waits_the_pool_has_all_connections(pool: _Pool) -> None:
    for number in (1, 2):
        await pool.run(waiting=0)
        assert (pool.acquired, pool.lent) == (number, 0)


async def test_after_a_failure_the_pool_looks_at_the_connection(pool: _Pool) -> None:
    await pool.run(waiting=1, fails=True)
    assert pool.lent == 0


async def test_a_connection_that_expires_while_it_is_used_goes_back_and_a_new_one_does_not(pool: _Pool) -> None:
    async with pool.lender.acquire_connection():
        pool.turns.waiting = 1
        pool.lender.expire()
    assert pool.lent == 0
    await pool.run(waiting=1)
    assert pool.lent == 1


async def test_a_connection_that_was_lost_while_it_was_used_goes_back(pool: _Pool) -> None:
    async with pool.lender.acquire_connection() as connection:
        pool.turns.waiting = 1
        connection.was_lost = True
    assert pool.lent == 0


def _expire(pool: _Pool, _: _Connection) -> None:
    pool.lender.expire()


def _lose(_: _Pool, connection: _Connection) -> None:
    connection.was_lost = True


@pytest.mark.parametrize("spoil", [_expire, _lose])
async def test_nobody_takes_one_that_is_spoilt_while_it_is_kept(
    pool: _Pool, spoil: Callable[[_Pool, _Connection], None]
) -> None:
    kept = await pool.run(waiting=1)
    spoil(pool, kept)
    assert await pool.run(waiting=1) is not kept
    # The new one is kept in its turn.
    assert (pool.acquired, pool.lent) == (2, 1)
    await pool.run(waiting=0)
    assert (pool.acquired, pool.lent) == (2, 0)


async def test_those_that_were_kept_for_somebody_who_gave_up_go_back_with_the_next(pool: _Pool) -> None:
    async with pool.lender.acquire_connection(), pool.lender.acquire_connection():
        pool.turns.waiting = 2
    assert pool.lent == 2
    await pool.run(waiting=0)
    assert (pool.acquired, pool.lent) == (2, 0)
