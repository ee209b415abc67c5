"""A loyalty wallet's status: suspending, resuming and closing. Closing pays unused base points back."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict
from dashboard.models.loyalty import LoyaltyStatus, TierChange
from dashboard.models.points import PointsKind
from dashboard.services import member_tiers, points_journal, points_reckoning, points_standing, staff_log
from dashboard.services import points as acts
from dashboard.services.actors import Actor
from dashboard.services.points import Done
from dashboard.services.points_journal import Moving
from dashboard.services.points_reckoning import Asked, Part
from dashboard.services.points_standing import Member


@dataclass(frozen=True, slots=True)
class Closed:
    """What closing did, or would do."""

    done: Done | None
    """None where there were no points: nothing was posted but a loss of the tier."""
    payment_back: int
    """What goes back for unused base points; minor units of the home currency."""
    base_points: int
    """Which that pays for."""
    bonus_points: int
    """Which lapse."""


def suspend(session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let no points be used until they may again. Raises NotFound, Rejected; Conflict unless it is active."""
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    reason = points_reckoning.reasoned(reason)
    if member.status != LoyaltyStatus.ACTIVE:
        raise Conflict(f"The loyalty wallet is {member.status}.")
    _set(session, member, LoyaltyStatus.SUSPENDED, reason=reason, actor=actor, now=now)


def resume(session: Session, *, player_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    """Let points be used again. Raises NotFound, Rejected; Conflict unless it is suspended."""
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    reason = points_reckoning.reasoned(reason)
    if member.status != LoyaltyStatus.SUSPENDED:
        raise Conflict(f"The loyalty wallet is {member.status}.")
    _set(session, member, LoyaltyStatus.ACTIVE, reason=reason, actor=actor, now=now)


def close(
    session: Session,
    *,
    player_id: int,
    reason: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Closed:
    """Close the wallet for good: unused base points are paid back, bonus points lapse, tier and card end.

    What is owed is settled from what there is first. Raises NotFound, Rejected, KeyReused; Conflict when it
    is closed already.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("refund_wallet", player_id, reason)
    if known := acts.recall(session, member, idempotency_key, fingerprint):
        return _closed(known)
    reason = points_reckoning.reasoned(reason)
    if member.status == LoyaltyStatus.CLOSED:
        raise Conflict("The loyalty wallet is closed.")
    entries, member = acts.settle_day(session, member, now)
    before = [*entries]
    before += acts.settle_owed(session, member, [batch.number for batch in member.usable], now)
    member = points_standing.again(session, member)
    asked = Asked(notes=reason, actor=actor, key=idempotency_key, fingerprint=fingerprint, now=now)
    done = _pay_back(session, member, asked)
    after = []
    if member.tier is not None:
        member = points_standing.again(session, member)
        after.append(
            member_tiers.move(
                session,
                member,
                None,
                change=TierChange.MANUAL,
                valid_until=None,
                reason=reason,
                actor=actor,
                now=now,
            )
        )
    session.execute(_END_CARDS, {"p": player_id})
    _set(session, member, LoyaltyStatus.CLOSED, reason=reason, actor=actor, now=now)
    if done is None:
        return Closed(None, 0, 0, 0)
    return _closed(Done(done.entry, parts=done.parts, also=(*before, *after)))


_SET = text("""
UPDATE loyalty_wallets SET status = :status, status_reason = :reason, status_by = :who, status_at = :now,
  updated_at = :now
WHERE player_id = :p
""")
_END_CARDS = text("UPDATE loyalty_cards SET is_active = false WHERE player_id = :p AND is_active")
# Points of a grace were paid for with the batch that they came from first.
_PAID_FOR = text("""
WITH RECURSIVE line AS (
  SELECT number, number AS root, origin FROM points_batches WHERE player_id = :p AND remaining > 0
  UNION ALL
  SELECT l.number, b.number, b.origin FROM line l
  JOIN points_batches b ON b.player_id = :p AND b.number = l.origin
)
SELECT l.number, l.root, b.base_loaded, b.amount_paid, b.amount_refunded
FROM line l JOIN points_batches b ON b.player_id = :p AND b.number = l.root
WHERE l.origin IS NULL
""")


def _set(
    session: Session,
    member: Member,
    status: LoyaltyStatus,
    *,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> None:
    became = "resumed" if status == LoyaltyStatus.ACTIVE else status
    kept = None if status == LoyaltyStatus.ACTIVE else reason
    values = {"p": member.player_id, "status": status, "reason": kept, "who": actor.id or None, "now": now}
    session.execute(_SET, values)
    staff_log.record(
        session,
        actor,
        f"loyalty_wallet.{became}",
        player_id=member.player_id,
        details={"reason": reason},
        operator_id=member.operator_id,
        now=now,
    )


def _pay_back(session: Session, member: Member, asked: Asked) -> Done | None:
    """Take all points: base points are paid back, bonus points lapse. None where there are none."""
    if not member.usable:
        return None
    parts, moving = [], []
    for place, batch in enumerate(member.usable, 1):
        base, bonus = batch.part(batch.remaining)
        parts.append(Part(batch.number, batch.expires_on, base, bonus))
        moving.append(
            Moving(
                player_id=member.player_id,
                number=batch.number,
                place=place,
                base_points=base,
                bonus_points=bonus,
                reversed=base,
                expired=bonus,
            )
        )
    paid_for = session.execute(_PAID_FOR, {"p": member.player_id}).all()
    posting = points_reckoning.posting_of(
        member,
        PointsKind.REFUND_WALLET,
        parts,
        **asked,
        reversed=sum(part.base_points for part in parts),
        expired=sum(part.bonus_points for part in parts),
        payment_amount=worth(parts, paid_for),
    )
    (entry,) = points_journal.append(session, [posting], moving=moving)
    return Done(entry, parts=tuple(parts))


def worth(parts: Sequence[Part], paid_for: Sequence[Row[Any]]) -> int:
    """What the base points of these batches are paid back with: minor units, rounded once, half to even.

    Remaining base × payment ÷ base loaded, and of no payment more than was not given back yet: a part of it
    that was may have been too small to take a point. `paid_for` says by which batch each was paid for. Pure.
    """
    paid = {row.number: row for row in paid_for}
    exact: dict[int, Fraction] = {}
    for part in parts:
        root = paid[part.number]
        value = Fraction(part.base_points * root.amount_paid, root.base_loaded)
        exact[root.root] = exact.get(root.root, Fraction(0)) + value
    left = {row.root: row.amount_paid - row.amount_refunded for row in paid_for}
    return money.rounded(sum((min(value, Fraction(left[root])) for root, value in exact.items()), Fraction()))


def _closed(done: Done) -> Closed:
    entry = done.entry
    return Closed(done, entry.payment_amount or 0, -entry.base_points, -entry.bonus_points)
