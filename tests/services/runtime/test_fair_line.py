"""A line in which clients have turns."""

from collections.abc import Hashable
from dataclasses import dataclass

from services.runtime.fair_line import FairLine


@dataclass(eq=False)
class Person:
    """Somebody in the line."""

    client: Hashable
    since_s: float = 0.0
    is_waiting: bool = True


def give_up(line: FairLine[Person], *people: Person) -> None:
    for person in people:
        person.is_waiting = False
        line.forget()


def test_clients_have_turns_and_the_own_of_each_come_in_order() -> None:
    line = FairLine[Person]()
    people = [Person(client) for client in ("a", "a", "a", "b", "c", "b")]
    for person in people:
        assert line.put(person, most=100) is None
    assert [people.index(line.take()) for _ in range(len(line))] == [0, 3, 4, 1, 5, 2]
    assert not line


def test_those_who_have_given_up_take_no_place_and_no_turn() -> None:
    line = FairLine[Person]()
    people = [Person(client) for client in ("a", "a", "b", "a")]
    for person in people:
        line.put(person, most=4)
    give_up(line, people[0], people[2])
    assert len(line) == 2
    last = Person("c")
    assert line.put(last, most=3) is None
    assert [line.take() for _ in range(3)] == [people[1], last, people[3]]


def test_a_full_line_refuses_the_newest_of_the_client_who_has_most_and_has_not_given_up() -> None:
    line = FairLine[Person]()
    gone = [Person("gone") for _ in range(5)]
    people = [Person("a"), Person("a"), Person("b")]
    for person in (*people, *gone):
        line.put(person, most=8)
    give_up(line, *gone)
    new = Person("b")
    # Both have two now: it is the newcomer.
    assert line.put(new, most=3) is new
    newest = Person("c")
    assert line.put(newest, most=3) is people[1]
    assert {line.take() for _ in range(len(line))} == {people[0], people[2], newest}


def test_the_newest_of_each_client_can_come_first() -> None:
    line = FairLine[Person]()
    people = [Person(client) for client in ("a", "a", "b", "b")]
    for person in people:
        line.put(person, most=100)
    give_up(line, people[3])
    assert [people.index(line.take(newest=True)) for _ in range(len(line))] == [1, 2, 0]


def test_those_who_came_long_ago_are_taken_out_of_each_client_s_line() -> None:
    line = FairLine[Person]()
    people = [Person("a", 1.0), Person("a", 2.0), Person("b", 1.5), Person("a", 3.0), Person("b", 4.0)]
    for person in people:
        line.put(person, most=100)
    give_up(line, people[1])
    assert (line.oldest_since_s(), list(line.older_than(1.0))) == (1.0, [])
    assert set(map(people.index, line.older_than(2.5))) == {0, 2}
    assert line.oldest_since_s() == 3.0
    give_up(line, people[3])
    assert line.oldest_since_s() == 4.0
    assert len(line) == 1
    assert list(line.older_than(9.0)) == [people[4]]
    assert not line


def test_a_client_has_its_share_if_no_fewer_of_it_wait_than_of_others_on_average() -> None:
    line = FairLine[Person]()
    assert line.has_its_share("a")
    for client in "aaabbc":
        line.put(Person(client, 1.0), most=100)
    assert [client for client in "abcd" if line.has_its_share(client)] == ["a", "b"]
