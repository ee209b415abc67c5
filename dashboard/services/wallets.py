"""A wallet's status: freezing, unfreezing and closing. Money moves in `balances` alone."""

import datetime as dt

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.wallet import WalletStatus
from dashboard.services import bonus_endings, staff_log
from dashboard.services.actors import Actor

# Balances first, then the wallet: the order of a change, so a freeze waits for changes in flight and
# a change that comes later waits for the freeze and then sees it.
_LOCK_BALANCES = text("""
SELECT b.currency, b.real, b.pending FROM balances b WHERE b.player_id = :p ORDER BY b.currency FOR UPDATE
""")
_LOCK_WALLET = text("SELECT status, operator_id FROM wallets WHERE player_id = :p FOR UPDATE")
_HAS_PENDING_BETS = text("SELECT EXISTS (SELECT FROM bets WHERE player_id = :p AND state = 'pending')")
_LOOK_AT_WALLET = text("SELECT status, operator_id FROM wallets WHERE player_id = :p")
_MOVE = text("""
UPDATE wallets SET status = :status, status_reason = :reason, status_by = :who, status_at = :now
WHERE player_id = :p
""")


def freeze(session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let the wallet take nothing but what must not wait. Once it returns, no debit slips through.

    Raises NotFound, or Conflict when it is not active any more.
    """
    _move(
        session,
        player_id,
        WalletStatus.FROZEN,
        expected=WalletStatus.ACTIVE,
        reason=reason,
        actor=actor,
        now=now,
    )


def unfreeze(session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let a frozen wallet take everything again. Raises NotFound, or Conflict when it is not frozen."""
    _move(
        session,
        player_id,
        WalletStatus.ACTIVE,
        expected=WalletStatus.FROZEN,
        reason=reason,
        actor=actor,
        now=now,
    )


def check_frozen(session: Session, *, player_id: int, actor: Actor) -> None:
    """Raise NotFound, or Conflict when the wallet is not frozen."""
    wallet = session.execute(_LOOK_AT_WALLET, {"p": player_id}).one_or_none()
    if wallet is None or not actor.serves(wallet.operator_id):
        raise NotFound("There is no such player.")
    if wallet.status != WalletStatus.FROZEN:
        raise Conflict(f"The wallet is {wallet.status}.")


def close(session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Close the wallet for good; afterwards it takes reversals alone. Its bonuses are forfeited.

    Raises NotFound, Conflict when it is closed already, Rejected while any balance has real money,
    a debt, or money locked for withdrawals, and while a bet is not settled.
    """
    _move(session, player_id, WalletStatus.CLOSED, expected=None, reason=reason, actor=actor, now=now)


def _move(
    session: Session,
    player_id: int,
    wanted: WalletStatus,
    *,
    expected: WalletStatus | None,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    balances = session.execute(_LOCK_BALANCES, {"p": player_id}).all()
    wallet = session.execute(_LOCK_WALLET, {"p": player_id}).one_or_none()
    if wallet is None or not actor.serves(wallet.operator_id):
        raise NotFound("There is no such player.")
    if wallet.status == WalletStatus.CLOSED or (expected is not None and wallet.status != expected):
        raise Conflict(f"The wallet is {wallet.status}.")
    if wanted == WalletStatus.CLOSED:
        held = [
            f"{money.show(row.real, row.currency)} {row.currency}"
            for row in balances
            if row.real or row.pending
        ]
        if held:
            raise Rejected(
                f"The wallet still holds {', '.join(held)}: pay it out or adjust it to zero first."
            )
        if session.scalar(_HAS_PENDING_BETS, {"p": player_id}):
            raise Rejected("There are bets that are not settled yet: wait for their rounds to end.")
        bonus_endings.forfeit_all(session, player_id=player_id, reason=reason, actor=actor, now=now)
    kept = None if wanted == WalletStatus.ACTIVE else reason
    moved = {"p": player_id, "status": wanted, "reason": kept, "who": actor.id or None, "now": now}
    session.execute(_MOVE, moved)
    action = "wallet.unfrozen" if wanted == WalletStatus.ACTIVE else f"wallet.{wanted}"
    staff_log.record(
        session,
        actor,
        action,
        player_id=player_id,
        details={"reason": reason},
        operator_id=wallet.operator_id,
        now=now,
    )
