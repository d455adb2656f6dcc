"""In every order of steps every screen comes to show the database's state and never goes back.

``uv run pytest tests/live/test_interleavings.py --interleavings 100000`` tries that many, different ones each
time.
"""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from models.trip_life import TRANSITIONS, TripStatus
from tests.support.interleavings import World

EXAMPLES = 300


def test_every_screen_shows_the_database_state_in_every_order_of_steps(request: pytest.FixtureRequest) -> None:
    taken: set[tuple[TripStatus, TripStatus]] = set()
    wanted: int | None = request.config.getoption("interleavings", default=None)

    @settings(
        max_examples=wanted or EXAMPLES,
        derandomize=wanted is None,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @example(b"")
    @given(st.binary(min_size=300, max_size=400))
    def run(choices: bytes) -> None:
        world = World(choices)
        with pytest.MonkeyPatch.context() as monkeypatch:
            try:
                world.run(monkeypatch)
            except BaseException as error:
                error.add_note("\n".join(world.trace))
                raise
        taken.update(world.steps_taken)

    run()
    assert taken == {(step.source, step.target) for step in TRANSITIONS}, "each transition was among the steps"
