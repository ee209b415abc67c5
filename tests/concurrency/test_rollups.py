"""Counting from many sides at once, beside changes that are being made: each entry is counted once."""

import threading
from collections.abc import Callable

from flask import Flask
from sqlalchemy import text

from dashboard import db
from dashboard.jobs import rollups as job
from dashboard.services import rollup_check, rollups
from dashboard.services.findings import Found
from tests.builders import NOW, change_request
from tests.concurrency.together import at_once, make_players, post

PLAYERS, CHANGES, COUNTERS = 6, 12, 3
COUNTED = text("""
SELECT (SELECT sum(entries) FROM daily_totals) AS days, (SELECT sum(entries) FROM hourly_totals) AS hours,
       (SELECT sum(entries) FROM daily_activity) AS activity,
       (SELECT sum(entries) FROM daily_balances) AS balances, (SELECT sum(version) FROM balances) AS entries
""")


def test_each_entry_is_counted_once(app: Flask) -> None:
    players = make_players(app, PLAYERS)
    done = threading.Barrier(PLAYERS)
    over = threading.Event()

    def changes(player_id: int) -> Callable[[], None]:
        def make() -> None:
            for number in range(CHANGES):
                post(change_request(player_id, 100 + number))
            done.wait(60)
            over.set()

        return make

    def count() -> None:
        while not over.is_set():
            job.roll(NOW)

    results = at_once(app, [*map(changes, players), *[count] * COUNTERS])
    assert results == [None] * (PLAYERS + COUNTERS)
    with app.app_context():
        job.roll(NOW)
        with db.reading() as session:
            row = session.execute(COUNTED).one()
            found = Found()
            rollup_check.check(session, found)
    assert set(row) == {PLAYERS * CHANGES}
    assert not found.totals


def test_two_that_begin_at_once_count_once(app: Flask) -> None:
    players = make_players(app, 2, balance_minor=10_00)
    results = at_once(app, [lambda: job.roll(NOW)] * 4)
    assert sum(result for result in results if isinstance(result, int)) <= len(players)
    with app.app_context():
        job.roll(NOW)
        with db.reading() as session:
            row = session.execute(COUNTED).one()
        assert len(set(row)) == 1
        assert db.transact(rollups.roll) == 0
