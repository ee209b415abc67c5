"""Freezing, unfreezing and closing: who may move to what, and what is written down about it."""

import json
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, wallets
from dashboard.services.actors import SYSTEM, Actor
from tests.builders import NOW, change, make_actor, make_operator, make_player


@pytest.fixture
def manager(session: Session) -> Actor:
    return make_actor(session, operator_id=make_operator(session, currencies=("JPY",)), role=Role.MANAGER)


@pytest.fixture
def player(session: Session, manager: Actor) -> int:
    return make_player(session, operator_id=manager.operator_id)


def wallet(session: Session, player_id: int) -> Row[Any]:
    return session.execute(text("SELECT * FROM wallets WHERE player_id = :p"), {"p": player_id}).one()


def logged(session: Session, player_id: int) -> list[tuple[str, str, str]]:
    """What the staff log says about a player: action, who, and the reason given."""
    rows = session.execute(
        text(
            "SELECT action, performed_by, details, logged_at FROM staff_log WHERE player_id = :p ORDER BY id"
        ),
        {"p": player_id},
    ).all()
    assert {row.logged_at for row in rows} <= {NOW}
    return [(row.action, row.performed_by, json.loads(row.details)["reason"]) for row in rows]


def test_a_freeze_says_who_when_and_why(session: Session, manager: Actor, player: int) -> None:
    wallets.freeze(session, player_id=player, reason="Card dispute", actor=manager, now=NOW)

    frozen = wallet(session, player)
    assert (frozen.status, frozen.status_reason) == ("frozen", "Card dispute")
    assert (frozen.status_by, frozen.status_at) == (manager.id, NOW)
    assert logged(session, player) == [("wallet.frozen", f"staff:{manager.id}", "Card dispute")]


def test_an_unfreeze_opens_the_wallet_again(session: Session, manager: Actor, player: int) -> None:
    wallets.freeze(session, player_id=player, reason="Card dispute", actor=manager, now=NOW)

    wallets.unfreeze(session, player_id=player, reason="Settled", actor=manager, now=NOW)

    active = wallet(session, player)
    assert (active.status, active.status_reason, active.status_by) == ("active", None, manager.id)
    assert logged(session, player)[-1] == ("wallet.unfrozen", f"staff:{manager.id}", "Settled")
    change(session, player, 100)


def test_the_second_freeze_and_a_needless_unfreeze_are_conflicts(
    session: Session, manager: Actor, player: int
) -> None:
    with pytest.raises(Conflict, match="The wallet is active"):
        wallets.unfreeze(session, player_id=player, reason="x", actor=manager, now=NOW)
    wallets.freeze(session, player_id=player, reason="First", actor=manager, now=NOW)
    with pytest.raises(Conflict, match="The wallet is frozen"):
        wallets.freeze(session, player_id=player, reason="Second", actor=manager, now=NOW)

    assert wallet(session, player).status_reason == "First"
    assert [action for action, _, _ in logged(session, player)] == ["wallet.frozen"]


@pytest.mark.parametrize("frozen_before", [False, True])
def test_an_empty_wallet_can_be_closed(
    session: Session, manager: Actor, player: int, frozen_before: bool
) -> None:
    if frozen_before:
        wallets.freeze(session, player_id=player, reason="Dispute", actor=manager, now=NOW)

    wallets.close(session, player_id=player, reason="Asked to leave", actor=manager, now=NOW)

    closed = wallet(session, player)
    assert (closed.status, closed.status_reason, closed.status_by) == ("closed", "Asked to leave", manager.id)
    assert logged(session, player)[-1][0] == "wallet.closed"


@pytest.mark.parametrize("change_type", [ChangeType.DEPOSIT, ChangeType.ADJUSTMENT, ChangeType.SETTLEMENT])
def test_a_closed_wallet_takes_nothing(
    session: Session, manager: Actor, player: int, change_type: ChangeType
) -> None:
    wallets.close(session, player_id=player, reason="Asked to leave", actor=manager, now=NOW)

    with pytest.raises(balances.ChangeRefused, match="The wallet is closed"):
        change(session, player, 100, change_type)


def test_closing_is_for_good(session: Session, manager: Actor, player: int) -> None:
    wallets.close(session, player_id=player, reason="Asked to leave", actor=manager, now=NOW)

    for move in (wallets.close, wallets.freeze, wallets.unfreeze):
        with pytest.raises(Conflict, match="The wallet is closed"):
            move(session, player_id=player, reason="x", actor=manager, now=NOW)

    assert wallet(session, player).status_reason == "Asked to leave"


def test_a_wallet_that_holds_money_is_not_closed(session: Session, manager: Actor, player: int) -> None:
    change(session, player, 12_34)
    change(session, player, 500, currency="JPY")

    with pytest.raises(Rejected, match=r"still holds 500 JPY, 12\.34 USD: pay it out"):
        wallets.close(session, player_id=player, reason="x", actor=manager, now=NOW)

    assert wallet(session, player).status == "active"
    assert logged(session, player) == []


def test_a_debt_is_held_too(session: Session, manager: Actor, player: int) -> None:
    change(session, player, -1)

    with pytest.raises(Rejected, match=r"still holds −0\.01 USD"):
        wallets.close(session, player_id=player, reason="x", actor=manager, now=NOW)


def test_money_locked_for_a_withdrawal_is_held_too(session: Session, manager: Actor, player: int) -> None:
    session.execute(text("UPDATE balances SET pending = 1 WHERE player_id = :p"), {"p": player})

    with pytest.raises(Rejected, match="still holds"):
        wallets.close(session, player_id=player, reason="x", actor=manager, now=NOW)


@pytest.mark.parametrize("move", [wallets.freeze, wallets.unfreeze, wallets.close])
def test_another_operators_wallet_does_not_exist(session: Session, player: int, move: Any) -> None:
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)

    with pytest.raises(NotFound):
        move(session, player_id=player, reason="x", actor=stranger, now=NOW)
    with pytest.raises(NotFound):
        move(session, player_id=player + 10**9, reason="x", actor=stranger, now=NOW)

    assert wallet(session, player).status == "active"


def test_the_system_may_freeze_too(session: Session, player: int, manager: Actor) -> None:
    wallets.freeze(session, player_id=player, reason="Chain broken", actor=SYSTEM, now=NOW)

    frozen = wallet(session, player)
    assert (frozen.status, frozen.status_by) == ("frozen", None)
    operator = session.scalar(text("SELECT operator_id FROM staff_log WHERE player_id = :p"), {"p": player})
    assert operator == manager.operator_id
