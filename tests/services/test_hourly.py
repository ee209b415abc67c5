"""Odd hours: weeks made by hand, one of them with a provider that fails and a payout run gone wrong."""

import datetime as dt
import json

import pytest
from sqlalchemy import NullPool, create_engine, insert, select
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Forbidden, NotFound
from dashboard.models import HourlyTotal, SeriesAlert, StaffLog
from dashboard.models.login import Role
from dashboard.services import hourly
from dashboard.services.hourly import Counted
from tests.builders import NOW, make_actor, make_operator
from tests.conftest import database_url

HOUR = dt.timedelta(hours=1)
WEEK = dt.timedelta(weeks=1)
AT = NOW - HOUR
"""The hour that most tests judge: a Monday, 12:00 in Malta."""


def bring(
    session: Session,
    operator_id: int,
    hour: dt.datetime,
    amount: int,
    *,
    change_type: str = "deposit",
    currency: str = "USD",
) -> None:
    """An hour of one change type, an entry for each 10.00."""
    contra = "cash" if change_type in {"deposit", "withdrawal"} else "gaming"
    session.execute(
        insert(HourlyTotal).values(
            operator_id=operator_id,
            currency=currency,
            hour=hour,
            change_type=change_type,
            contra_account=contra,
            entries=max(1, abs(amount) // 10_00),
            real=amount,
            bonus=0,
            credits=max(amount, 0),
        )
    )


def usual_weeks(
    session: Session, operator_id: int, *, weeks: int = 8, amount: int = 500_00, hour: dt.datetime = AT
) -> None:
    """That hour of so many weeks before, a little different each."""
    for back in range(1, weeks + 1):
        bring(session, operator_id, hour - back * WEEK, amount + (back % 3 - 1) * 10_00)


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_operator(session)


def watch(session: Session, operator_id: int, *, since: dt.datetime = AT, hours: int = 1) -> list[str]:
    of = Counted(operator_id, "Europe/Malta", NOW)
    return [
        str(series)
        for series in sorted(hourly.watch(session, of, since=since, until=since + hours * HOUR, now=NOW))
    ]


def alerts(session: Session, operator_id: int) -> list[tuple[str, str, int, int]]:
    rows = session.scalars(
        select(SeriesAlert).filter_by(operator_id=operator_id).order_by(SeriesAlert.series)
    )
    return [(row.series, row.currency, row.value, row.expected) for row in rows]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        (500_00, []),
        (900_00, []),
        (10_000_00, [("deposits", "USD", 10_000_00, 500_00), ("entries", "", 1_000, 50)]),
        (20_00, [("deposits", "USD", 20_00, 500_00), ("entries", "", 2, 50)]),
    ],
)
def test_an_hour_beside_the_weeks_before(
    session: Session, operator_id: int, amount: int, expected: list[tuple[str, str, int, int]]
) -> None:
    usual_weeks(session, operator_id)
    bring(session, operator_id, AT, amount)
    watch(session, operator_id)
    assert alerts(session, operator_id) == expected


def test_an_expected_hour_that_brings_nothing_is_odd(session: Session, operator_id: int) -> None:
    usual_weeks(session, operator_id)
    assert watch(session, operator_id) == ["deposits", "entries"]
    assert alerts(session, operator_id) == [("deposits", "USD", 0, 500_00), ("entries", "", 0, 50)]


@pytest.mark.parametrize(("amount", "expected"), [(5_400_00, []), (5_600_00, ["deposits", "entries"])])
def test_surges_that_come_now_and_then_are_not_odd(
    session: Session, operator_id: int, amount: int, expected: list[str]
) -> None:
    """Eight of the 1,344 hours before brought 5,000.00 more than their like: one hour in two hundred."""
    usual_weeks(session, operator_id)
    for back in range(1, 9):
        bring(session, operator_id, AT - back * WEEK + 3 * back * HOUR, 5_000_00)
    bring(session, operator_id, AT, amount)
    assert watch(session, operator_id) == expected


def test_an_hour_is_told_of_once(session: Session, operator_id: int) -> None:
    usual_weeks(session, operator_id)
    assert len(watch(session, operator_id)) == 2
    assert watch(session, operator_id) == []
    assert len(alerts(session, operator_id)) == 2


def test_three_weeks_are_too_few_to_tell(session: Session, operator_id: int) -> None:
    usual_weeks(session, operator_id, weeks=3)
    assert watch(session, operator_id) == []


def test_weeks_before_the_first_entry_are_no_history(session: Session, operator_id: int) -> None:
    """Four weeks are all there are: the four before them, when there was no desk yet, brought no nothing."""
    usual_weeks(session, operator_id, weeks=4)
    assert watch(session, operator_id) == ["deposits", "entries"]


def test_each_total_is_watched_by_itself(session: Session, operator_id: int) -> None:
    for back in range(1, 9):
        bring(session, operator_id, AT - back * WEEK, 500_00)
        bring(session, operator_id, AT - back * WEEK, -400_00, change_type="withdrawal")
        bring(session, operator_id, AT - back * WEEK, -300_00, change_type="wager", currency="EUR")
        bring(session, operator_id, AT - back * WEEK, 280_00, change_type="settlement", currency="EUR")
    bring(session, operator_id, AT, 500_00)
    bring(session, operator_id, AT, -4_000_00, change_type="withdrawal")
    bring(session, operator_id, AT, -300_00, change_type="wager", currency="EUR")
    watch(session, operator_id)
    assert alerts(session, operator_id) == [
        ("entries", "", 480, 148),
        ("payouts", "EUR", 0, 280_00),
        ("withdrawals", "USD", 4_000_00, 400_00),
    ]


def test_clocks_that_went_forward_compare_the_same_wall(session: Session, operator_id: int) -> None:
    """From 29 March 2026 on Malta's 12:00 is 10:00 by UTC, and was 11:00 before."""
    monday = dt.datetime(2026, 3, 30, 10, tzinfo=dt.UTC)
    for back in range(1, 9):
        bring(session, operator_id, monday - back * WEEK + HOUR, 500_00)
        bring(session, operator_id, monday - back * WEEK, 5_000_00)
    bring(session, operator_id, monday, 500_00)
    assert watch(session, operator_id, since=monday) == []
    assert watch(session, operator_id, since=monday - HOUR) == ["deposits", "entries"]


def test_another_operators_hours_are_left_alone(session: Session, operator_id: int) -> None:
    usual_weeks(session, make_operator(session))
    assert watch(session, operator_id) == []


@pytest.mark.parametrize(
    ("passed", "end"),
    [
        (NOW, NOW - HOUR),
        (NOW + hourly.SETTLED, NOW),
        (NOW + hourly.SETTLED - dt.timedelta(seconds=1), NOW - HOUR),
        (NOW + dt.timedelta(minutes=59), NOW),
    ],
)
def test_an_hour_is_judged_once_it_is_over_and_counted(passed: dt.datetime, end: dt.datetime) -> None:
    assert hourly.over(passed) == end


def test_two_that_judge_at_once_tell_once(database: str) -> None:
    engine = create_engine(database_url("app", database), poolclass=NullPool)
    with Session(engine) as session:
        operator_id = make_operator(session)
        usual_weeks(session, operator_id)
        session.commit()
    with Session(engine) as one, Session(engine) as other:
        assert len(watch(one, operator_id)) == 2
        one.commit()
        assert watch(other, operator_id) == []
    engine.dispose()


def test_somebody_says_what_it_was(session: Session, operator_id: int) -> None:
    usual_weeks(session, operator_id)
    watch(session, operator_id)
    (alert_id, _) = session.scalars(select(SeriesAlert.id).order_by(SeriesAlert.series)).all()
    agent = make_actor(session, operator_id=operator_id)
    hourly.see(session, alert_id=alert_id, note="The bank was down", actor=agent, now=NOW)
    alert = session.get_one(SeriesAlert, alert_id)
    session.refresh(alert)
    assert (alert.seen_by, alert.seen_at, alert.note) == (agent.id, NOW, "The bank was down")
    details = json.loads(session.scalars(select(StaffLog).filter_by(action="odd_hour.seen")).one().details)
    assert (details["series"], details["note"]) == ("deposits", "The bank was down")

    hourly.see(session, alert_id=alert_id, note="", actor=agent, now=NOW)
    other = make_actor(session, operator_id=operator_id)
    auditor = make_actor(session, operator_id=operator_id, role=Role.AUDITOR)
    stranger = make_actor(session, operator_id=make_operator(session))
    for actor, refusal in ((other, Conflict), (auditor, Forbidden), (stranger, NotFound)):
        with pytest.raises(refusal):
            hourly.see(session, alert_id=alert_id, note="", actor=actor, now=NOW)
