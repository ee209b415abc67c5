"""Notices before points expire and tiers end: each once, to staff and to other systems."""

import datetime as dt
import json
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.alert import AlertState
from dashboard.services import alert_life, loyalty_notices, points
from dashboard.services.actors import SYSTEM
from dashboard.services.alert_life import AlertKey
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_actor, make_operator, make_player

LAST = dt.date(2027, 3, 2)
"""Of what is loaded at NOW."""


def load(
    session: Session, player_id: int, units: int, *, now: dt.datetime = NOW, key: str | None = None
) -> None:
    points.load(
        session,
        player_id=player_id,
        payment=Payment(units * 100),
        notes="Paid at the desk",
        idempotency_key=key or f"load {now} {units}",
        actor=SYSTEM,
        now=now,
    )


def before(days: int) -> dt.datetime:
    """Noon of so many days before the last one."""
    return dt.datetime.combine(LAST - dt.timedelta(days=days), dt.time(12), dt.UTC)


def give(session: Session, days: int) -> list[dict[str, Any]]:
    """The events of the notices that are given so many days before, after asking until none is due."""
    known = session.scalar(text("SELECT coalesce(max(id), 0) FROM outgoing_events"))
    while loyalty_notices.give(session, now=before(days), limit=2):
        pass
    rows = session.execute(
        text("SELECT kind, payload FROM outgoing_events WHERE id > :id ORDER BY id"), {"id": known}
    )
    return [{"kind": row.kind, **json.loads(row.payload)} for row in rows]


def alerts_of(session: Session, player_id: int) -> list[tuple[Any, ...]]:
    rows = session.execute(
        text(
            "SELECT type, severity, state, hits, peak, threshold FROM alerts WHERE player_id = :p ORDER BY id"
        ),
        {"p": player_id},
    )
    return [tuple(row) for row in rows]


@pytest.fixture
def player_id(session: Session) -> int:
    return make_player(session, operator_id=make_operator(session), external_id="P-1")


def test_points_are_announced_30_7_and_1_days_before_each_once(session: Session, player_id: int) -> None:
    load(session, player_id, 100)
    given = {days: give(session, days) for days in range(40, -2, -1)}
    told = {days: [event["days"] for event in events] for days, events in given.items() if events}
    assert told == {30: [30], 7: [7], 1: [1]}
    assert given[7] == [
        {
            "kind": "points.expiring",
            "external_id": "P-1",
            "points": 100,
            "last_day": "2027-03-02",
            "days": 7,
            "days_left": 7,
        }
    ]
    assert alerts_of(session, player_id) == [("points_expiring", "warning", "open", 3, 100, 1)]


@pytest.mark.parametrize(
    ("stopped_until", "expected"),
    [(29, [(30, 29)]), (8, [(30, 8)]), (7, [(7, 7)]), (5, [(7, 5)]), (1, [(1, 1)]), (0, [(1, 0)]), (-1, [])],
)
def test_what_was_missed_is_announced_once_by_the_nearest(
    session: Session, player_id: int, stopped_until: int, expected: list[tuple[int, int]]
) -> None:
    load(session, player_id, 100)
    events = give(session, stopped_until)
    assert [(event["days"], event["days_left"]) for event in events] == expected


def test_what_is_used_in_time_is_not_announced(session: Session, player_id: int) -> None:
    load(session, player_id, 100)
    points.redeem(
        session,
        player_id=player_id,
        points=100,
        notes="Massage",
        idempotency_key="all",
        actor=SYSTEM,
        now=NOW,
    )
    assert give(session, 30) == []


def test_points_that_come_after_the_day_of_a_notice_get_the_next_one(
    session: Session, player_id: int
) -> None:
    load(session, player_id, 100, now=before(10))
    session.execute(text("UPDATE points_batches SET expires_on = :day"), {"day": LAST})
    given = {days: [event["days"] for event in give(session, days)] for days in (10, 9, 8, 7, 6)}
    assert given == {10: [], 9: [], 8: [], 7: [7], 6: []}


def test_of_several_days_each_is_announced_and_the_soonest_stands_in_the_alert(
    session: Session, player_id: int
) -> None:
    load(session, player_id, 40)
    load(session, player_id, 2, key="the same day")
    load(session, player_id, 9, now=NOW + dt.timedelta(days=20))
    events = give(session, 7)
    assert [(event["points"], event["last_day"], event["days"]) for event in events] == [
        (9, "2027-03-22", 30),
        (42, "2027-03-02", 7),
    ]
    assert alerts_of(session, player_id) == [("points_expiring", "warning", "open", 2, 42, 7)]


def test_a_tier_is_announced_with_what_is_missing(session: Session, player_id: int) -> None:
    load(session, player_id, 45_000)
    load(session, player_id, 700, now=NOW + dt.timedelta(days=100))
    assert [event for event in give(session, 31) if event["kind"] == "tier.ending"] == []
    # The first payment was made on the day before the twelve months that count.
    (event,) = (event for event in give(session, 30) if event["kind"] == "tier.ending")
    assert event == {
        "kind": "tier.ending",
        "external_id": "P-1",
        "tier": "gold",
        "tier_name": "Gold",
        "last_day": "2027-03-02",
        "days": 30,
        "days_left": 30,
        "currency": "USD",
        "minimum": 45_000_00,
        "missing": 44_300_00,
        "renews": False,
    }
    assert ("tier_ending", "warning", "open", 1, 44_300_00, 30) in alerts_of(session, player_id)
    assert [event for event in give(session, 3) if event["kind"] == "tier.ending"] == []


def test_what_keeps_a_tier_is_no_alert(session: Session, player_id: int) -> None:
    load(session, player_id, 22_000)
    load(session, player_id, 22_000, now=NOW + dt.timedelta(days=100))
    session.execute(text("UPDATE points_batches SET expires_on = '2029-01-01'"))
    (event,) = give(session, 30)
    assert (event["missing"], event["renews"]) == (0, True)
    assert alerts_of(session, player_id) == []


def test_a_tier_that_is_no_longer_given_is_an_alert_though_nothing_is_missing(
    session: Session, player_id: int
) -> None:
    load(session, player_id, 22_000)
    load(session, player_id, 22_000, now=NOW + dt.timedelta(days=100))
    session.execute(text("UPDATE points_batches SET expires_on = '2029-01-01'"))
    session.execute(text("UPDATE loyalty_tiers SET is_active = false"))
    (event,) = give(session, 30)
    assert (event["missing"], event["renews"]) == (0, False)
    assert alerts_of(session, player_id) == [("tier_ending", "warning", "open", 1, 0, 30)]


def test_an_alert_stays_until_somebody_resolves_it(session: Session, player_id: int) -> None:
    load(session, player_id, 100)
    give(session, 30)
    (alert_id, operator_id) = session.execute(text("SELECT id, operator_id FROM alerts")).one()
    alert_life.resolve(
        session,
        keys=[AlertKey(player_id, alert_id)],
        actor=make_actor(session, operator_id=operator_id),
        note="Called",
        now=before(20),
    )
    give(session, 7)
    assert [row[2:4] for row in alerts_of(session, player_id)] == [
        (AlertState.RESOLVED, 1),
        (AlertState.OPEN, 1),
    ]


def test_each_operator_has_its_own_day(session: Session) -> None:
    zones = ("Pacific/Kiritimati", "Europe/Malta", "Pacific/Pago_Pago")
    players = [make_player(session, operator_id=make_operator(session, timezone=zone)) for zone in zones]
    for player in players:
        load(session, player, 100)
    noticed = []
    for hour in range(20, 40):
        now = dt.datetime(2027, 1, 30, tzinfo=dt.UTC) + dt.timedelta(hours=hour)
        noticed += [(hour, player) for _, player in loyalty_notices.give(session, now=now, limit=10)]
    # Midnight is at 23:00, 10:00 of the next day (where it was loaded on the third of March) and 11:00.
    assert noticed == [(23, players[1]), (34, players[0]), (35, players[2])]
