"""What `verify` finds of rollups that somebody has edited, both ways; and that rolling again mends it."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import rollups
from dashboard.services.findings import Check, Finding
from tests import builders
from tests.conftest import clone, drop_database
from tests.services import ledger
from tests.services.ledger import Ledger

RISE = text("""
WITH risen AS (
  UPDATE wallets SET vip_level = 'gold' WHERE player_id = :player RETURNING player_id, operator_id
)
INSERT INTO vip_level_changes (player_id, operator_id, from_level, to_level, reason, changed_by, changed_at)
SELECT player_id, operator_id, 'default', 'gold', 'Well played', 'system', :at FROM risen
""")
TABLES = ("daily_totals", "hourly_totals", "daily_activity", "daily_balances", "rollup_marks")


@pytest.fixture(scope="module")
def rolled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger whose first player rose a level between two entries, rolled up but for its last one."""
    made = ledger.build(clone(), tmp_path_factory.mktemp("anchors"))
    made.transact(_rise(made.players[0], builders.NOW + 3 * ledger.DAY + dt.timedelta(hours=1)))
    made.transact(rollups.begin)
    made.transact(rollups.roll)
    made.change(made.players[1], 5_00, ChangeType.ADJUSTMENT, now=builders.NOW + 9 * ledger.DAY)
    yield made
    drop_database(made.database)


@pytest.fixture
def spoilt(rolled: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    copy = rolled.copy(tmp_path / "anchors")
    yield copy
    drop_database(copy.database)


def _rise(player_id: int, at: dt.datetime) -> Callable[[Session], object]:
    return lambda session: session.execute(RISE, {"player": player_id, "at": at})


def rows(made: Ledger, table: str) -> list[tuple[object, ...]]:
    with made.reading() as session:
        return [tuple(row) for row in session.execute(text(f"SELECT * FROM {table} ORDER BY {table}"))]


def test_what_is_rolled_up_is_what_the_entries_come_to(rolled: Ledger) -> None:
    assert rolled.prove().ok
    assert rolled.prove(independently=True).ok
    levels = {row[4] for row in rows(rolled, "daily_activity")}
    assert levels == {"default", "gold"}


@pytest.mark.parametrize(
    ("check", "edit"),
    [
        (Check.DAILY_TOTALS, "UPDATE daily_totals SET real = real + 1 WHERE change_type = 'deposit'"),
        (Check.DAILY_TOTALS, "UPDATE daily_totals SET credits = credits + 1 WHERE change_type = 'fee'"),
        (Check.DAILY_TOTALS, "DELETE FROM daily_totals WHERE change_type = 'reversal'"),
        (Check.DAILY_TOTALS, "UPDATE daily_totals SET day = day + 100 WHERE change_type = 'fee'"),
        (Check.DAILY_TOTALS, "UPDATE rollup_passes SET timezone = 'Pacific/Kiritimati'"),
        (Check.DAILY_TOTALS, "DELETE FROM rollup_marks WHERE player_id = %(p)s"),
        (Check.HOURLY_TOTALS, "UPDATE hourly_totals SET entries = entries + 1"),
        (Check.HOURLY_TOTALS, "UPDATE hourly_totals SET hour = hour + interval '1 hour'"),
        (Check.DAILY_ACTIVITY, "UPDATE daily_activity SET agent_id = 77 WHERE change_type = 'deposit'"),
        (Check.DAILY_ACTIVITY, "UPDATE daily_activity SET level = 'silver' WHERE level = 'gold'"),
        (Check.DAILY_BALANCES, "UPDATE daily_balances SET closing = closing - 1, low = low - 1"
         " WHERE player_id = %(p)s"),
        (Check.DAILY_BALANCES, "UPDATE daily_balances SET high = high + 1 WHERE player_id = %(p)s"),
        (Check.DAILY_BALANCES, "UPDATE daily_balances SET bonus_closing = 1 WHERE player_id = %(p)s"),
        (Check.DAILY_BALANCES, "DELETE FROM daily_balances WHERE player_id = %(p)s AND entries = 1"),
        (Check.DAILY_BALANCES, "INSERT INTO daily_balances SELECT 999, currency, day, operator_id, opening,"
         " closing, low, high, bonus_closing, entries FROM daily_balances WHERE player_id = %(p)s"),
    ],
)  # fmt: skip
def test_an_edit_is_found_both_ways(spoilt: Ledger, check: Check, edit: str) -> None:
    spoilt.edit(edit)
    first, second = spoilt.prove(), spoilt.prove(independently=True)
    assert check in first.totals
    assert first.totals == second.totals
    assert _told(first.findings) == _told(second.findings)


def _told(findings: Iterable[Finding]) -> set[str]:
    return {message for finding in findings for message in (finding.message, *finding.consequences)}


def test_what_was_spoilt_is_made_again_from_the_entries(spoilt: Ledger) -> None:
    spoilt.transact(rollups.roll)
    before = {table: rows(spoilt, table) for table in TABLES}
    spoilt.edit("UPDATE daily_totals SET real = 7", "UPDATE daily_balances SET high = high + 7")
    spoilt.transact(_forget)
    assert not any(rows(spoilt, table) for table in TABLES)
    assert spoilt.transact(rollups.roll) == sum(row[2] for row in before["rollup_marks"])  # type: ignore[misc]
    assert {table: rows(spoilt, table) for table in TABLES} == before


def test_counting_a_little_at_a_time_makes_the_same_rows(spoilt: Ledger) -> None:
    spoilt.transact(rollups.roll)
    before = {table: rows(spoilt, table) for table in TABLES}
    spoilt.transact(_forget)
    while spoilt.transact(lambda session: rollups.roll(session, balances=2, each=3, entries=4)):
        assert spoilt.prove().ok
    assert {table: rows(spoilt, table) for table in TABLES} == before


def test_after_a_change_of_zone_other_days_hold_the_same_entries(spoilt: Ledger) -> None:
    spoilt.transact(lambda session: session.execute(text("UPDATE operators SET timezone = 'Asia/Tokyo'")))
    assert spoilt.prove().ok
    spoilt.transact(rollups.begin)
    spoilt.transact(rollups.roll)
    assert spoilt.prove().ok
    assert spoilt.prove(independently=True).ok


def test_a_change_of_level_that_was_committed_late_is_no_finding(spoilt: Ledger) -> None:
    player_id, at = spoilt.players[1], builders.NOW + 10 * ledger.DAY
    spoilt.change(player_id, 1_00, ChangeType.ADJUSTMENT, now=at)
    spoilt.transact(rollups.roll)
    spoilt.transact(_rise(player_id, at - dt.timedelta(seconds=3)))
    assert spoilt.prove().ok
    assert spoilt.prove(independently=True).ok
    spoilt.edit(f"UPDATE daily_activity SET real = real + 1 WHERE day = '{at:%Y-%m-%d}'")
    assert Check.DAILY_ACTIVITY in spoilt.prove().totals
    assert spoilt.prove().totals == spoilt.prove(independently=True).totals


def _forget(session: Session) -> None:
    for operator_id in session.scalars(text("SELECT id FROM operators")).all():
        rollups.forget(session, operator_id=operator_id)
