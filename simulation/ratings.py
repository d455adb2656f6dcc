"""Records the ratings that were given, and checks the averages that the server tells."""

from collections import Counter, defaultdict
from collections.abc import Collection
from typing import Any

from simulation import operations
from simulation.client import Client, Failed
from simulation.counts import Counts
from simulation.habits import Habits


class Ratings:
    """All ratings of one simulation. ``wrong``: how often the server's answers and averages contradict them."""

    def __init__(self) -> None:
        self.wrong = 0
        self._people: Collection[str] = ()
        self._stars = defaultdict[str, list[int]](list)
        self._unanswered = Counter[str]()
        self._others = set[str]()

    def begin(self, people: Collection[str]) -> None:
        """The ids of the people who are simulated; others may use the server at the same time."""
        self._people = people

    def rode(self, person: str, other: str) -> None:
        """Two people have completed a trip."""
        if other not in self._people:
            # Whatever the other one gives is not known here.
            self._others.add(person)

    async def give(self, client: Client, habits: Habits, counts: Counts, *, trip_id: str, subject: str) -> None:
        """Rate the other party of a completed trip, if the caller is in the mood; some do it twice."""
        stars = habits.stars()
        if stars is None:
            return
        # If the run ends before the answer, nobody knows whether the rating counts.
        self._unanswered[subject] += 1
        try:
            code = await _rate(client, trip_id, stars)
        except Failed:
            return
        self._unanswered[subject] -= 1
        if code is not None:
            self.wrong += 1
            return
        counts.ratings += 1
        self._stars[subject].append(stars)
        second = habits.second_stars(stars)
        if second is None:
            return
        try:
            code = await _rate(client, trip_id, second)
        except Failed:
            return
        if code is not None:
            counts.answers[code] += 1
        self.wrong += code != (None if second == stars else "ALREADY_RATED")

    async def check(self, client: Client, person: str) -> None:
        """Compare the average that the server tells a person with what the others gave."""
        if person in self._others or self._unanswered[person]:
            return
        try:
            told = (await client.insist(operations.MY_RATING))["rating"]
        except Failed:
            return
        self.wrong += told != self._expected(person)

    def _expected(self, person: str) -> dict[str, Any] | None:
        stars = self._stars[person]
        return {"average": round(sum(stars) / len(stars), 1), "count": len(stars)} if stars else None


async def _rate(client: Client, trip_id: str, stars: int) -> str | None:
    """The code of the error; None if it succeeded. Raises: Failed."""
    payload = await client.insist(operations.RATE_TRIP, tripId=trip_id, stars=stars)
    if payload["errors"]:
        return payload["errors"][0]["code"]
    return None if payload["trip"]["myRating"] == stars else "not what was given"
