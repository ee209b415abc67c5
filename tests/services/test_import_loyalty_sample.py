"""Moving in from many invented old loyalty tables: it adds up, batch by batch as told a second time."""

import csv
import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.services.imports import legacy_loyalty, loyalty_sample
from dashboard.services.imports.legacy_loyalty_report import Report
from tests import builders
from tests.services.test_import_legacy import Edge, Stopped

NOW = builders.NOW
ZONE = ZoneInfo("Europe/Malta")
TABLES = (
    *("players", "wallets", "balances", "loyalty_wallets", "loyalty_entries", "points_batches"),
    *("points_allocations", "loyalty_months", "tier_history", "loyalty_cards", "loyalty_tiers"),
    *("legacy_runs", "legacy_members", "legacy_loyalty_rows", "legacy_tiers", "legacy_reports", "staff_log"),
)


@pytest.fixture(autouse=True)
def house(session: Session) -> int:
    return builders.make_operator(session, slug="house")


def move_in(session: Session, folder: Path, **options: Any) -> Report:
    return legacy_loyalty.run(Edge(session), folder=folder, operator="house", **{"now": NOW, **options})


def rows(session: Session, statement: str) -> list[Any]:
    return [tuple(row) for row in session.execute(text(statement))]


def dump(session: Session) -> dict[str, Sequence[Any]]:
    return {table: session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2, 3")).all() for table in TABLES}


@dataclass
class Lot:
    """What the oracle knows of an old load."""

    number: str
    expires: dt.date
    left: int
    redeemed: int = 0
    expired: int = 0
    taken_off: int = 0


@dataclass
class Patient:
    """What the oracle makes of a patient's old rows."""

    lots: list[Lot] = field(default_factory=list)
    short: dict[str, int] = field(default_factory=dict)


def told_again(folder: Path) -> dict[str, Patient]:
    """The old files by the rules of docs/moving-in-loyalty.md, with nothing of ours."""
    found: dict[str, Patient] = defaultdict(Patient)
    events: dict[str, list[tuple[dt.datetime, int, int, dict[str, str]]]] = defaultdict(list)
    for rank, name in enumerate(("loyalty_points", "loyalty_redemptions")):
        with (folder / f"{name}.csv").open(encoding="utf-8") as file:
            for line, row in enumerate(csv.DictReader(file)):
                if row["is_deleted"] != "true" and row.get("is_active") != "false":
                    later = rank or int(row.get("points", "0")) < 0
                    events[row["patient_id"]].append((_when(row), int(later), line, row))
    for patient, acts in events.items():
        one = found[patient]
        for at, _, _, row in sorted(acts, key=lambda act: act[:3]):
            _lapse(one, at.astimezone(ZONE).date())
            amount = int(row.get("points") or -int(row["points_redeemed"]))
            if amount > 0:
                until = dt.date.fromisoformat(row["expiry_date"] or "2036-03-02")
                one.lots.append(Lot(row["point_id"], until, amount))
            else:
                _take(one, -amount, row)
        _lapse(one, NOW.astimezone(ZONE).date())
    return found


def _when(row: dict[str, str]) -> dt.datetime:
    def utc(cell: str) -> dt.datetime:
        return dt.datetime.fromisoformat(cell).replace(tzinfo=dt.UTC)

    date = row.get("redemption_date", "")
    if len(date) != 10:
        return utc(date or row["created_at"])
    written = utc(row["created_at"])
    if written.astimezone(ZONE).date().isoformat() == date:
        return written
    following = dt.date.fromisoformat(date) + dt.timedelta(days=1)
    return dt.datetime.combine(following, dt.time(), ZONE).astimezone(dt.UTC) - dt.timedelta(seconds=1)


def _lapse(one: Patient, day: dt.date) -> None:
    for lot in one.lots:
        if lot.expires < day:
            lot.expired, lot.left = lot.expired + lot.left, 0


def _take(one: Patient, amount: int, row: dict[str, str]) -> None:
    # `sorted` is stable: of the same last day the earlier load goes first.
    for lot in sorted(one.lots, key=lambda lot: lot.expires):
        part = min(lot.left, amount)
        lot.left -= part
        amount -= part
        if "redemption_id" in row:
            lot.redeemed += part
        else:
            lot.taken_off += part
    if amount:
        one.short[row.get("redemption_id") or row["point_id"]] = amount


def test_a_sample_is_what_a_second_telling_makes_of_it(session: Session, tmp_path: Path) -> None:
    wanted = loyalty_sample.write(tmp_path, patients=250)
    report = move_in(session, tmp_path)

    assert report.refused == []
    assert (report.patients, report.figures.unexplained) == (250, 0)
    assert (report.figures.loaded, report.figures.redeemed) == (wanted.loaded, wanted.redeemed)
    oracle = told_again(tmp_path)
    ours: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    # What a load became is its batch, and the one beside it.
    for old_id, *sums in rows(
        session,
        """
        SELECT r.old_id, b.remaining, b.redeemed, b.expired, b.reversed
        FROM legacy_loyalty_rows r
        JOIN loyalty_entries e ON e.player_id = r.player_id AND (e.sequence = r.sequence OR
             e.sequence = r.sequence + 1 AND e.notes LIKE '%, beside its load')
        JOIN points_batches b ON b.player_id = e.player_id AND b.sequence = e.sequence
        WHERE r.old_table = 'loyalty_points'
        """,
    ):
        ours[old_id] = [one + more for one, more in zip(ours[old_id], sums, strict=True)]
    lots = {lot.number: lot for patient in oracle.values() for lot in patient.lots}
    assert ours == {
        number: [lot.left, lot.redeemed, lot.expired, lot.taken_off] for number, lot in lots.items()
    }
    short = "SELECT old_id, short FROM legacy_loyalty_rows WHERE short > 0"
    assert dict(rows(session, short)) == {
        old_id: points for patient in oracle.values() for old_id, points in patient.short.items()
    }
    assert report.figures.short == sum(sum(patient.short.values()) for patient in oracle.values()) > 0
    assert min(report.figures.inactive, report.figures.deleted, report.figures.expired) > 0
    (kept,) = rows(session, "SELECT report::json FROM legacy_reports")[0]
    assert kept["figures"] == report.figures.as_json()


def test_a_second_run_changes_nothing_and_says_the_same(session: Session, tmp_path: Path) -> None:
    loyalty_sample.write(tmp_path, patients=40)
    first = move_in(session, tmp_path)
    before = dump(session)
    second = move_in(session, tmp_path, now=NOW + dt.timedelta(days=9))

    assert dump(session) == before
    assert (second.patients, second.known) == (0, 40)
    assert (second.total("rows_written"), second.total("rows_known")) == (0, first.total("rows_written"))
    assert second.figures == first.figures
    assert sorted(second.short, key=repr) == sorted(first.short, key=repr)


def test_a_dry_run_says_the_same_and_writes_nothing(session: Session, tmp_path: Path) -> None:
    loyalty_sample.write(tmp_path, patients=40)
    before = dump(session)
    rehearsed = move_in(session, tmp_path, dry_run=True)
    assert dump(session) == before
    assert rehearsed.as_json() == {**move_in(session, tmp_path).as_json(), "dry_run": True}


@pytest.mark.parametrize("stop_after", [4, 5, 6])
def test_stopped_and_started_again_ends_the_same(
    session: Session, tmp_path: Path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    loyalty_sample.write(tmp_path, patients=25)
    whole = move_in(session, tmp_path, dry_run=True)
    monkeypatch.setattr(legacy_loyalty, "BATCH", 10)
    # Three sets are looked up twice, then the run begins and makes its tiers.
    edge = Edge(session, stop_after=stop_after + 5)
    with pytest.raises(Stopped):
        legacy_loyalty.run(edge, folder=tmp_path, operator="house", now=NOW)
    moved = session.scalar(text("SELECT count(*) FROM legacy_members"))
    assert moved == (stop_after - 4) * 10
    again = move_in(session, tmp_path)
    assert (again.patients, again.known, again.figures) == (25 - moved, moved, whole.figures)
    assert session.scalar(text("SELECT count(*) FROM legacy_runs")) == 1
    assert rows(session, "SELECT count(*) FROM loyalty_tiers WHERE code = 'bronze'") == [(1,)]


def test_progress_is_told_after_each_set(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(legacy_loyalty, "BATCH", 10)
    loyalty_sample.write(tmp_path, patients=15)
    told: list[tuple[int, int]] = []
    move_in(session, tmp_path, progress=lambda done, total: told.append((done, total)))
    assert told == [(10, 15), (15, 15)]
