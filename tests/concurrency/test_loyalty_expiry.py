"""Points, tiers and notices at the same moment: each batch lapses once, on its day; notices come once."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard import clock, db, live
from dashboard.errors import Rejected
from dashboard.jobs import loyalty as job
from dashboard.services import chain, points, points_reckoning
from dashboard.services.actors import SYSTEM
from tests.builders import NOW
from tests.concurrency.together import at_once, make_players

LATER = NOW + dt.timedelta(days=800)
MICROSECOND = dt.timedelta(microseconds=1)
ZONES = [
    pytest.param("Europe/Malta", dt.date(2026, 3, 28), id="before-23-hours"),
    pytest.param("Europe/Malta", dt.date(2026, 3, 29), id="of-23-hours"),
    pytest.param("Europe/Malta", dt.date(2026, 10, 24), id="before-25-hours"),
    pytest.param("Europe/Malta", dt.date(2026, 10, 25), id="of-25-hours"),
    pytest.param("Pacific/Kiritimati", dt.date(2026, 3, 29), id="far-east"),
    pytest.param("America/Los_Angeles", dt.date(2026, 11, 1), id="far-west-25-hours"),
]


@pytest.fixture(autouse=True)
def alone(app: Flask) -> None:
    """Nothing of other tests is due."""
    with app.app_context():
        job.expire(LATER)
        job.review(LATER)


def load(player: int, units: int, key: str, *, now: dt.datetime = NOW) -> points.Done:
    return db.transact(
        lambda session: points.load(
            session,
            player_id=player,
            payment=points_reckoning.Payment(units * 100),
            notes="Paid at the desk",
            idempotency_key=key,
            actor=SYSTEM,
            now=now,
        )
    )


def redeem(player: int, number: int, key: str, *, now: dt.datetime) -> points.Done:
    return db.transact(
        lambda session: points.redeem(
            session,
            player_id=player,
            points=number,
            notes="Massage",
            idempotency_key=key,
            actor=SYSTEM,
            now=now,
        )
    )


def rows(app: Flask, query: str, **named: Any) -> list[Mapping[str, Any]]:
    with app.app_context(), db.reading() as session:
        return [dict(row) for row in session.execute(text(query), named).mappings()]


def lapsed(app: Flask, player: int) -> list[int]:
    """What each expiry of a member took, after proving the journal, the batches and the allocations."""
    entries = rows(app, "SELECT * FROM loyalty_entries WHERE player_id = :p ORDER BY sequence", p=player)
    head, balance = chain.GENESIS, 0
    for sequence, entry in enumerate(entries, start=1):
        assert (entry["sequence"], entry["balance_before"]) == (sequence, balance)
        balance = entry["balance_after"]
        head = chain.digest(entry, head, form=chain.POINTS_FORMAT)
        assert bytes(entry["hash"]) == head
    (wallet,) = rows(app, "SELECT * FROM loyalty_wallets WHERE player_id = :p", p=player)
    assert (wallet["version"], wallet["balance"], bytes(wallet["head"])) == (len(entries), balance, head)
    (batches,) = rows(
        app,
        "SELECT sum(remaining) AS balance, sum(expired) AS expired, sum(redeemed) AS redeemed"
        " FROM points_batches WHERE player_id = :p",
        p=player,
    )
    assert {name: wallet[name] for name in batches} == batches
    (wrong,) = rows(
        app,
        "SELECT count(*) AS batches FROM points_batches b WHERE player_id = :p AND expired <> ("
        "  SELECT coalesce(sum(a.points), 0) FROM points_allocations a"
        "  JOIN loyalty_entries e ON e.player_id = a.player_id AND e.sequence = a.sequence"
        "  WHERE a.player_id = b.player_id AND a.number = b.number AND e.kind = 'expire')",
        p=player,
    )
    assert wrong["batches"] == 0
    return [-entry["points"] for entry in entries if entry["kind"] == "expire"]


def test_two_runs_at_once_take_each_batch_once(app: Flask) -> None:
    players = make_players(app, 30)
    with app.app_context():
        for player in players:
            for number in range(3):
                load(player, 10 + number, f"load {number}", now=NOW + dt.timedelta(days=number // 2))

    results = at_once(app, [partial(job.expire, LATER)] * 4)

    assert sum(result for result in results if isinstance(result, int)) == 90, results
    for player in players:
        assert lapsed(app, player) == [21, 12]


@pytest.mark.parametrize(("zone", "last"), ZONES)
def test_across_midnight_each_batch_lapses_once_and_not_early(app: Flask, zone: str, last: dt.date) -> None:
    players = make_players(app, 8, timezone=zone)
    begun = clock.between(last, last + dt.timedelta(days=1), zone)
    loaded = last.replace(year=last.year - 1)
    with app.app_context():
        for player in players:
            load(player, 100, "load", now=clock.between(loaded, loaded, zone).start)
            # What is valid on the day after must not go with it, whoever comes second.
            load(player, 5, "next", now=clock.between(loaded, loaded + dt.timedelta(days=1), zone).end)

    # On the last day, to its last microsecond: runs take nothing, and members use what they have.
    works: list[Callable[[], object]] = [partial(job.expire, begun.end - MICROSECOND)] * 2
    works += [partial(job.expire, begun.start)]
    works += [partial(redeem, player, 30, "last", now=begun.end - MICROSECOND) for player in players[:4]]
    results = at_once(app, works)
    assert results[:3] == [0, 0, 0]
    assert not [result for result in results if isinstance(result, Exception)]

    # From midnight on: runs and acts take what is left once, and nobody uses it.
    late: list[Callable[[], object]] = [partial(job.expire, begun.end)] * 2
    late += [partial(redeem, player, 6, "late", now=begun.end) for player in players[::2]]
    results = at_once(app, late)
    assert all(isinstance(result, Rejected) for result in results[2:]), results
    with app.app_context():
        job.expire(begun.end)
    assert [lapsed(app, player) for player in players] == [[70]] * 4 + [[100]] * 4
    with app.app_context():
        assert job.expire(begun.end + dt.timedelta(days=2)) == 8


@pytest.mark.parametrize("trial", range(10))
def test_a_run_against_acts_of_the_same_members(app: Flask, trial: int) -> None:
    players = make_players(app, 4)
    with app.app_context():
        for player in players:
            load(player, 22_000, "old")
    works: list[Callable[[], object]] = [partial(job.expire, LATER), partial(job.review, LATER)] * 2
    works += [partial(load, player, 50, "new", now=LATER) for player in players]
    works += [partial(redeem, player, 1, "use", now=LATER) for player in players]

    results = at_once(app, works)

    assert {type(result) for result in results if isinstance(result, Exception)} <= {Rejected}
    with app.app_context():
        job.expire(LATER)
        job.review(LATER)
    for player in players:
        assert lapsed(app, player) == [25_000]
        (gone,) = rows(
            app,
            "SELECT count(*) AS times FROM tier_history WHERE player_id = :p AND change = 'downgrade'",
            p=player,
        )
        assert gone["times"] == 1


def test_open_pages_are_told(app: Flask) -> None:
    (player,) = make_players(app, 1)
    bus = app.extensions["live"]
    with app.app_context(), bus.subscribed(frozenset({live.player(player)})) as page:
        load(player, 45_000, "load")
        for work, now in (
            (job.give_notice, NOW + dt.timedelta(days=340)),
            (job.expire, LATER),
            (job.review, LATER),
        ):
            assert work(now)
            assert page.wait(30) == {live.player(player)}, work


def test_two_runs_at_once_review_each_tier_once(app: Flask) -> None:
    players = make_players(app, 10)
    with app.app_context():
        for player in players:
            load(player, 45_000, "load")
            load(player, 45_000, "kept", now=NOW + dt.timedelta(days=100))
    later = NOW + dt.timedelta(days=366)

    results = at_once(app, [partial(job.review, later)] * 4)

    assert sum(result for result in results if isinstance(result, int)) == 10, results
    changes = rows(app, "SELECT change FROM tier_history WHERE player_id = ANY(:p) ORDER BY 1", p=players)
    assert [row["change"] for row in changes] == ["new"] * 10 + ["renewal"] * 10


def test_two_runs_at_once_give_each_notice_once(app: Flask) -> None:
    players = make_players(app, 20)
    with app.app_context():
        for player in players:
            load(player, 45_000, "load")
    now = NOW + dt.timedelta(days=365 - 30)

    results = at_once(app, [partial(job.give_notice, now)] * 4)

    assert sum(result for result in results if isinstance(result, int)) == 40, results
    for table, given in (("loyalty_notices", 40), ("outgoing_events", 40), ("alerts", 40)):
        (found,) = rows(app, f"SELECT count(*) AS rows FROM {table} WHERE player_id = ANY(:p)", p=players)
        assert found["rows"] == given
    hits = rows(app, "SELECT DISTINCT hits FROM alerts WHERE player_id = ANY(:p)", p=players)
    assert hits == [{"hits": 1}]
