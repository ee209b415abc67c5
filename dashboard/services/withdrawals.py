"""Withdrawals in two steps: a request locks the amount as pending; paying or cancelling ends it.

A request is judged by every rule and uses the limits; paying leaves out its own pending and limits, and
is judged by the rest again. Locks: the withdrawal, then the balance.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.models.change_request import WithdrawalState
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, standings
from dashboard.services.actors import Actor
from dashboard.services.changes import BalanceChange, ChangeRefused, Judgement, KeyReused, Request, Reserved


@dataclass(frozen=True, slots=True)
class Requested:
    """A withdrawal that stands. `judgement` is None where an earlier one with the same key is returned."""

    withdrawal_id: int
    state: WithdrawalState
    judgement: Judgement | None
    repeated: bool = False


def request(
    session: Session,
    *,
    request: Request,
    actor: Actor,
    now: dt.datetime,
    seen_version: int | None = None,
) -> Requested:
    """Judge a withdrawal (a debit of that type) and lock its amount as pending.

    The same key returns the withdrawal first made with it. Raises as `balances.change` does.
    """
    known = _known(session, request)
    examined = balances.examine(
        session,
        request=request,
        actor=actor,
        now=now,
        seen_version=seen_version if known is None else None,
    )
    # Under the lock of the balance: of two with the same key at once, one waited here.
    known = _known(session, request)
    if known is not None:
        return Requested(known.id, WithdrawalState(known.state), None, repeated=True)
    if examined.repeated is not None or examined.waits_as is not None:
        raise KeyReused(examined.repeated.entry if examined.repeated else None)
    if not examined.judgement.validation.is_valid:
        raise ChangeRefused(examined.judgement)
    amount = -request.real_delta
    withdrawal_id = session.execute(
        _INSERT,
        {
            "p": request.player_id,
            "o": examined.located.operator_id,
            "c": request.currency,
            "amount": amount,
            "reason": request.reason,
            "reference": request.reference,
            "key": request.idempotency_key,
            "fingerprint": request.fingerprint(),
            "who": actor.reference,
            "now": now,
        },
    ).scalar_one()
    standings.reserve(session, request.player_id, examined.located, amount)
    return Requested(withdrawal_id, WithdrawalState.REQUESTED, examined.judgement)


def lock(session: Session, *, player_id: int, withdrawal_id: int, actor: Actor) -> Row[Any]:
    """The withdrawal, locked, while it is still requested. Raises NotFound, Conflict once it has ended."""
    row = session.execute(_LOCK, {"p": player_id, "id": withdrawal_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such withdrawal.")
    if row.state != WithdrawalState.REQUESTED:
        raise Conflict(f"This withdrawal is already {row.state}.")
    return row


def examine_payment(
    session: Session,
    withdrawal: Row[Any],
    *,
    actor: Actor,
    now: dt.datetime,
    own_request: int | None = None,
    metadata: Mapping[str, int | str] | None = None,
) -> balances.Examined:
    """Judge the payment of a locked withdrawal, without its own pending and limits."""
    payment = Request(
        player_id=withdrawal.player_id,
        currency=withdrawal.currency,
        change_type=ChangeType.WITHDRAWAL,
        real_delta=-withdrawal.amount,
        reason=withdrawal.reason,
        idempotency_key=f"withdrawal:{withdrawal.id}",
        reference=withdrawal.reference,
        metadata={**(metadata or {}), "withdrawal": withdrawal.id},
    )
    own = Reserved(withdrawal.amount, own_request, withdrawal.id)
    return balances.examine(session, request=payment, actor=actor, now=now, reserved=own)


def pay(
    session: Session, withdrawal: Row[Any], examined: balances.Examined, *, actor: Actor, now: dt.datetime
) -> BalanceChange:
    """Post the payment that was examined, and end the withdrawal. Raises ChangeRefused."""
    change = balances.post(session, examined, actor=actor, now=now)
    _end(
        session,
        withdrawal,
        WithdrawalState.PAID,
        reason=None,
        actor=actor,
        now=now,
        sequence=change.entry.sequence,
    )
    return change


def cancel(
    session: Session, *, player_id: int, withdrawal_id: int, reason: str, actor: Actor, now: dt.datetime
) -> None:
    """End a withdrawal without paying it: the amount is withdrawable again, and its limits are free.

    A frozen wallet allows it. A payment that waits for a second person lapses with it. Raises NotFound,
    Conflict.
    """
    # The request first: approving it locks in this order, too.
    session.execute(_LAPSE_PAYMENT, {"p": player_id, "id": withdrawal_id, "now": now})
    row = lock(session, player_id=player_id, withdrawal_id=withdrawal_id, actor=actor)
    located = standings.lock(session, player_id=player_id, currency=row.currency, actor=actor, now=now)
    standings.reserve(session, player_id, located, -row.amount)
    _end(session, row, WithdrawalState.CANCELLED, reason=reason, actor=actor, now=now)


_KNOWN = text("""
SELECT id, state, fingerprint FROM withdrawals WHERE player_id = :p AND idempotency_key = :key
""")
_LOCK = text("SELECT * FROM withdrawals WHERE player_id = :p AND id = :id FOR UPDATE")
_INSERT = text("""
INSERT INTO withdrawals (player_id, operator_id, currency, amount, reason, reference, idempotency_key,
                         fingerprint, requested_by, requested_at)
VALUES (:p, :o, :c, :amount, :reason, :reference, :key, :fingerprint, :who, :now)
RETURNING id
""")
_END = text("""
UPDATE withdrawals SET state = :state, ended_by = :who, ended_at = :now, end_reason = :reason,
  sequence = :sequence
WHERE player_id = :p AND id = :id AND state = 'requested' RETURNING id
""")
_LAPSE_PAYMENT = text("""
UPDATE change_requests SET state = 'lapsed', ended_at = :now
WHERE player_id = :p AND withdrawal_id = :id AND state = 'waiting'
""")


def _known(session: Session, request: Request) -> Row[Any] | None:
    known = session.execute(_KNOWN, {"p": request.player_id, "key": request.idempotency_key}).one_or_none()
    if known is not None and known.fingerprint != request.fingerprint():
        raise KeyReused(None)
    return known


def _end(
    session: Session,
    row: Row[Any],
    state: WithdrawalState,
    *,
    reason: str | None,
    actor: Actor,
    now: dt.datetime,
    sequence: int | None = None,
) -> None:
    ended = session.execute(
        _END,
        {
            "p": row.player_id,
            "id": row.id,
            "state": state,
            "who": actor.reference,
            "now": now,
            "reason": reason,
            "sequence": sequence,
        },
    ).one_or_none()
    if ended is None:
        raise Conflict("This withdrawal has changed in the meantime.")
