"""Payouts: a partner asks, which reserves the amount; one member of staff approves, another pays.

What is paid covers statements, the oldest first: covered ones are paid, and so are their earnings.
"""

import datetime as dt
from typing import Any

from sqlalchemy import Row, insert, text
from sqlalchemy.orm import Session

from dashboard import clock, money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import PartnerPayout
from dashboard.models.partner import PartnerStatus
from dashboard.models.partner_money import PayoutState
from dashboard.services import partner_accounts, partner_statements, staff_log
from dashboard.services.actors import Actor

REASON_MAX = 500
REFERENCE_MAX = 100

# Whoever suspends the partner waits, or was first.
_ASK = text("SELECT status, payout_details FROM partners WHERE id = :p FOR SHARE")
_BELONGS = text("SELECT EXISTS (SELECT FROM logins WHERE id = :who AND partner_id = :p)")
_KNOWN = text("""
SELECT id, currency, amount FROM partner_payouts WHERE partner_id = :p AND idempotency_key = :key
""")
_FIND = text("SELECT partner_id, currency, operator_id FROM partner_payouts WHERE id = :id")
_LOCK = text("SELECT * FROM partner_payouts WHERE id = :id FOR NO KEY UPDATE")
_APPROVE = text("""
UPDATE partner_payouts SET state = 'approved', approved_by = :who, approved_at = :now WHERE id = :id
""")
_END = text("""
UPDATE partner_payouts SET state = :state, ended_by = :who, ended_at = :now, reference = :reference,
  reason = :reason
WHERE id = :id
""")
# Statements that what was paid covers to the end, the oldest first.
_COVER = text("""
UPDATE partner_statements s SET state = 'paid', paid_at = :now
FROM (
  SELECT id, sum(payable) OVER (ORDER BY month) AS through FROM partner_statements
  WHERE partner_id = :p AND currency = :c AND state IN ('payable', 'paid')
) AS owed
WHERE s.id = owed.id AND s.state = 'payable' AND owed.through <= (
  SELECT paid FROM partner_accounts WHERE partner_id = :p AND currency = :c)
RETURNING s.month
""")
# Theirs, and of those that were rolled over into them.
_PAY_EARNINGS = text("""
UPDATE partner_shown_earnings e SET state = 'paid'
FROM partner_statements s
WHERE s.partner_id = :p AND s.currency = :c AND s.month <= :month AND s.state IN ('paid', 'rolled_over')
  AND e.statement_id = s.id AND e.state = 'approved'
""")


def request(
    session: Session,
    *,
    partner_id: int,
    currency: str,
    amount: int,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Ask for money, in minor units, as the partner; reserves it, and returns the payout.

    The same key returns the payout that was first made with it. Raises NotFound; Rejected at the field
    for more than is available, or for less than the minimum unless it is everything; Conflict where the
    key was used for another amount.
    """
    partner = partner_accounts.partner(session, partner_id=partner_id, actor=actor)
    if not session.scalar(_BELONGS, {"who": actor.id, "p": partner_id}):
        raise Rejected("Only the partner asks for a payout.")
    asking = session.execute(_ASK, {"p": partner_id}).one()
    if asking.status != PartnerStatus.ACTIVE:
        raise Rejected("Only an active partner asks for a payout.")
    account = partner_accounts.lock(session, (partner_id, currency))
    known = session.execute(_KNOWN, {"p": partner_id, "key": idempotency_key}).one_or_none()
    if known is not None:
        if (known.currency, known.amount) != (currency, amount):
            raise Conflict("This was sent before, with another amount.")
        return int(known.id)
    if not asking.payout_details:
        raise Rejected("Write down first where payouts go.", field="payout_details")
    available = account.approved - account.reserved - account.paid if account else 0
    local_day = clock.local(now, partner.timezone).date()
    minimum = partner_statements.minimum(session, partner_id=partner_id, currency=currency, on=local_day)
    _check_amount(amount, currency, available=available, minimum=minimum)
    payout_id: int = session.execute(
        insert(PartnerPayout)
        .values(
            partner_id=partner_id,
            operator_id=partner.operator_id,
            currency=currency,
            amount=amount,
            payout_details=asking.payout_details,
            idempotency_key=idempotency_key,
            requested_by=actor.id,
            requested_at=now,
        )
        .returning(PartnerPayout.id)
    ).scalar_one()
    partner_accounts.move(session, {(partner_id, currency): {"reserved": amount}})
    row = session.execute(_LOCK, {"id": payout_id}).one()
    _log(session, actor, "requested", row, now)
    return payout_id


def approve(session: Session, *, payout_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let a payout be paid. Raises NotFound; Rejected for whoever asked for it; Conflict unless requested."""
    row = _lock(session, payout_id, actor, PayoutState.REQUESTED)
    if row.requested_by == actor.id:
        raise Rejected("You asked for this payout: somebody else approves it.")
    session.execute(_APPROVE, {"id": row.id, "who": actor.id, "now": now})
    _log(session, actor, "approved", row, now)


def pay(session: Session, *, payout_id: int, reference: str, actor: Actor, now: dt.datetime) -> None:
    """Write down that a payout was paid, with the payment's reference.

    Statements that are covered now become paid, and their earnings with them. Raises NotFound; Rejected,
    at `reference`, or for whoever asked or approved; Conflict unless it is approved.
    """
    reference = reference.strip()
    if not 1 <= len(reference) <= REFERENCE_MAX:
        raise Rejected(
            f"Enter the reference of the payment, at most {REFERENCE_MAX} characters.", field="reference"
        )
    row = _lock(session, payout_id, actor, PayoutState.APPROVED)
    if actor.id in {row.approved_by, row.requested_by}:
        raise Rejected("You approved this payout: somebody else pays it.")
    _end(session, row, PayoutState.PAID, actor, now, reference=reference)
    partner_accounts.move(
        session, {(row.partner_id, row.currency): {"reserved": -row.amount, "paid": row.amount}}
    )
    scope = {"p": row.partner_id, "c": row.currency, "now": now}
    covered = session.scalars(_COVER, scope).all()
    if covered:
        session.execute(_PAY_EARNINGS, {**scope, "month": max(covered)})
    _log(session, actor, "paid", row, now, reference=reference)


def reject(session: Session, *, payout_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """End a payout without paying it: its amount is available again.

    Raises NotFound; Rejected, at `reason`; Conflict where it has ended.
    """
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(f"Say why, in at most {REASON_MAX} characters.", field="reason")
    row = _lock(session, payout_id, actor, PayoutState.REQUESTED, PayoutState.APPROVED)
    _end(session, row, PayoutState.REJECTED, actor, now, reason=reason)
    partner_accounts.move(session, {(row.partner_id, row.currency): {"reserved": -row.amount}})
    _log(session, actor, "rejected", row, now, reason=reason)


def _check_amount(amount: int, currency: str, *, available: int, minimum: int) -> None:
    if available <= 0:
        raise Rejected(f"There is nothing to be paid in {currency} now.", field="amount")
    if amount <= 0:
        raise Rejected("Enter an amount above zero.", field="amount")
    if amount > available:
        raise Rejected(f"At most {money.show(available, currency)} {currency}.", field="amount")
    if amount < minimum and amount != available:
        least = money.show(min(minimum, available), currency)
        raise Rejected(f"At least {least} {currency}.", field="amount")


def _lock(session: Session, payout_id: int, actor: Actor, *states: PayoutState) -> Row[Any]:
    """A payout in one of these states, its account locked before it."""
    found = session.execute(_FIND, {"id": payout_id}).one_or_none()
    if found is None or not actor.serves(found.operator_id):
        raise NotFound("There is no such payout.")
    if actor.role is None:
        raise Rejected("Payouts are decided by people.")
    partner_accounts.lock(session, (found.partner_id, found.currency))
    row = session.execute(_LOCK, {"id": payout_id}).one()
    if row.state not in states:
        raise Conflict(f"This payout is {row.state}.")
    return row


def _end(
    session: Session,
    row: Row[Any],
    state: PayoutState,
    actor: Actor,
    now: dt.datetime,
    *,
    reference: str | None = None,
    reason: str | None = None,
) -> None:
    session.execute(
        _END,
        {
            "id": row.id,
            "state": state,
            "who": actor.id,
            "now": now,
            "reference": reference,
            "reason": reason,
        },
    )


def _log(session: Session, actor: Actor, word: str, row: Row[Any], now: dt.datetime, **said: str) -> None:
    details: staff_log.Details = {
        "partner": row.partner_id,
        "payout": row.id,
        "currency": row.currency,
        "amount": row.amount,
        **said,
    }
    staff_log.record(
        session, actor, f"partner.payout_{word}", details=details, operator_id=row.operator_id, now=now
    )
