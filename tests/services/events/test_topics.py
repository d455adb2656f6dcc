"""The names of topics and keys, and the nodes of a cluster that have them."""

from collections import Counter
from uuid import UUID, uuid4

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from services.events.topics import TAGS, Topics


def test_each_sixteenth_of_the_slots_has_one_tag() -> None:
    assert [key_slot(tag.encode()) * len(TAGS) // REDIS_CLUSTER_HASH_SLOTS for tag in TAGS] == list(range(16))


def test_what_a_script_uses_together_is_on_one_node_and_all_nodes_have_something() -> None:
    topics = Topics("taxirank", is_cluster=True)
    slots: Counter[int] = Counter()
    for _ in range(1000):
        driver_id = uuid4()
        names = {
            topics.last_location(driver_id),
            topics.lease(driver_id),
            topics.driver(driver_id),
            topics.free_drivers_with(driver_id),
        }
        (slot,) = {key_slot(name.encode()) for name in names}
        slots[slot] += 1
        assert topics.free_drivers_with(driver_id) in topics.free_drivers
    assert len(slots) == len(TAGS)
    assert max(slots.values()) < 2 * 1000 / len(TAGS)
    assert {key_slot(name.encode()) for name in topics.free_drivers} == slots.keys()


def test_on_a_single_redis_names_are_as_they_were_for_servers_of_the_previous_version() -> None:
    topics, an_id = Topics("taxirank"), UUID(int=5)
    assert [
        topics.driver(an_id),
        topics.last_location(an_id),
        topics.lease(an_id),
        topics.free_drivers_with(an_id),
        *topics.free_drivers,
        topics.rate("log-in:name", "x", group="log-in"),
        topics.pool,
        topics.pool_cell(255),
    ] == [
        f"taxirank:location:{an_id}",
        f"taxirank:last-location:{an_id}",
        f"taxirank:lease:{an_id}",
        "taxirank:free-drivers",
        "taxirank:free-drivers",
        "taxirank:rate:log-in:name:x",
        "taxirank:pool:all",
        "taxirank:pool:ff",
    ]
