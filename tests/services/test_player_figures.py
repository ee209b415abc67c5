"""One player's figures on a history made by hand, with expectations written from their definitions."""

import datetime as dt
from fractions import Fraction

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.models.wallet import ChangeType
from dashboard.queries import player_figures
from dashboard.queries.player_figures import PlayerFigures, Scope
from dashboard.services import periods, rollups
from tests.builders import change, make_operator, make_player

MALTA = "Europe/Malta"
FIRST, END = dt.date(2026, 3, 1), dt.date(2026, 3, 11)
DEEDS = (
    (dt.date(2026, 2, 20), 200_00, ChangeType.DEPOSIT),
    (dt.date(2026, 3, 3), -150_00, ChangeType.WAGER),
    (dt.date(2026, 3, 8), 250_00, ChangeType.SETTLEMENT),
)
"""Each at the midnight that begins its day."""


def midnight(day: dt.date) -> dt.datetime:
    return clock.between(day, day, MALTA).start


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_operator(session)


@pytest.fixture
def player_id(session: Session, operator_id: int) -> int:
    player_id = make_player(session, operator_id=operator_id)
    for day, amount, kind in DEEDS:
        change(session, player_id, amount, kind, now=midnight(day))
    return player_id


def read(session: Session, operator_id: int, player_id: int) -> PlayerFigures:
    scope = Scope(operator_id, MALTA, player_id, "USD")
    period = periods.custom(FIRST, END, zone=MALTA)
    return player_figures.read(session, scope, period, now=midnight(END))


@pytest.mark.parametrize("way", ["by entry", "by day, none held", "by day, held", "by day, half of it held"])
def test_the_course_is_that_of_the_journal(
    session: Session, operator_id: int, player_id: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "by entry":
        monkeypatch.setattr(player_figures, "EXACT_MOST", 0)
    if way.endswith("held") and "none" not in way:
        rollups.begin(session)
        rollups.roll(session, each=2 if "half" in way else 5_000)
        rollups.passed(session, at=midnight(END))
    found = read(session, operator_id, player_id)
    # 200 for two days, 50 for five, 300 for three.
    course = found.course
    assert (course.opening, course.closing, course.low, course.high) == (200_00, 300_00, 50_00, 300_00)
    assert course.mean == Fraction(2 * 200_00 + 5 * 50_00 + 3 * 300_00, 10)
    assert (course.change, course.change_percent) == (100_00, 50)
    assert found.closings == [200_00] * 2 + [50_00] * 5 + [300_00] * 3
    # Nothing for a day, 200 for nine.
    assert (found.course_before.opening, found.course_before.mean) == (0, Fraction(9 * 200_00, 10))
    assert found.is_by_day == (way != "by entry")


def test_activity_is_counted_by_bucket(session: Session, operator_id: int, player_id: int) -> None:
    found = read(session, operator_id, player_id)
    assert (found.whole.stakes, found.whole.payouts, found.whole.revenue) == (150_00, 250_00, -100_00)
    assert found.before.deposits == 200_00
    assert [bucket.entries for bucket in found.buckets] == [0, 0, 1, 0, 0, 0, 0, 1, 0, 0]


def test_what_is_to_come_has_not_stood(session: Session, operator_id: int, player_id: int) -> None:
    # On the morning of the fifth of March: 200 for two days, 50 for two.
    early = player_figures.read(
        session,
        Scope(operator_id, MALTA, player_id, "USD"),
        periods.custom(dt.date(2026, 3, 1), dt.date(2026, 3, 8), zone=MALTA),
        now=midnight(dt.date(2026, 3, 5)),
    )
    assert early.course.mean == Fraction(2 * 200_00 + 2 * 50_00, 4)


def test_thresholds_and_alerts_are_parts_of_the_risk(
    session: Session, operator_id: int, player_id: int
) -> None:
    session.execute(
        text("UPDATE vip_rules SET warning_threshold = 20000, critical_threshold = 5001"),
    )
    found = read(session, operator_id, player_id)
    assert (found.below_warning, found.below_critical) == (pytest.approx(0.5), pytest.approx(0.5))
    parts = {part.name: part.points for part in found.risk.parts}
    assert parts["thresholds"] == pytest.approx(10.0)
    assert parts["fall"] == 0
    assert parts["alerts"] == min(15, 5 * (found.signs.open_alerts + found.signs.critical_alerts))


@pytest.mark.parametrize(("threshold", "share"), [(5_000, 0), (20_000, 1)])
def test_no_threshold_counts_before_the_first_entry(
    session: Session, operator_id: int, threshold: int, share: float
) -> None:
    young = make_player(session, operator_id=operator_id)
    change(session, young, 100_00, ChangeType.DEPOSIT, now=midnight(dt.date(2026, 3, 6)))
    session.execute(
        text("UPDATE vip_rules SET warning_threshold = :t, critical_threshold = 0"), {"t": threshold}
    )
    assert read(session, operator_id, young).below_warning == pytest.approx(share)


def test_a_player_without_a_history_has_figures(session: Session, operator_id: int) -> None:
    found = read(session, operator_id, make_player(session, operator_id=operator_id))
    assert (found.course.opening, found.course.closing, found.course.mean) == (0, 0, 0)
    assert found.course.change_percent is None
    assert found.trend.direction == "flat"


def test_another_operator_sees_nothing_of_it(session: Session, player_id: int) -> None:
    found = read(session, make_operator(session), player_id)
    assert (found.whole.entries, found.course.closing) == (0, 0)


def test_buckets_follow_each_other(session: Session, operator_id: int, player_id: int) -> None:
    period = periods.custom(FIRST, END, zone=MALTA)
    assert period.before == Span(midnight(dt.date(2026, 2, 19)), midnight(FIRST))
    found = read(session, operator_id, player_id)
    assert [(each.low, each.high) for each in found.courses[1:4]] == [
        (200_00, 200_00),
        (50_00, 200_00),
        (50_00, 50_00),
    ]
