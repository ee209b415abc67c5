"""`import legacy-loyalty` as a person runs it, and taking back what it made: all of it, or nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.config import settings
from dashboard.models.loyalty import TierChange
from dashboard.services import loyalty_tiers, loyalty_wallets, member_tiers, points, points_standing
from dashboard.services.actors import SYSTEM
from dashboard.services.imports import loyalty_sample
from tests import builders
from tests.conftest import Finished
from tests.legacy_tables import write
from tests.loyalty_tables import TYPES, card, load, redemption
from tests.services.ledger import Ledger
from tests.services.test_legacy_undo import dump, rows
from tests.services.test_loyalty_coupons import coupon, write_set

Command = Callable[..., Finished]
PATIENTS = 60


@pytest.fixture
def ledger(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """An operator `house` with a player P0, and a member of another import's making: nobody's."""
    monkeypatch.setenv("PURSER_ANCHOR_DIR", str(tmp_path / "anchors"))
    settings.cache_clear()
    made = Ledger(database, tmp_path / "anchors", ())

    def begin(session: Session) -> None:
        operator_id = builders.make_operator(session, slug="house")
        builders.make_player(session, operator_id=operator_id, external_id="P000000", balance_minor=5_000)
        member = builders.make_player(session, operator_id=operator_id)
        points.adjust(
            session,
            player_id=member,
            points=90,
            reason="Welcome",
            idempotency_key="w",
            actor=SYSTEM,
            now=clock.now(),
        )

    made.transact(begin)
    return made


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Two patients, one with points and a card of a type that is no tier yet."""
    return write(
        tmp_path / "old",
        loyalty_card_types=TYPES,
        loyalty_points=[
            load("a", "P1", "100", "2025-06-01 09:00:00", "2030-01-31"),
            load("b", "P2", "5", "2025-06-01 09:00:00", "2030-01-31"),
        ],
        loyalty_redemptions=[redemption("r", "P1", "40", "2025-07-01 09:00:00")],
        patient_loyalty_cards=[card("1", "P1", "t2", "2026-01-01", expiry_date="2030-01-01")],
    )


def move(command: Command, folder: Path, *options: str) -> Finished:
    return command("import", "legacy-loyalty", str(folder), "--operator", "house", *options)


@pytest.mark.usefixtures("ledger")
def test_taken_back_the_database_is_as_it_was(command: Command, database: str, tmp_path: Path) -> None:
    loyalty_sample.write(tmp_path / "old", patients=PATIENTS)
    assert command("anchor").code == 0
    before = dump(database)
    there = move(command, tmp_path / "old", "--json")
    # Some redemptions of the sample are larger than what there was: said, and no reason to stop.
    assert there.code == 1
    told = json.loads(there.out)
    assert (told["rows_written"], told["patients"]) == (told["rows_read"], PATIENTS)
    assert (told["figures"]["unexplained"], told["short_count"] > 0) == (0, True)
    moved = dump(database)
    assert len(moved["players"]) == PATIENTS + 1
    assert command("verify").code == 0

    assert move(command, tmp_path / "old", "--undo", "--dry-run").out.startswith("60 players would be")
    assert dump(database) == moved
    back = move(command, tmp_path / "old", "--undo")
    assert (back.code, back.out.startswith("60 players taken back: ")) == (0, True)
    assert dump(database) == before
    assert command("verify").code == 0
    logged = rows(database, "SELECT action FROM staff_log ORDER BY id")
    assert [row["action"] for row in logged] == ["points.moved_in", "points.taken_back"]


def _act(session: Session, player_id: int, amount: int) -> None:
    points.adjust(
        session,
        player_id=player_id,
        points=amount,
        reason="Put right",
        idempotency_key=f"touch {amount}",
        actor=SYSTEM,
        now=clock.now(),
    )


def _staff(session: Session) -> Any:
    operator_id = session.scalar(text("SELECT id FROM operators"))
    assert operator_id is not None
    return builders.make_actor(session, operator_id=operator_id)


TOUCHES: dict[str, tuple[Callable[[Session, int], object], set[str]]] = {
    "points and back": (
        lambda session, player: [_act(session, player, 1), _act(session, player, -1)],
        {"loyalty wallet", "batches"},
    ),
    "a suspension": (
        lambda session, player: loyalty_wallets.suspend(
            session, player_id=player, reason="Lost", actor=_staff(session), now=clock.now()
        ),
        {"loyalty wallet", "staff_log"},
    ),
    "a card": (
        lambda session, _: session.execute(text("UPDATE loyalty_cards SET is_active = false")),
        {"cards"},
    ),
    "money": (lambda session, player: builders.change(session, player, 100), {"balances", "wallet_entries"}),
    "a notice": (
        lambda session, player: session.execute(
            text("""
            INSERT INTO loyalty_notices (player_id, subject, ends_on, days, operator_id, noticed_at)
            SELECT id, 'points', '2030-01-31', 7, operator_id, now() FROM players WHERE id = :p
            """),
            {"p": player},
        ),
        {"loyalty_notices"},
    ),
}


@pytest.mark.parametrize("touch", TOUCHES)
def test_refused_when_a_member_has_been_touched_since(
    command: Command, ledger: Ledger, database: str, old: Path, touch: str
) -> None:
    assert move(command, old).code == 0
    act, wanted = TOUCHES[touch]
    (player,) = rows(database, "SELECT id FROM players WHERE external_id = 'P1'")
    ledger.transact(lambda session: act(session, player["id"]))
    before = dump(database)

    finished = move(command, old, "--undo", "--json")
    assert finished.code == 1
    assert "have been touched since they moved in, so nothing was taken back: P1 (" in finished.err
    (told,) = json.loads(finished.out)["touched"]
    assert (told["player_id"], set(told["what"])) == (player["id"], wanted)
    assert dump(database) == before


def test_refused_once_an_anchor_holds_the_journals(
    command: Command, ledger: Ledger, database: str, old: Path
) -> None:
    assert move(command, old).code == 0
    assert command("anchor").code == 0
    before = dump(database)
    finished = move(command, old, "--undo")
    assert finished.code == 1
    assert "holds the journals of 2 of these members" in finished.err
    assert dump(database) == before
    assert command("verify").code == 0


def test_refused_where_somebody_else_has_come_to_a_tier_that_moved_in(
    command: Command, ledger: Ledger, database: str, old: Path
) -> None:
    assert move(command, old).code == 0

    def promote(session: Session) -> None:
        now = clock.now()
        player_id = session.scalar(text("SELECT id FROM players WHERE external_id = 'P000000'"))
        assert player_id is not None
        member = points_standing.lock(session, player_id=player_id, actor=SYSTEM, now=now, enrol=True)
        tiers = loyalty_tiers.tiers_of(session, member.operator_id)
        tier = next(tier for tier in tiers if tier.code == "gold-plus")
        until = loyalty_tiers.months_later(member.today, 6)
        member_tiers.move(
            session,
            member,
            tier,
            change=TierChange.NEW,
            valid_until=until,
            reason="A friend",
            actor=SYSTEM,
            now=now,
        )

    ledger.transact(promote)
    before = dump(database)
    finished = move(command, old, "--undo")
    assert finished.code == 1
    assert "A tier that moved in is used by others" in finished.err
    assert dump(database) == before


@pytest.mark.usefixtures("ledger")
def test_a_player_who_was_there_before_stays(command: Command, database: str, tmp_path: Path) -> None:
    folder = write(
        tmp_path / "one", loyalty_points=[load("a", "P000000", "7", "2025-06-01 09:00:00", "2030-01-31")]
    )
    before = dump(database)
    assert move(command, folder).code == 0
    # What happens to the player's money is nobody's business here.
    back = move(command, folder, "--undo", "--json")
    assert json.loads(back.out)["removed"]["players"] == 0
    assert dump(database) == before


@pytest.mark.usefixtures("ledger")
def test_where_nobody_moved_in_there_is_nothing_to_take_back(command: Command, old: Path) -> None:
    finished = move(command, old, "--undo")
    assert (finished.code, finished.out) == (1, "")
    assert "has moved in: there is nothing to take back" in finished.err


@pytest.mark.usefixtures("ledger")
def test_a_redemption_without_points_is_said_and_exits_1(command: Command, old: Path) -> None:
    write(old, loyalty_redemptions=[redemption("r", "P1", "400", "2025-07-01 09:00:00")])
    finished = move(command, old, "--dry-run")
    assert finished.code == 1
    assert "patient P1: 400 points asked for, 100 there" in finished.out


@pytest.mark.usefixtures("ledger")
def test_households_move_in_and_out_by_command(command: Command, database: str, tmp_path: Path) -> None:
    folder = write_set(tmp_path / "grocer", coupon("8", "1", "2017-03-12"), coupon("8", "1", "2017-03-13"))
    asked = ("import", "loyalty-coupons", str(folder), "--operator", "house")
    before = dump(database)
    moved = command(*asked, "--json")
    assert moved.code == 1
    told = json.loads(moved.out)
    assert (told["patients"], told["counts"]["redeemed"], told["figures"]["short"]) == (3, 100, 100)
    assert command("verify").code == 0
    assert command(*asked, "--undo").out.startswith("3 players taken back: ")
    assert dump(database) == before
    rehearsed = command(*asked, "--points-per-unit", "2", "--dry-run")
    assert rehearsed.code == 1
    assert "Refused, coupon_redemptions.csv line 3: The campaign runs from" in rehearsed.out
    assert dump(database) == before
