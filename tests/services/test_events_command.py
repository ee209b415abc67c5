"""`events`: what other systems pull, in the order of commits."""

import datetime as dt
import json
import threading

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from dashboard.services import outgoing_events
from dashboard.services.outgoing_events import Event
from tests.builders import NOW, make_operator, make_player
from tests.conftest import database_url


@pytest.fixture
def engine(database):
    """Of the application's role, on this test's database."""
    made = create_engine(database_url("app", database))
    yield made
    made.dispose()


def tell(session: Session, operator_id: int, *words: str, player_id: int | None = None) -> None:
    events = [Event(operator_id, player_id, "points.expiring", {"external_id": word}) for word in words]
    outgoing_events.tell(session, events, now=NOW)


def lines(finished) -> list[dict]:
    return [json.loads(line) for line in finished.out.splitlines()]


def test_events_come_as_lines_after_the_last_one_seen(command, engine):
    with Session(engine) as session:
        one, other = make_operator(session, slug="one"), make_operator(session, slug="other")
        player = make_player(session, operator_id=one)
        tell(session, one, "Åsa", player_id=player)
        tell(session, other, "b", "c")
        tell(session, one, "d")
        session.commit()

    everything = lines(command("events"))
    assert everything[0] == {
        "id": everything[0]["id"],
        "operator": "one",
        "kind": "points.expiring",
        "happened_at": "2026-03-02T12:00:00+00:00",
        "payload": {"external_id": "Åsa"},
    }
    assert [line["payload"]["external_id"] for line in everything] == ["Åsa", "b", "c", "d"]
    seen = str(everything[1]["id"])
    assert lines(command("events", "--after", seen)) == everything[2:]
    assert lines(command("events", "--after", seen, "--limit", "1")) == everything[2:3]
    assert lines(command("events", "--operator", "one")) == [everything[0], everything[3]]
    assert command("events", "--after", str(everything[3]["id"])).out == ""


def test_an_operator_that_is_not_there_is_one_line_and_exit_1(command):
    finished = command("events", "--operator", "nobody")
    assert (finished.code, finished.err) == (1, "There is no operator “nobody”.\n")
    assert command("events", "--after", "-1").code == 2


def test_numbers_rise_in_the_order_of_commits(engine):
    """Of two that write at once the second gets its numbers when the first has committed."""
    with Session(engine) as session:
        operator_id = make_operator(session)
        session.commit()
    late = threading.Event()

    def write() -> None:
        with Session(engine) as second:
            tell(second, operator_id, "second")
            second.commit()
            late.set()

    with Session(engine) as first:
        tell(first, operator_id, "first")
        thread = threading.Thread(target=write)
        thread.start()
        with Session(engine) as watcher:
            waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=10)
            while not watcher.scalar(waiting) and dt.datetime.now(dt.UTC) < ends:
                watcher.rollback()
        assert not late.is_set()
        first.commit()
    thread.join(30)
    with Session(engine) as session:
        found = session.scalars(text("SELECT payload FROM outgoing_events ORDER BY id"))
        assert [json.loads(payload)["external_id"] for payload in found] == ["first", "second"]
