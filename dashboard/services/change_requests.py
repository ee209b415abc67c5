"""Change requests: held ones that are posted when their time comes, and those that wait for a second person.

Locks are taken in this order: the change request, a withdrawal, the balances, an allowance.
"""

import datetime as dt
from dataclasses import replace
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, Rejected
from dashboard.models.change_request import RequestKind, RequestState
from dashboard.services import (
    alerts,
    allowances,
    balances,
    bonuses,
    request_rows,
    staff_log,
    standings,
    wallets,
    withdrawals,
)
from dashboard.services.actors import Actor
from dashboard.services.bonus_terms import Plan
from dashboard.services.changes import BalanceChange, Reserved


def take_back(session: Session, *, player_id: int, request_id: int, actor: Actor, now: dt.datetime) -> None:
    """End one's own held change with nothing posted. Raises NotFound; Conflict once it has ended."""
    row = request_rows.lock(session, player_id, request_id, actor)
    if row.requested_by != actor.id:
        raise Rejected("Only the person who made this change can take it back.")
    request_rows.expect(session, row, RequestState.HELD)
    _free(session, row, now)
    request_rows.end(session, row, RequestState.TAKEN_BACK, now)


def post_held(
    session: Session, *, player_id: int, request_id: int, actor: Actor, now: dt.datetime
) -> BalanceChange:
    """Post a held change with its key: when its time has come, or at once by its maker.

    The rules are judged again. Raises NotFound, Conflict once it has ended, ChangeRefused.
    """
    row = request_rows.lock(session, player_id, request_id, actor)
    if actor.role is not None and row.requested_by != actor.id:
        raise Rejected("Only the person who made this change can post it before its time.")
    request_rows.expect(session, row, RequestState.HELD)
    maker = request_rows.maker_of(session, row.requested_by)
    own = Reserved(request_rows.set_aside(row), row.id)
    request = request_rows.request_of(row)
    change = balances.change(session, request=request, actor=maker, now=now, reserved=own)
    allowances.note_largest(session, actor=maker, currency=row.currency, amount=request_rows.amount_of(row))
    request_rows.end(session, row, RequestState.POSTED, now, sequence=change.entry.sequence)
    return change


def refuse_held(
    session: Session, *, player_id: int, request_id: int, refused: Rejected, now: dt.datetime
) -> None:
    """End a held change that the rules refused when its time came, and alert its maker."""
    row = request_rows.lock(session, player_id, request_id, None)
    request_rows.expect(session, row, RequestState.HELD)
    _free(session, row, now)
    request_rows.end(session, row, RequestState.REFUSED, now, outcome=refused.message)
    alerts.raise_held_refused(
        session,
        player_id=player_id,
        currency=row.currency,
        amount_minor=request_rows.amount_of(row),
        agent_id=row.requested_by,
        now=now,
    )


def due(session: Session, *, now: dt.datetime, limit: int = 100) -> list[tuple[int, int, int]]:
    """Held changes whose time has come, the longest first: (operator id, player id, request id)."""
    return [
        (row.operator_id, row.player_id, row.id)
        for row in session.execute(_DUE, {"now": now, "limit": limit})
    ]


def approve(
    session: Session,
    *,
    player_id: int,
    request_id: int,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> BalanceChange | None:
    """Do what was asked for, as a second person. The rules are judged again.

    Of several who decide at once one stands; the others are told which. Returns the entry's change;
    None where no money moves. Raises NotFound, Rejected (one's own request, or more than one's own
    allowance), Conflict, ChangeRefused: then it goes on waiting.
    """
    row = request_rows.lock(session, player_id, request_id, actor)
    _refuse_decider(row, actor)
    request_rows.expect(session, row, RequestState.WAITING)
    if row.lapses_at <= now:
        raise Conflict("This request has lapsed.")
    _refuse_beyond_allowance(session, row, actor, now)
    maker = request_rows.maker_of(session, row.requested_by)
    change = _carry_out(session, row, maker, actor, now)
    if change is not None:
        amount = request_rows.amount_of(row)
        allowances.note_largest(session, actor=maker, currency=row.currency, amount=amount)
    sequence = change.entry.sequence if change else None
    request_rows.end(session, row, RequestState.APPROVED, now, by=actor, reason=reason, sequence=sequence)
    _log(session, row, "change_request.approved", actor=actor, reason=reason, now=now)
    return change


def decline(
    session: Session, *, player_id: int, request_id: int, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """End a waiting request with nothing done. Raises NotFound, Rejected (one's own), Conflict."""
    row = request_rows.lock(session, player_id, request_id, actor)
    _refuse_decider(row, actor)
    request_rows.expect(session, row, RequestState.WAITING)
    request_rows.end(session, row, RequestState.DECLINED, now, by=actor, reason=reason)
    _log(session, row, "change_request.declined", actor=actor, reason=reason, now=now)


def lapse(session: Session, *, now: dt.datetime) -> list[tuple[int, int]]:
    """End what has waited too long; returns what it was about: (operator id, player id)."""
    return [(row.operator_id, row.player_id) for row in session.execute(_LAPSE, {"now": now})]


_DUE = text("""
SELECT operator_id, player_id, id FROM change_requests
WHERE state = 'held' AND post_at <= :now ORDER BY post_at LIMIT :limit
""")
_LAPSE = text("""
UPDATE change_requests SET state = 'lapsed', ended_at = :now WHERE state = 'waiting' AND lapses_at <= :now
RETURNING operator_id, player_id
""")


def _refuse_decider(row: Row[Any], actor: Actor) -> None:
    if not actor.may("approvals:decide"):
        raise Rejected("You may not decide this.")
    if row.requested_by == actor.id:
        raise Rejected("Nobody decides their own request: a second person must.")


def _refuse_beyond_allowance(session: Session, row: Row[Any], actor: Actor, now: dt.datetime) -> None:
    """The approver must be trusted with that amount, too."""
    if row.currency is None:
        return
    allowance = allowances.look(session, actor=actor, currency=row.currency, timezone="UTC", now=now)
    amount = request_rows.amount_of(row)
    if amount > allowance.per_change:
        raise Rejected(
            f"More than your own allowance per change: {money.show(amount, row.currency)}"
            f" of {money.show(allowance.per_change, row.currency)}."
        )


def _carry_out(
    session: Session, row: Row[Any], maker: Actor, decider: Actor, now: dt.datetime
) -> BalanceChange | None:
    """Do what a waiting request asks for; the entry names both people."""
    marks: dict[str, int | str] = {"approved_by": decider.reference, "change_request": row.id}
    match RequestKind(row.kind):
        case RequestKind.CHANGE:
            own = Reserved(0, row.id)
            request = replace(request_rows.request_of(row), metadata=marks)
            return balances.change(session, request=request, actor=maker, now=now, reserved=own)
        case RequestKind.TRANSFER:
            request = replace(request_rows.request_of(row), metadata=marks)
            return balances.transfer(session, request=request, actor=maker, now=now, own_request=row.id)
        case RequestKind.REVERSAL:
            return balances.reverse(
                session,
                player_id=row.player_id,
                currency=row.currency,
                sequence=row.reverses,
                reason=row.reason,
                actor=maker,
                idempotency_key=row.idempotency_key,
                now=now,
                own_request=row.id,
                metadata=marks,
            )
        case RequestKind.PAYMENT:
            withdrawal = withdrawals.lock(
                session, player_id=row.player_id, withdrawal_id=row.withdrawal_id, actor=decider
            )
            examined = withdrawals.examine_payment(
                session, withdrawal, actor=maker, now=now, own_request=row.id, metadata=marks
            )
            return withdrawals.pay(session, withdrawal, examined, actor=maker, now=now)
        case RequestKind.UNFREEZE:
            wallets.unfreeze(session, player_id=row.player_id, reason=row.reason, actor=maker, now=now)
            return None
        case RequestKind.GRANT:
            return _grant(session, row, maker, marks, now)


def _grant(
    session: Session, row: Row[Any], maker: Actor, marks: dict[str, int | str], now: dt.datetime
) -> BalanceChange | None:
    """Make the grant that was asked for, just as it was: both people saw its terms."""
    plan = Plan.read(row.bonus)
    wish = bonuses.Wish.of(
        plan,
        player_id=row.player_id,
        currency=row.currency,
        reason=row.reason,
        idempotency_key=row.idempotency_key,
    )
    examined = bonuses.examine(session, wish, actor=maker, now=now, own_request=row.id)
    if not isinstance(examined, bonuses.Examined) or examined.plan != plan:
        raise Conflict("The offer says something else by now: decline this, and let it be asked for anew.")
    granted = bonuses.post(session, examined, actor=maker, now=now, marks=marks)
    if granted.entry is None:
        return None
    return BalanceChange(granted.entry, examined.money.judgement)


def _free(session: Session, row: Row[Any], now: dt.datetime) -> None:
    """Lock the balance, and give back what a held debit had set aside."""
    maker = request_rows.maker_of(session, row.requested_by)
    locked = standings.lock(session, player_id=row.player_id, currency=row.currency, actor=maker, now=now)
    if request_rows.set_aside(row):
        standings.reserve(session, row.player_id, locked, -request_rows.set_aside(row))


def _log(
    session: Session, row: Row[Any], action: str, *, actor: Actor, reason: str, now: dt.datetime
) -> None:
    staff_log.record(
        session,
        actor,
        action,
        player_id=row.player_id,
        operator_id=row.operator_id,
        details={"request": row.id, "kind": row.kind, "reason": reason},
        now=now,
    )
