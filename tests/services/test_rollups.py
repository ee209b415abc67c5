"""Rollups hold what the entries come to, whoever counts, and however often."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import astuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.clock import Span
from dashboard.models.vip import Level
from dashboard.queries import rollups as queries
from dashboard.queries.rollups import Scope
from dashboard.services import periods, rollups
from dashboard.services.periods import Kind
from tests.builders import NOW, change, make_operator, make_player

BY_DAY = text("""
SELECT day, change_type, entries, real, credits FROM daily_totals ORDER BY day, change_type
""")
BALANCES = text("SELECT day, opening, low, high, closing, entries FROM daily_balances ORDER BY day")


@pytest.fixture
def player_id(session: Session) -> int:
    return make_player(session, operator_id=make_operator(session))


def test_each_entry_is_counted_once_into_its_local_day(session: Session, player_id: int) -> None:
    before_midnight = dt.datetime(2026, 3, 2, 22, 59, tzinfo=dt.UTC)
    change(session, player_id, 100_00, now=before_midnight)
    change(session, player_id, -30_00, now=before_midnight + dt.timedelta(minutes=1))
    rollups.begin(session)
    assert rollups.roll(session) == 2
    change(session, player_id, -80_00, now=NOW + dt.timedelta(days=1))
    assert rollups.roll(session) == 1
    assert rollups.roll(session) == 0
    for amount_minor in (50_00, 20_00):
        change(session, player_id, amount_minor, now=NOW + dt.timedelta(days=1, minutes=1))
        assert rollups.roll(session) == 1
    first, second = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
    assert [tuple(row) for row in session.execute(BY_DAY)] == [
        (first, "adjustment", 1, 100_00, 100_00),
        (second, "adjustment", 4, -40_00, 70_00),
    ]
    assert [tuple(row) for row in session.execute(BALANCES)] == [
        (first, 0, 0, 100_00, 100_00, 1),
        (second, 100_00, -10_00, 100_00, 60_00, 4),
    ]


def test_another_time_zone_makes_other_days(session: Session, player_id: int) -> None:
    rollups.begin(session)
    late = dt.datetime(2026, 3, 2, 22, 30, tzinfo=dt.UTC)
    change(session, player_id, 1_00, now=late)
    assert rollups.roll(session) == 1
    assert rollups.begin(session) == []
    session.execute(text("UPDATE operators SET timezone = 'Europe/Athens'"))
    assert rollups.roll(session) == 0
    assert len(rollups.begin(session)) == 1
    assert rollups.roll(session) == 1
    assert [row.day for row in session.execute(BY_DAY)] == [dt.date(2026, 3, 3)]


def entry_sums(session: Session, scope: Scope, buckets: Sequence[Span]) -> list[tuple[object, ...]]:
    """The same by a plain sum over the entries."""
    found = []
    for at, bucket in enumerate(buckets):
        rows = session.execute(
            text("""
            SELECT change_type, contra_account, count(*), sum(real_delta)::bigint, sum(bonus_delta)::bigint,
                   sum(greatest(real_delta + bonus_delta, 0))::bigint
            FROM wallet_entries
            WHERE operator_id = :o AND currency = :c AND created_at >= :s AND created_at < :e
              AND (CAST(:a AS bigint) IS NULL OR coalesce(agent_id, 0) = :a)
            GROUP BY 1, 2 ORDER BY 1, 2
            """),
            {
                "o": scope.operator_id,
                "c": scope.currency,
                "s": bucket.start,
                "e": bucket.end,
                "a": scope.agent_id,
            },
        )
        found += [(at, *row) for row in rows]
    return found


@pytest.mark.parametrize("kind", [Kind.DAILY, Kind.WEEKLY, Kind.MONTHLY, Kind.YEARLY])
@pytest.mark.parametrize("agent_id", [None, 0])
@pytest.mark.parametrize("rolled", ["nothing", "half", "all"])
@pytest.mark.parametrize("zone", ["Europe/Malta", "Asia/Tokyo"])
def test_figures_are_those_of_the_entries(
    session: Session, kind: Kind, agent_id: int | None, rolled: str, zone: str
) -> None:
    operator_id = make_operator(session, timezone=zone)
    players = [make_player(session, operator_id=operator_id) for _ in range(3)]
    rollups.begin(session)
    for hours in range(0, 9_000, 173):
        at = NOW - dt.timedelta(hours=9_000 - hours)
        change(session, players[hours % 3], 10_00 - hours % 7, now=at)
        if hours == 4_325 and rolled == "half":
            assert rollups.roll(session)
            rollups.passed(session, at=at)
    if rolled == "all":
        assert rollups.roll(session)
        rollups.passed(session, at=NOW)
    scope = Scope(operator_id, zone, "USD", agent_id)
    period = periods.named(kind, now=NOW, zone=zone)
    found = queries.sums(session, scope, period.buckets, period.unit)
    assert [astuple(row)[:7] for row in found] == entry_sums(session, scope, period.buckets)
    before = Span(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), period.span.start)
    expected = sum(row[4] for row in entry_sums(session, scope, [before]))  # type: ignore[misc]
    assert queries.opening(session, scope, period.span.start).real == expected


RISE = text("""
WITH risen AS (
  UPDATE wallets SET vip_level = :to WHERE player_id = :player RETURNING player_id, operator_id
)
INSERT INTO vip_level_changes (player_id, operator_id, from_level, to_level, reason, changed_by, changed_at)
SELECT player_id, operator_id, :from, :to, 'Well played', 'system', :at FROM risen
""")


@pytest.mark.parametrize("kind", [Kind.DAILY, Kind.WEEKLY])
@pytest.mark.parametrize("is_held", [False, True])
def test_a_level_is_the_one_that_the_player_had(session: Session, kind: Kind, is_held: bool) -> None:
    operator_id = make_operator(session)
    riser, other = (make_player(session, operator_id=operator_id) for _ in range(2))
    # Default, then silver between the second and the third, gold before the fourth; the other stays.
    moments = [NOW - dt.timedelta(hours=hours) for hours in (20, 15, 10, 5)]
    between = dt.timedelta(minutes=1)
    for at, amount in zip(moments, (1, 10, 100, 1000), strict=True):
        change(session, riser, amount, now=at)
        change(session, other, 5 * amount, now=at)
    for was, to, at in (("default", "silver", moments[2]), ("silver", "gold", moments[3])):
        session.execute(RISE, {"player": riser, "from": was, "to": to, "at": at - between})
    if is_held:
        rollups.begin(session)
        assert rollups.roll(session) == 8
        rollups.passed(session, at=NOW + rollups.IN_FLIGHT)
    period = periods.named(kind, now=NOW, zone="Europe/Malta")
    found = queries.sums(session, Scope(operator_id, "Europe/Malta", "USD"), (period.span,), period.unit,
                         by=queries.Part.LEVEL)  # fmt: skip
    assert {row.part: row.real for row in found} == {"default": 5_566, "silver": 100, "gold": 1000}
    for level, real in ((Level.DEFAULT, 5_566), (Level.SILVER, 100), (Level.GOLD, 1000)):
        scope = Scope(operator_id, "Europe/Malta", "USD", level=level)
        assert sum(row.real for row in queries.sums(session, scope, period.buckets, period.unit)) == real
        assert queries.opening(session, scope, moments[3] + between).real == real


def test_what_was_committed_late_is_in_the_figures(session: Session, player_id: int) -> None:
    change(session, player_id, 10_00, now=NOW - dt.timedelta(hours=3))
    rollups.begin(session)
    assert rollups.roll(session) == 1
    rollups.passed(session, at=NOW)
    # It was begun before that pass, which did not see it.
    change(session, player_id, 7, now=NOW - rollups.IN_FLIGHT + dt.timedelta(seconds=1))
    scope = Scope(session.scalars(text("SELECT id FROM operators")).one(), "Europe/Malta", "USD")
    for kind in (Kind.DAILY, Kind.MONTHLY):
        period = periods.named(kind, now=NOW, zone=scope.timezone)
        assert sum(row.real for row in queries.sums(session, scope, period.buckets, period.unit)) == 10_07
    assert queries.opening(session, scope, NOW + dt.timedelta(days=1)).real == 10_07
