"""Every figure of the overview is a plain sum over the entries, whatever the period, zone and rollups."""

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.clock import Span
from dashboard.models.wallet import ChangeType
from dashboard.queries import overview, overview_more
from dashboard.queries.rollups import Part, Scope
from dashboard.services import figures, periods, rollups
from dashboard.services.figures import Figures
from dashboard.services.periods import Kind, Period
from tests.builders import NOW, change, make_login, make_operator, make_player

ZONES = ("Europe/Malta", "America/St_Johns")
CUSTOM = (
    (dt.date(2026, 2, 27), dt.date(2026, 3, 2)),
    (dt.date(2026, 1, 10), dt.date(2026, 2, 20)),
    (dt.date(2025, 3, 17), dt.date(2026, 1, 9)),
    (dt.date(2024, 1, 1), dt.date(2026, 4, 1)),
)
_PLAIN = text("""
SELECT change_type, contra_account, count(*) AS entries, sum(real_delta)::bigint AS real,
       sum(bonus_delta)::bigint AS bonus
FROM wallet_entries
WHERE operator_id = :operator AND currency = 'USD' AND created_at >= :start AND created_at < :end
  AND (CAST(:agent AS bigint) IS NULL OR coalesce(agent_id, 0) = :agent)
GROUP BY change_type, contra_account
""")


@dataclass(frozen=True)
class House:
    """An operator with a history, and the agent of one of its two players."""

    operator_id: int
    zone: str
    agent_id: int

    def scope(self, agent_id: int | None = None) -> Scope:
        """All of it, or an agent's players."""
        return Scope(self.operator_id, self.zone, "USD", agent_id)

    def plain(self, session: Session, span: Span, agent_id: int | None = None) -> Figures:
        """What the entries of a span come to, by one aggregate."""
        named = {"operator": self.operator_id, "start": span.start, "end": span.end, "agent": agent_id}
        return figures.of(session.execute(_PLAIN, named))


@pytest.fixture(params=ZONES)
def house(session: Session, request: pytest.FixtureRequest) -> House:
    operator_id = make_operator(session, timezone=request.param)
    other = make_player(session, operator_id=make_operator(session))
    agent_id = make_login(session, operator_id=operator_id).id
    players = [make_player(session, operator_id=operator_id, agent_id=agent) for agent in (agent_id, None)]
    dice = random.Random(7)
    kinds = (
        ChangeType.DEPOSIT,
        ChangeType.WAGER,
        ChangeType.SETTLEMENT,
        ChangeType.WITHDRAWAL,
        ChangeType.FEE,
    )
    moments = sorted(NOW - dt.timedelta(minutes=dice.randrange(60 * 24 * 500)) for _ in range(50))
    moments += [NOW - dt.timedelta(minutes=minutes) for minutes in (2_800, 2_785, 2_770, 2_755, 90, 45, 0)]
    for player_id in (*players, other):
        change(session, player_id, 9_000_00, ChangeType.DEPOSIT, now=moments[0])
    for at in moments:
        for player_id in (*players, other):
            kind = dice.choice(kinds)
            sign = 1 if kind in {ChangeType.DEPOSIT, ChangeType.SETTLEMENT} else -1
            change(session, player_id, sign * dice.randrange(1, 90_00), kind, now=at)
    return House(operator_id, request.param, agent_id)


def roll(session: Session) -> None:
    """Have the rollups hold all of it."""
    rollups.begin(session)
    rollups.roll(session)
    rollups.passed(session, at=NOW)


def every_period(zone: str) -> list[Period]:
    """Each that has a name, and some that have none."""
    named = [periods.named(kind, now=NOW, zone=zone) for kind in Kind if kind != Kind.CUSTOM]
    return [*named, *(periods.custom(first, end, zone=zone) for first, end in CUSTOM)]


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize("of_agent", [False, True])
def test_each_figure_is_a_plain_sum(session: Session, house: House, is_held: bool, of_agent: bool) -> None:
    if is_held:
        roll(session)
    agent_id = house.agent_id if of_agent else None
    for period in every_period(house.zone):
        found = overview.read(session, house.scope(agent_id), period)
        assert found.whole == house.plain(session, period.span, agent_id), period.kind
        assert found.before == house.plain(session, period.before, agent_id), period.kind
        for at, bucket in enumerate(period.buckets):
            assert found.buckets[at] == house.plain(session, bucket, agent_id), (period.kind, bucket)
        ever = Span(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), period.span.end)
        assert found.real_closings[-1] == house.plain(session, ever, agent_id).real


def test_figures_hold_while_days_are_counted_anew(session: Session, house: House) -> None:
    roll(session)
    session.execute(text("UPDATE operators SET timezone = 'Asia/Kolkata' WHERE id = :id"),
                    {"id": house.operator_id})  # fmt: skip
    moved = replace(house, zone="Asia/Kolkata")
    steps: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: rollups.begin(session),
        lambda: rollups.roll(session, balances=1),
        lambda: rollups.roll(session),
        lambda: rollups.passed(session, at=NOW),
    )
    for step, act in enumerate(steps):
        act()
        for period in (periods.named(Kind.WEEKLY, now=NOW, zone=moved.zone), *every_period(moved.zone)[-1:]):
            found = overview.read(session, moved.scope(), period)
            for at, bucket in enumerate(period.buckets):
                assert found.buckets[at] == moved.plain(session, bucket), (step, period.kind, bucket)
            ever = Span(dt.datetime(2000, 1, 1, tzinfo=dt.UTC), period.span.start)
            assert found.opening_real == moved.plain(session, ever).real, (step, period.kind)


def test_one_currency_alone_is_the_same_converted(session: Session, house: House) -> None:
    roll(session)
    for period in every_period(house.zone):
        plain = overview.read(session, house.scope(), period)
        converted = overview.read_converted(session, house.scope(), period, now=NOW)
        assert (converted.whole, converted.before) == (plain.whole, plain.before), period.kind
        assert converted.buckets == plain.buckets, period.kind
        assert converted.real_closings == plain.real_closings, period.kind


def test_parts_add_up_to_the_whole(session: Session, house: House) -> None:
    roll(session)
    for period in every_period(house.zone):
        whole = house.plain(session, period.span)
        for by in Part:
            rows = overview_more.compare(session, house.scope(), period, by)
            assert sum((row.now for row in rows), Figures()) == whole, (period.kind, by)
