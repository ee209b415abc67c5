"""Partners' accounts, one by currency: locked before whatever moves on them.

Earnings, statements and payouts of a partner and currency change only under the lock of their account, and
settlements take the same locks, in the order of (partner, currency).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.services.actors import Actor

_PARTNER = text("""
SELECT p.id, p.name, p.operator_id, p.status, p.payout_details, o.timezone
FROM partners p JOIN operators o ON o.id = p.operator_id WHERE p.id = :p
""")
_LOCK = text("""
SELECT * FROM partner_accounts WHERE partner_id = :p AND currency = :c FOR NO KEY UPDATE
""")
_LOCK_MANY = text("""
SELECT partner_id, currency FROM partner_accounts
WHERE (partner_id, currency) IN (
  SELECT * FROM unnest(CAST(:partners AS bigint[]), CAST(:currencies AS text[])))
ORDER BY partner_id, currency FOR NO KEY UPDATE
""")
_MOVE = text("""
UPDATE partner_accounts a SET
  total = a.total + d.total, pending = a.pending + d.pending, approved = a.approved + d.approved,
  reserved = a.reserved + d.reserved, paid = a.paid + d.paid
FROM unnest(
  CAST(:partner_id AS bigint[]), CAST(:currency AS text[]), CAST(:total AS bigint[]),
  CAST(:pending AS bigint[]), CAST(:approved AS bigint[]), CAST(:reserved AS bigint[]),
  CAST(:paid AS bigint[])
) AS d(partner_id, currency, total, pending, approved, reserved, paid)
WHERE a.partner_id = d.partner_id AND a.currency = d.currency
""")

Key = tuple[int, str]
"""A partner and a currency."""
FIGURES = ("total", "pending", "approved", "reserved", "paid")


def partner(session: Session, *, partner_id: int, actor: Actor) -> Row[Any]:
    """Who it is, with the operator's zone. Raises NotFound, also for another operator's."""
    row = session.execute(_PARTNER, {"p": partner_id}).one_or_none()
    if row is None or not actor.serves(row.operator_id):
        raise NotFound("There is no such partner.")
    return row


def lock(session: Session, key: Key) -> Row[Any] | None:
    """One account, locked; None where nothing was ever earned in that currency."""
    partner_id, currency = key
    return session.execute(_LOCK, {"p": partner_id, "c": currency}).one_or_none()


def lock_many(session: Session, keys: Iterable[Key]) -> None:
    """Lock accounts in their order."""
    ordered = sorted(set(keys))
    session.execute(
        _LOCK_MANY, {"partners": [key[0] for key in ordered], "currencies": [key[1] for key in ordered]}
    ).all()


def move(session: Session, moved: Mapping[Key, Mapping[str, int]]) -> None:
    """Add to the figures of locked accounts, in minor units, by name; what is not named stays."""
    session.execute(
        _MOVE,
        {
            "partner_id": [partner_id for partner_id, _ in moved],
            "currency": [currency for _, currency in moved],
            **{name: [by.get(name, 0) for by in moved.values()] for name in FIGURES},
        },
    )
