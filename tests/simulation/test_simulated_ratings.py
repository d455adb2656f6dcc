"""Simulated people rate, and compare what the server tells them; without a server."""

from random import Random
from typing import Any, cast

from simulation import operations
from simulation.client import Client, Unanswered
from simulation.counts import Counts
from simulation.habits import Habits
from simulation.ratings import Ratings


class Steady(Habits):
    """Gives four stars, and then others or nothing."""

    def __init__(self, second: int | None = None) -> None:
        super().__init__(Random(1), speed_up=1.0)
        self._second = second

    def stars(self) -> int | None:
        return 4

    def second_stars(self, stars: int) -> int | None:
        return self._second


class Server:
    """Keeps every rating, or the first of each trip."""

    def __init__(self, *, keeps_all: bool = False) -> None:
        self.keeps_all = keeps_all
        self.given: list[int] = []
        self.answers = True

    async def insist(self, document: str, **variables: Any) -> Any:
        if not self.answers:
            raise Unanswered("ReadTimeout")
        if document == operations.MY_RATING:
            count = len(self.given)
            return {"rating": {"average": sum(self.given) / count, "count": count} if count else None}
        if self.given and not self.keeps_all and self.given[0] != variables["stars"]:
            return {"trip": None, "errors": [{"code": "ALREADY_RATED"}]}
        if not self.given or self.keeps_all:
            self.given.append(variables["stars"])
        return {"trip": {"myRating": variables["stars"]}, "errors": []}


async def rated(server: Server, habits: Habits, *, rider: str = "rider") -> Ratings:
    """One ride, the driver's rating of its rider, and the comparison."""
    ratings, client = Ratings(), cast("Client", server)
    ratings.begin({"driver", "rider"})
    ratings.rode("rider", "driver")
    await ratings.give(client, habits, Counts(), trip_id="t", subject=rider)
    server.answers = True
    await ratings.check(client, "rider")
    return ratings


async def test_a_rating_that_is_told_as_it_was_given_is_right() -> None:
    for second in (None, 4, 3):
        assert (await rated(Server(), Steady(second))).wrong == 0


async def test_a_second_rating_that_counts_is_noticed() -> None:
    # The other stars were taken, and the average is another.
    assert (await rated(Server(keeps_all=True), Steady(3))).wrong == 2
    # The same stars again count twice.
    assert (await rated(Server(keeps_all=True), Steady(4))).wrong == 1


async def test_an_average_of_somebody_else_is_noticed() -> None:
    assert (await rated(Server(), Steady(), rider="driver")).wrong == 1


async def test_a_rating_without_an_answer_is_not_compared() -> None:
    server = Server()
    server.answers = False
    assert (await rated(server, Steady())).wrong == 0


async def test_whoever_rode_with_strangers_is_not_compared() -> None:
    ratings, server = Ratings(), Server()
    ratings.begin({"rider"})
    ratings.rode("rider", "somebody")
    server.given.append(1)
    await ratings.check(cast("Client", server), "rider")
    assert ratings.wrong == 0
