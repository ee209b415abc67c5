"""Whether earnings stand: approved when their hold is over, or by hand; or rejected, with a reason.

Only a pending earning is decided, and once. An approved one waits for its month's statement; a rejected
one leaves the account's total and the shown figures as if it had never been.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.services import partner_accounts, partner_earnings, staff_log
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.partner_accounts import Key
from dashboard.services.partner_earnings import Period, Sums
from dashboard.services.partner_terms import NOTHING, Shown

REASON_MAX = 500

_DUE = text("""
SELECT DISTINCT partner_id, currency FROM (
  SELECT partner_id, currency FROM partner_shown_earnings
  WHERE state = 'pending' AND approve_at <= :now ORDER BY approve_at LIMIT :limit
) AS due
""")
_APPROVE_DUE = text("""
UPDATE partner_shown_earnings SET state = 'approved', decided_by = :who, decided_at = :now
WHERE id IN (
  SELECT id FROM partner_shown_earnings
  WHERE state = 'pending' AND approve_at <= :now AND (partner_id, currency) IN (
    SELECT * FROM unnest(CAST(:partners AS bigint[]), CAST(:currencies AS text[])))
  ORDER BY approve_at LIMIT :limit
) AND state = 'pending'
RETURNING partner_id, currency, earned
""")
_PENDING = text("""
SELECT DISTINCT currency FROM partner_shown_earnings
WHERE partner_id = :p AND state = 'pending' AND statement_id IS NULL
  AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids))
""")
_APPROVE = text("""
UPDATE partner_shown_earnings SET state = 'approved', decided_by = :who, decided_at = :now
WHERE partner_id = :p AND currency = ANY(:currencies) AND state = 'pending' AND statement_id IS NULL
  AND (CAST(:ids AS bigint[]) IS NULL OR id = ANY(:ids))
RETURNING partner_id, currency, earned
""")
_REJECT = text("""
UPDATE partner_shown_earnings SET state = 'rejected', decided_by = :who, decided_at = :now, reason = :reason
WHERE partner_id = :p AND currency = ANY(:currencies) AND state = 'pending' AND id = ANY(:ids)
RETURNING id, partner_id, currency, game_id, day, bets, payouts, profit, earned
""")
# A later version of the same round says what is different from it, and would stand without it.
_CORRECTED_SINCE = text("""
SELECT min(s.round_number) FROM partner_game_earnings g
JOIN partner_game_earnings later
  ON later.round_id = g.round_id AND later.partner_id = g.partner_id AND later.contract_id = g.contract_id
 AND later.settlement_version > g.settlement_version
JOIN partner_shown_earnings s ON s.id = later.id
WHERE g.id = ANY(:ids) AND s.state <> 'rejected'
""")


def approve_due(session: Session, *, now: dt.datetime, limit: int = 10_000) -> int:
    """Approve what the hold has kept long enough, of all partners, the longest kept first.

    For a job, again until it returns 0; of two at once each earning is approved by one.
    """
    keys = [(row.partner_id, row.currency) for row in session.execute(_DUE, {"now": now, "limit": limit})]
    if not keys:
        return 0
    partner_accounts.lock_many(session, keys)
    approved = session.execute(
        _APPROVE_DUE,
        {
            "who": SYSTEM.reference,
            "now": now,
            "partners": [partner_id for partner_id, _ in keys],
            "currencies": [currency for _, currency in keys],
            "limit": limit,
        },
    ).all()
    _take_from(session, approved, "pending")
    return len(approved)


def approve(
    session: Session,
    *,
    partner_id: int,
    earning_ids: Sequence[int] | None,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Approve those of these earnings that are pending, before their hold is over; returns how many.

    None stands for all that the partner has. Raises NotFound; Conflict where none of them is pending.
    """
    partner = partner_accounts.partner(session, partner_id=partner_id, actor=actor)
    scope = _lock(session, partner_id, earning_ids)
    approved = session.execute(_APPROVE, {**scope, "who": actor.reference, "now": now}).all()
    if not approved:
        raise Conflict("None of these earnings is pending any more.")
    _take_from(session, approved, "pending")
    details = {"partner": partner_id, "earnings": len(approved)}
    staff_log.record(
        session,
        actor,
        "partner.earnings_approved",
        details=details,
        operator_id=partner.operator_id,
        now=now,
    )
    return len(approved)


def reject(
    session: Session,
    *,
    partner_id: int,
    earning_ids: Sequence[int],
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> int:
    """Reject those of these earnings that are pending; returns how many.

    The account's total, what is pending and the shown periods fall by them; how many rounds and players
    there were stays. Raises NotFound; Rejected, at `reason`, and where a correction would stand without
    what it corrects; Conflict where none of them is pending.
    """
    partner = partner_accounts.partner(session, partner_id=partner_id, actor=actor)
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise Rejected(f"Say why, in at most {REASON_MAX} characters.", field="reason")
    scope = _lock(session, partner_id, earning_ids)
    rejected = session.execute(_REJECT, {**scope, "who": actor.reference, "now": now, "reason": reason}).all()
    if not rejected:
        raise Conflict("None of these earnings is pending any more.")
    round_number = session.scalar(_CORRECTED_SINCE, {"ids": [row.id for row in rejected]})
    if round_number is not None:
        raise Rejected(f"Round {round_number} was corrected since: reject its correction with it.")
    _take_from(session, rejected, "total", "pending")
    _take_from_periods(session, rejected)
    details: staff_log.Details = {"partner": partner_id, "earnings": len(rejected), "reason": reason}
    staff_log.record(
        session,
        actor,
        "partner.earnings_rejected",
        details=details,
        operator_id=partner.operator_id,
        now=now,
    )
    return len(rejected)


def _lock(session: Session, partner_id: int, earning_ids: Sequence[int] | None) -> dict[str, Any]:
    """Lock the accounts on which these earnings are pending; what the statements ask by."""
    ids = None if earning_ids is None else list(earning_ids)
    currencies = session.scalars(_PENDING, {"p": partner_id, "ids": ids}).all()
    partner_accounts.lock_many(session, [(partner_id, currency) for currency in currencies])
    return {"p": partner_id, "ids": ids, "currencies": list(currencies)}


def _take_from(session: Session, earnings: Iterable[Row[Any]], *figures: str) -> None:
    sums: dict[Key, int] = {}
    for row in earnings:
        key = (row.partner_id, row.currency)
        sums[key] = sums.get(key, 0) + row.earned
    partner_accounts.move(session, {key: dict.fromkeys(figures, -earned) for key, earned in sums.items()})


def _take_from_periods(session: Session, earnings: Iterable[Row[Any]]) -> None:
    taken: dict[str, dict[tuple[int, Period], Sums]] = {}
    for row in earnings:
        shown = NOTHING.minus(Shown(row.bets, row.payouts, row.profit, row.earned))
        of_currency = taken.setdefault(row.currency, {})
        for period in Period.of(row.day, row.game_id):
            key = (row.partner_id, period)
            of_currency[key] = of_currency.get(key, Sums()).plus(shown, is_named=True)
    for currency, added in taken.items():
        partner_earnings.add_to_periods(session, currency=currency, added=added)
