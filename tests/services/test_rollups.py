"""Rollups hold what the entries come to, whoever counts, and however often."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.services import rollups
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
    assert rollups.roll(session) == 2
    change(session, player_id, -80_00, now=NOW + dt.timedelta(days=1))
    assert rollups.roll(session) == 1
    assert rollups.roll(session) == 0
    first, second = dt.date(2026, 3, 2), dt.date(2026, 3, 3)
    assert [tuple(row) for row in session.execute(BY_DAY)] == [
        (first, "adjustment", 1, 100_00, 100_00),
        (second, "adjustment", 2, -110_00, 0),
    ]
    assert [tuple(row) for row in session.execute(BALANCES)] == [
        (first, 0, 0, 100_00, 100_00, 1),
        (second, 100_00, -10_00, 100_00, -10_00, 2),
    ]
