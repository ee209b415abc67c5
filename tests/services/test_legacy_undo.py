"""`import legacy-wallets` as a person runs it, and taking back what it made: all of it, or nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy import select

from dashboard import clock
from dashboard.config import settings
from dashboard.errors import Conflict
from dashboard.models import Operator
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType
from dashboard.services import anchors, players, vip_rules, wallets
from dashboard.services.imports import legacy_sample
from tests import builders
from tests.conftest import Finished, database_url
from tests.legacy_tables import balance, bonus, write
from tests.services.ledger import KEY, Ledger

Command = Callable[..., Finished]
PLAYERS = 1_000
ROLLED_UP = {
    *("daily_totals", "hourly_totals", "daily_activity", "daily_balances", "rollup_marks", "rollup_passes"),
}
LEFT = {"staff_log", "alembic_version", "verifications"} | ROLLED_UP
"""What taking back adds a line to, what has nothing to do with it, and what is made anew and proved."""

ROLLED = "SELECT sum(entries)::int AS counted FROM daily_totals"


@pytest.fixture
def ledger(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """An operator `house` with one player of its own, in the database that the command works on."""
    monkeypatch.setenv("PURSER_ANCHOR_DIR", str(tmp_path / "anchors"))
    settings.cache_clear()
    made = Ledger(database, tmp_path / "anchors", ())
    operator_id = made.transact(
        lambda session: builders.make_operator(session, slug="house", currencies=["EUR"])
    )
    made.transact(lambda session: builders.make_player(session, operator_id=operator_id, balance_minor=5_000))
    return made


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Two players, one with money and a bonus."""
    return write(
        tmp_path / "old",
        users=[{"id": "U1", "name": "Mira Holm"}, {"id": "U2"}],
        balances=[balance("U1", "50.00", "5.00", pending="1.00")],
        playerBonuses=[bonus("g1", "U1", "10.00")],
        vipInfos=[{"playerId": "U1", "totalXp": "12000"}],
    )


def dump(database: str) -> dict[str, list[Any]]:
    """Every row of every table."""
    with psycopg.connect(database_url("owner", database)) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        return {
            name: sorted(map(repr, connection.execute(f'SELECT * FROM "{name}"').fetchall()))
            for (name,) in names
            if name not in LEFT
        }


def rows(database: str, statement: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url("owner", database), row_factory=dict_row) as connection:
        return connection.execute(statement).fetchall()


def move(command: Command, folder: Path, *options: str) -> Finished:
    return command("import", "legacy-wallets", str(folder), "--operator", "house", *options)


@pytest.mark.usefixtures("ledger")
def test_taken_back_the_database_is_as_it_was(command: Command, database: str, tmp_path: Path) -> None:
    legacy_sample.write(tmp_path / "old", players=PLAYERS)
    assert command("anchor").code == 0
    before = dump(database)
    there = move(command, tmp_path / "old", "--json")
    assert there.code == 0
    assert json.loads(there.out)["rows_written"] == json.loads(there.out)["rows_read"] > 4 * PLAYERS
    moved = dump(database)
    assert len(moved["players"]) == PLAYERS + 1
    assert command("verify").code == 0
    assert rows(database, ROLLED)[0] == {"counted": len(moved["wallet_entries"])}

    assert move(command, tmp_path / "old", "--undo", "--dry-run").out.startswith("1,000 players would be")
    assert dump(database) == moved
    back = move(command, tmp_path / "old", "--undo")
    assert back.code == 0
    assert back.out.startswith("1,000 players taken back: ")
    assert dump(database) == before
    assert command("verify").code == 0
    assert rows(database, ROLLED)[0] == {"counted": 1}
    logged = rows(
        database, "SELECT performed_by, action, details::jsonb AS details FROM staff_log ORDER BY id"
    )
    assert [row["action"] for row in logged] == ["wallets.moved_in", "wallets.taken_back"]
    assert logged[1]["details"] == {"folder": "old", "players": PLAYERS}

    assert move(command, tmp_path / "old").code == 0
    assert command("verify").code == 0


@pytest.mark.usefixtures("ledger")
def test_every_run_that_moved_in_one_of_the_players_is_taken_back(
    command: Command, old: Path, database: str
) -> None:
    before = dump(database)
    write(old, balances=[balance("U1", "50.005"), balance("U2", "1.00")])
    first = move(command, old)
    assert first.code == 1
    assert "Refused, balances.csv line 2: amount: “50.005”" in first.out
    write(old, balances=[balance("U1", "50.00"), balance("U2", "1.00")])
    assert move(command, old).code == 0
    assert len(rows(database, "SELECT FROM legacy_runs")) == 2

    assert move(command, old, "--undo").out.startswith("2 players taken back")
    assert dump(database) == before


@pytest.mark.usefixtures("ledger")
def test_where_nobody_moved_in_there_is_nothing_to_take_back(command: Command, old: Path) -> None:
    finished = move(command, old, "--undo")
    assert (finished.code, finished.out) == (1, "")
    assert "has moved in: there is nothing to take back" in finished.err


def _staff(session: Any) -> Any:
    operator_id = session.scalars(select(Operator.id).filter_by(slug="house")).one()
    return builders.make_actor(session, operator_id=operator_id, role=Role.ADMIN)


TOUCHES: dict[str, tuple[Callable[[Any, int], object], list[str]]] = {
    "an entry": (lambda session, player: builders.change(session, player, 100), ["balances"]),
    "an entry and its opposite": (
        lambda session, player: [builders.change(session, player, amount) for amount in (100, -100)],
        ["balances"],
    ),
    "another currency": (
        lambda session, player: builders.change(session, player, 100, ChangeType.OPENING, currency="EUR"),
        ["balances"],
    ),
    "a freeze": (
        lambda session, player: wallets.freeze(
            session, player_id=player, reason="Card stolen", actor=_staff(session), now=builders.NOW
        ),
        ["wallet", "staff_log"],
    ),
    "a level": (
        lambda session, player: vip_rules.set_level(
            session,
            player_id=player,
            level=Level.DIAMOND,
            reason="A friend",
            actor=_staff(session),
            now=builders.NOW,
        ),
        ["wallet", "VIP level", "staff_log"],
    ),
    "a note": (
        lambda session, player: players.add_note(
            session, player_id=player, body="Called", actor=_staff(session), now=builders.NOW
        ),
        ["player_notes"],
    ),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_refused_when_a_wallet_has_been_touched_since(
    command: Command, ledger: Ledger, database: str, old: Path, touch: str
) -> None:
    assert move(command, old).code == 0
    act, wanted = TOUCHES[touch]
    (player,) = rows(database, "SELECT id FROM players WHERE external_id = 'U1'")
    ledger.transact(lambda session: act(session, player["id"]))
    before = dump(database)

    finished = move(command, old, "--undo", "--json")
    assert finished.code == 1
    assert "1 wallets have been touched since they moved in, so nothing was taken back: U1 (" in finished.err
    (told,) = json.loads(finished.out)["touched"]
    assert (told["player_id"], told["account"]) == (player["id"], "U1")
    assert set(told["what"]) == set(wanted)
    assert dump(database) == before


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE bonuses SET wagered = wagered + 1", "bonuses"),
        ("UPDATE withdrawals SET state = 'cancelled', ended_at = now(), ended_by = 'system'", "withdrawals"),
        ("UPDATE players SET name = 'Mira Berg' WHERE external_id = 'U1'", "player"),
    ],
)
def test_refused_when_what_hangs_on_a_wallet_has_changed(
    command: Command, ledger: Ledger, old: Path, statement: str, what: str
) -> None:
    assert move(command, old).code == 0
    with ledger.owned() as connection:
        connection.execute(statement)

    finished = move(command, old, "--undo")
    assert (finished.code, finished.out) == (1, "")
    assert f"nothing was taken back: U1 ({what})." in finished.err


def test_refused_once_an_anchor_holds_the_journals(
    command: Command, ledger: Ledger, database: str, old: Path
) -> None:
    assert move(command, old).code == 0
    assert command("anchor").code == 0
    before = dump(database)

    finished = move(command, old, "--undo")
    assert finished.code == 1
    assert finished.err.startswith("Anchor 1 of ")
    assert "holds the journals of 1 of these players" in finished.err
    assert dump(database) == before
    assert command("verify").code == 0


def test_no_anchor_is_taken_while_it_is_taken_back(ledger: Ledger) -> None:
    with psycopg.connect(database_url("owner", ledger.database)) as undoing:
        undoing.execute("LOCK TABLE anchors IN SHARE ROW EXCLUSIVE MODE")
        with pytest.raises(Conflict, match="being taken back right now"):
            ledger.transact(lambda session: anchors.take(session, now=clock.now(), key=KEY))
    assert ledger.transact(lambda session: anchors.take(session, now=clock.now(), key=KEY)).id == 1


@pytest.mark.usefixtures("ledger")
def test_a_run_says_what_differs_and_exits_1(command: Command, old: Path) -> None:
    write(old, balances=[balance("U1", "50.00", "5.00", total_balance="50.00")])
    finished = move(command, old, "--dry-run")
    assert finished.code == 1
    assert "55.00 by our sum, 50.00 recorded, −5.00 USD off" in finished.out
    assert finished.err == ""
