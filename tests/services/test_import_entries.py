"""Bringing in a journal: what is written, what a second run writes, and what is left when one is stopped."""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import NullPool, create_engine, text
from sqlalchemy.orm import Session

from dashboard.config import ROOT
from dashboard.errors import NotFound
from dashboard.services import chain, operators, wallets
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.imports import entries, mapping
from dashboard.services.imports.report import Report
from tests.conftest import database_url

T = TypeVar("T")

NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DATA = Path(os.environ.get("PURSER_DATA") or ROOT.parent / "shared" / "data")
BANK = DATA / "bank_journal" / "journal.csv.gz"
MAPPING = """
currency = "USD"
columns = { account = "account", time = "day", amount = "amount", type = "kind", balance = "balance" }
time = { format = "%Y-%m-%d" }
types.in = { change_type = "deposit", sign = "+" }
types.out = { change_type = "withdrawal", sign = "-" }
player = { external_id = "A{account}", name = "Account {account}" }
"""


class Stopped(Exception):
    """Stands for Ctrl-C."""


class Edge:
    """Transactions as the command makes them, inside the test's own; may be stopped in the middle."""

    def __init__(self, session: Session, *, stop_after: int | None = None) -> None:
        self.session = session
        self.left = stop_after

    def __call__(self, work: Callable[[Session], T]) -> T:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Stopped
        with self.session.begin_nested():
            return work(self.session)


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_house(session)


def make_house(session: Session) -> int:
    return operators.create(
        session,
        slug="house",
        name="House",
        currency="USD",
        timezone="Europe/Prague",
        money_mode="real",
        currencies=[],
        defaults=operators.Defaults(),
        now=NOW,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Three accounts over thirty days: up by 100 and down by 30 in turns, with the balance after each."""
    lines = ["account,day,amount,kind,balance"]
    balance = dict.fromkeys((1, 2, 3), 0)
    for day in range(1, 31):
        for account in balance:
            kind, amount = ("in", 100) if day % 2 else ("out", 30)
            balance[account] += amount if kind == "in" else -amount
            lines.append(f"{account},2026-01-{day:02},{amount}.00,{kind},{balance[account]}.00")
    file = tmp_path / "journal.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def mapped(tmp_path: Path) -> mapping.Mapping:
    file = tmp_path / "journal.toml"
    file.write_text(MAPPING, encoding="utf-8")
    return mapping.read(file)


def bring_in(edge: Edge, file: Path, mapped: mapping.Mapping, **options: Any) -> Report:
    return entries.run(edge, file=file, mapping=mapped, operator="house", now=NOW, **options)


def written(session: Session) -> list[dict[str, Any]]:
    found = session.execute(text("SELECT * FROM wallet_entries ORDER BY player_id, currency, sequence"))
    return [dict(row) for row in found.mappings()]


@pytest.mark.usefixtures("operator_id")
def test_everything_is_written_once(session: Session, journal: Path, mapped: mapping.Mapping) -> None:
    first = bring_in(Edge(session), journal, mapped)
    assert first.as_json() == {
        "rows_read": 90,
        "rows_written": 90,
        "rows_refused": 0,
        "accounts": 3,
        "unreconciled": 0,
        "closing_minor": 3 * 105_000,
        "closing_recorded_minor": 3 * 105_000,
        "refused": [],
        "differences": [],
    }
    before = written(session)
    second = bring_in(Edge(session), journal, mapped)
    assert second.as_json() == {**first.as_json(), "rows_written": 0}
    assert written(session) == before


@pytest.mark.usefixtures("operator_id")
def test_each_entry_says_where_it_comes_from(
    session: Session, journal: Path, mapped: mapping.Mapping
) -> None:
    bring_in(Edge(session), journal, mapped)
    entry = written(session)[1]
    _, digest, line = entry["idempotency_key"].split(":")
    assert (line, entry["reference"]) == ("5", "line 5")
    assert json.loads(entry["metadata"]) == {
        "import": digest,
        "limits": "not applied",
        "recorded_balance": 7000,
    }
    assert entry["created_at"] == dt.datetime(2026, 1, 1, 23, tzinfo=dt.UTC)
    assert entry["performed_by"] == "system"
    assert entry["risk_score"] is None
    player = session.execute(text("SELECT name, created_at FROM players WHERE external_id = 'A1'")).one()
    assert player == ("Account 1", dt.datetime(2025, 12, 31, 23, tzinfo=dt.UTC))


@pytest.mark.usefixtures("operator_id")
def test_the_chain_is_whole(session: Session, journal: Path, mapped: mapping.Mapping) -> None:
    bring_in(Edge(session), journal, mapped)
    heads: dict[int, bytes] = {}
    for entry in written(session):
        before = heads.get(entry["player_id"], chain.GENESIS)
        heads[entry["player_id"]] = chain.digest(entry, before)
        assert heads[entry["player_id"]] == bytes(entry["hash"])


@pytest.mark.usefixtures("operator_id")
def test_no_alert_is_raised_for_history(session: Session, journal: Path, mapped: mapping.Mapping) -> None:
    bring_in(Edge(session), journal, mapped)
    assert session.scalar(text("SELECT count(*) FROM alerts")) == 0


@pytest.mark.usefixtures("operator_id")
def test_a_dry_run_reports_the_same_and_writes_nothing(
    session: Session, journal: Path, mapped: mapping.Mapping
) -> None:
    rehearsed = bring_in(Edge(session), journal, mapped, dry_run=True)
    assert session.scalar(text("SELECT count(*) FROM players")) == 0
    assert rehearsed.as_json() == bring_in(Edge(session), journal, mapped).as_json()


@pytest.mark.usefixtures("operator_id")
@pytest.mark.parametrize("stop_after", [1, 2, 3, 17, 32])
def test_stopped_and_started_again_ends_the_same(
    session: Session, journal: Path, mapped: mapping.Mapping, stop_after: int
) -> None:
    with session.begin_nested() as whole:
        bring_in(Edge(session), journal, mapped)
        wanted = [without_player(entry) for entry in written(session)]
        whole.rollback()
    with pytest.raises(Stopped):
        bring_in(Edge(session, stop_after=stop_after), journal, mapped)
    left = len(written(session))
    assert left == max(0, stop_after - 3) * 3  # three transactions come before the first batch
    again = bring_in(Edge(session), journal, mapped)
    assert again.rows_written == 90 - left
    assert [without_player(entry) for entry in written(session)] == wanted


def without_player(entry: dict[str, Any]) -> dict[str, Any]:
    """What is the same whatever number the player has; the hashes cover that number."""
    return {key: value for key, value in entry.items() if key not in {"player_id", "hash", "fingerprint"}}


def test_progress_is_told_after_each_batch(
    session: Session, operator_id: int, journal: Path, mapped: mapping.Mapping
) -> None:
    told: list[tuple[int, int]] = []
    bring_in(Edge(session), journal, mapped, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (3, 90)
    assert told[-1] == (90, 90)


@pytest.mark.usefixtures("operator_id")
def test_refused_lines_are_told_and_the_rest_is_written(
    session: Session, journal: Path, mapped: mapping.Mapping
) -> None:
    lines = journal.read_text(encoding="utf-8").splitlines()
    lines[4] = lines[4].replace("30.00", "thirty", 1)
    journal.write_text("\n".join(lines), encoding="utf-8")
    report = bring_in(Edge(session), journal, mapped)
    assert not report.is_fine
    assert [refused.line for refused in report.refused] == [5]
    assert [(off.line, off.difference_minor) for off in report.differences] == [(8, -3000)]
    assert report.rows_written == 89
    assert "Refused, line 5: “thirty” is no amount" in report.as_text()
    assert "Unreconciled, line 8, account A1" in report.as_text()


def test_a_frozen_wallet_takes_no_more_rows(
    session: Session, operator_id: int, journal: Path, mapped: mapping.Mapping
) -> None:
    bring_in(Edge(session), journal, mapped)
    player_id = session.scalars(text("SELECT id FROM players WHERE external_id = 'A2'")).one()
    actor = Actor(id=0, operator_id=operator_id, role=None, name="System")
    wallets.freeze(session, player_id=player_id, reason="Card reported stolen", actor=actor, now=NOW)
    assert bring_in(Edge(session), journal, mapped).is_fine
    more = journal.read_text(encoding="utf-8") + "2,2026-02-01,5.00,in,1055.00\n"
    journal.write_text(more, encoding="utf-8")
    refused = bring_in(Edge(session), journal, mapped, dry_run=True).refused
    assert {row.reason for row in refused} == {"the wallet of account A2 is frozen"}


def test_an_operator_that_is_not_there_is_told(
    session: Session, journal: Path, mapped: mapping.Mapping
) -> None:
    with pytest.raises(NotFound, match="no operator “house”"):
        bring_in(Edge(session), journal, mapped)


def test_the_import_stands_in_the_log(
    session: Session, operator_id: int, journal: Path, mapped: mapping.Mapping
) -> None:
    bring_in(Edge(session), journal, mapped)
    bring_in(Edge(session), journal, mapped)
    logged = session.execute(
        text("SELECT operator_id, performed_by, details FROM staff_log WHERE action = 'entries.imported'")
    ).one()
    assert logged[:2] == (operator_id, SYSTEM.reference)
    assert json.loads(logged.details)["rows_written"] == 90


@pytest.mark.skipif(not BANK.exists(), reason=f"the bank journal is not at {BANK}: set PURSER_DATA")
def test_the_bank_journal_reconciles_to_the_last_row(database: str) -> None:
    bank = mapping.read(ROOT / "docs" / "examples" / "bank_journal.toml")
    engine = create_engine(database_url("app", database), poolclass=NullPool)

    def transact(work: Callable[[Session], T]) -> T:
        with Session(engine) as session, session.begin():
            return work(session)

    transact(make_house)
    report = entries.run(transact, file=BANK, mapping=bank, operator="house", now=NOW)
    assert report.is_fine
    assert (report.rows_read, report.rows_written, report.accounts) == (31_498, 31_498, 800)
    assert report.closing_recorded_minor == 2_543_040_340
    assert report.closing_minor == 2_543_043_030
    again = entries.run(transact, file=BANK, mapping=bank, operator="house", now=NOW)
    assert again.as_json() == {**report.as_json(), "rows_written": 0}
