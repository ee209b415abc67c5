"""Telling open pages what changed: at once within a process, and through the database to every other."""

import json
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import count

import psycopg
import pytest
from flask import Flask

import dashboard
from dashboard import live
from dashboard.db import alchemy
from tests.conftest import clone, database_url, drop_database

SOON_SECONDS = 20.0
"""Long enough for a slow machine; a test that passes waits for milliseconds."""

_numbers = count(1)


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    name = clone()
    yield name
    drop_database(name)


def listening(database: str) -> Iterator[Flask]:
    """A process's stand-in: an application with a bus of its own, which listens already."""
    app = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI=database_url("app", database))
    with bus_of(app).subscribed(frozenset({"first"})) as subscription:
        # Whatever was told while nobody listened: the first thing a listener does is to mark everything.
        assert subscription.wait(SOON_SECONDS) == {"first"}
    yield app
    bus_of(app).close()
    with app.app_context():
        alchemy.engine.dispose()


@pytest.fixture(scope="module")
def here(database: str) -> Iterator[Flask]:
    yield from listening(database)


@pytest.fixture(scope="module")
def elsewhere(database: str) -> Iterator[Flask]:
    yield from listening(database)


def bus_of(app: Flask) -> live.Bus:
    bus = app.extensions["live"]
    assert isinstance(bus, live.Bus)
    return bus


def following(app: Flask, *topics: str) -> AbstractContextManager[live.Subscription]:
    """An open page of that process."""
    return bus_of(app).subscribed(frozenset(topics))


def tell(app: Flask, *topics: str) -> None:
    with app.app_context():
        live.tell(*topics)


@pytest.fixture
def topic() -> str:
    """A name that no other test uses."""
    return live.player(next(_numbers))


@pytest.fixture
def other() -> str:
    return live.player(next(_numbers))


def test_a_page_of_the_same_process_hears_at_once(here: Flask, topic: str) -> None:
    with following(here, topic) as page:
        tell(here, topic)

        assert page.wait(0) == {topic}


def test_a_page_of_another_process_hears_in_a_moment(here: Flask, elsewhere: Flask, topic: str) -> None:
    with following(elsewhere, topic) as page:
        tell(here, topic)

        assert page.wait(SOON_SECONDS) == {topic}


def test_a_page_hears_what_it_follows_and_nothing_else(here: Flask, topic: str, other: str) -> None:
    with following(here, topic) as page, following(here, other) as another:
        tell(here, other)

        assert another.wait(0) == {other}
        assert page.wait(0) == set()


def test_what_comes_while_nobody_waits_is_kept_once_each(here: Flask, topic: str, other: str) -> None:
    with following(here, topic, other) as page:
        for _ in range(3):
            tell(here, topic)
        tell(here, other, topic)

        assert page.wait(0) == {topic, other}
        assert page.wait(0) == set()


def test_whoever_waits_is_woken(here: Flask, topic: str) -> None:
    heard: list[set[str]] = []
    with following(here, topic) as page:
        waiting = threading.Thread(target=lambda: heard.append(page.wait(SOON_SECONDS)), daemon=True)
        waiting.start()
        tell(here, topic)
        waiting.join(SOON_SECONDS)

    assert heard == [{topic}]


def test_many_changes_travel_together(here: Flask, elsewhere: Flask, database: str) -> None:
    told = [live.player(next(_numbers)) for _ in range(450)]
    with psycopg.connect(database_url("app", database), autocommit=True) as connection:
        connection.execute(f"LISTEN {live.CHANNEL}")
        with following(elsewhere, *told) as page:
            for topic in told * 4:
                tell(here, topic)
            heard: set[str] = set()
            while heard != set(told) and (more := page.wait(SOON_SECONDS)):
                heard |= more
        # This connection may hear of them later than the page did.
        notes, carried = [], set[str]()
        for note in connection.notifies(timeout=SOON_SECONDS):
            notes.append(note)
            carried.update(json.loads(note.payload)["topics"])
            if carried >= set(told):
                break
        notes += connection.notifies(timeout=0)

    assert heard == set(told) <= carried
    # PostgreSQL takes 8000 bytes at a time: three messages of at most 200 topics, or a few more where
    # the first were on their way already.
    assert 3 <= len(notes) < 50


def test_a_process_does_not_hear_itself_through_the_database(
    here: Flask, elsewhere: Flask, topic: str, other: str
) -> None:
    with following(here, topic, other) as page, following(elsewhere, topic) as far:
        tell(here, topic)
        assert page.wait(0) == {topic}
        assert far.wait(SOON_SECONDS) == {topic}
        # Notifications come in the order of their commits: after this one, the first has come as well.
        tell(elsewhere, other)

        assert page.wait(SOON_SECONDS) == {other}


def test_a_closed_page_is_forgotten(here: Flask, topic: str) -> None:
    before = bus_of(here).count()
    with following(here, topic) as page:
        assert bus_of(here).count() == before + 1
    tell(here, topic)

    assert bus_of(here).count() == before
    assert page.wait(0) == set()


def test_a_player_is_told_to_every_page_that_shows_them(here: Flask) -> None:
    operator, player = next(_numbers), next(_numbers)
    followed = live.player(player), live.alerts_of(operator), live.operator_of(operator)
    with following(here, *followed, live.player(player + 1)) as page, here.app_context():
        live.tell_player(operator_id=operator, player_id=player)

        assert page.wait(0) == set(followed)


def cut(database: str, what: str) -> None:
    """End the connections of both processes that listen (`LISTEN`, `SELECT 1`) or that tell (`notify`)."""
    with psycopg.connect(database_url("app", database), autocommit=True) as connection:
        ended = connection.execute(
            """
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND application_name = 'purser-live'
              AND (query LIKE '%%notify%%') = %s
            """,
            [what == "notify"],
        ).fetchall()
    assert ended


def test_a_listener_whose_connection_was_cut_comes_back_and_marks_everything(
    here: Flask, elsewhere: Flask, database: str, topic: str, other: str
) -> None:
    with following(elsewhere, topic, other) as page:
        cut(database, "listen")

        assert page.wait(SOON_SECONDS) == {topic, other}
        tell(here, topic)
        assert page.wait(SOON_SECONDS) == {topic}


def test_a_teller_whose_connection_was_cut_loses_nothing(
    here: Flask, elsewhere: Flask, database: str, topic: str, other: str
) -> None:
    with following(elsewhere, topic, other) as page:
        tell(here, topic)
        assert page.wait(SOON_SECONDS) == {topic}
        cut(database, "notify")
        tell(here, other)

        assert page.wait(SOON_SECONDS) == {other}


def test_what_is_still_to_be_told_goes_out_when_a_process_ends(
    elsewhere: Flask, database: str, topic: str
) -> None:
    ending = dashboard.create_app(TESTING=True, SQLALCHEMY_DATABASE_URI=database_url("app", database))
    with following(elsewhere, topic) as page:
        tell(ending, topic)
        bus_of(ending).close()

        assert page.wait(SOON_SECONDS) == {topic}
    with ending.app_context():
        alchemy.engine.dispose()


def test_telling_nothing_wakes_nobody(here: Flask, topic: str) -> None:
    with following(here, topic) as page:
        tell(here)

        assert page.wait(0) == set()
