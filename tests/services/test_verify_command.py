"""`verify` and `anchor` as a person or a script runs them."""

import json
from functools import partial
from pathlib import Path

import psycopg
import pytest

from dashboard.config import settings
from dashboard.models.wallet import ChangeType
from dashboard.services import points, points_reckoning
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.conftest import database_url
from tests.services.ledger import Ledger


@pytest.fixture
def player(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """A player with two entries, in the database that the command works on."""
    monkeypatch.setenv("PURSER_ANCHOR_DIR", str(tmp_path / "anchors"))
    settings.cache_clear()
    ledger = Ledger(database, tmp_path / "anchors", ())
    operator_id = ledger.transact(builders.make_operator)
    player_id = ledger.transact(lambda session: builders.make_player(session, operator_id=operator_id))
    for amount in (50_000, 20_000):
        ledger.change(player_id, amount, ChangeType.DEPOSIT)
    return player_id


def test_verify_counts_and_exits_0(command, player):
    for options in ([], ["--independent"]):
        finished = command("verify", *options)
        assert finished.code == 0
        assert finished.out.startswith("2 entries, 1 balances and 0 anchors in ")
        assert "Nothing differs." in finished.out
        assert "There is no anchor yet" in finished.out


def test_verify_names_what_differs_and_exits_1(command, player, database):
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute("UPDATE wallet_entries SET real_delta = 1 WHERE sequence = 2")
    finished = command("verify")
    assert finished.code == 1
    assert f"Entry 2 of player {player} in USD does not have the hash of its content" in finished.out
    assert "hence: The lifetime sums" in finished.out


def test_verify_tells_of_points(command, player, database):
    ledger = Ledger(database, Path(), (player,))
    ledger.transact(
        partial(
            points.load,
            player_id=player,
            payment=points_reckoning.Payment(100_00),
            notes="Paid",
            idempotency_key="load",
            actor=SYSTEM,
            now=builders.NOW,
        )
    )
    assert "Points: 1 entries and 1 loyalty wallets." in command("verify").out
    ledger.edit("UPDATE loyalty_entries SET notes = 'Given' WHERE player_id = %(p)s")
    finished = command("verify", "--independent")
    assert finished.code == 1
    assert f"Entry 1 of player {player} in points does not have the hash of its content" in finished.out


def test_verify_for_machines(command, player, database):
    outcome = json.loads(command("verify", "--json").out)
    assert (outcome["ok"], outcome["findings"], outcome["entries"]) == (True, [], 2)
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute("UPDATE balances SET bonus = 7")
    finished = command("verify", "--json")
    assert finished.code == 1
    outcome = json.loads(finished.out)
    assert outcome["ok"] is False
    assert [(finding["check"], finding["player_id"]) for finding in outcome["findings"]] == [
        ("balance", player)
    ]


def test_every_run_is_kept(command, player, database):
    command("verify")
    command("verify", "--independent")
    with psycopg.connect(database_url("owner", database)) as connection:
        rows = connection.execute("SELECT ok, entries, balances FROM verifications").fetchall()
    assert rows == [(True, 2, 1), (True, 2, 1)]


def test_anchor_seals_and_writes_a_file(command, player, tmp_path):
    finished = command("anchor")
    assert finished.code == 0
    assert finished.out.startswith("Anchor 1 holds 2 entries of 1 journals, 1 of them moved")
    assert [path.name for path in (tmp_path / "anchors").iterdir()] == ["anchor-000000001.json"]
    assert "1 anchors" in command("verify").out


def test_anchor_says_when_it_shares_the_machine(command, player, monkeypatch):
    monkeypatch.delenv("PURSER_ANCHOR_DIR")
    settings.cache_clear()
    finished = command("anchor")
    assert finished.code == 0
    assert "It shares this machine with what it guards" in finished.err
