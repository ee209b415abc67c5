"""Points that members load, redeem, and are given or lose by adjustment: the one door for each.

An act locks the member, lets lapse what has expired, judges, and posts; of two with the same key the second
is told what the first did. `rehearse` does the same and takes it back: a preview is what would be posted.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.points import PointsKind
from dashboard.services import lots, member_tiers, points_journal, points_reckoning, points_standing
from dashboard.services.actors import Actor
from dashboard.services.changes import KeyReused
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_journal import Entry, Making, Moving
from dashboard.services.points_reckoning import Asked, Part, Payment, Price
from dashboard.services.points_standing import Member

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Made:
    """A batch that an entry loaded, in points."""

    number: int
    expires_on: dt.date
    base_loaded: int
    bonus_loaded: int
    origin: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What an act did, or would do."""

    entry: Entry
    parts: tuple[Part, ...] = ()
    made: tuple[Made, ...] = ()
    also: tuple[Entry, ...] = ()
    """Entries that came with it: what lapsed before it, a change of tier, points that were owed."""
    tier: Tier | None = None
    """The member's afterwards."""
    price: Price | None = None
    repeated: bool = False

    @property
    def balance(self) -> int:
        """The member's points after all of it."""
        return max((self.entry, *self.also), key=lambda entry: entry.sequence).balance_after


def rehearse(session: Session, act: Callable[[Session], T]) -> T:
    """What the act would do, with nothing of it kept. Raises what it would raise."""
    attempt = session.begin_nested()
    try:
        return act(session)
    finally:
        attempt.rollback()


def load(
    session: Session,
    *,
    player_id: int,
    payment: Payment,
    notes: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Done:
    """Load points for a payment: one batch, and the tier that it reaches. Makes the wallet if need be.

    Raises NotFound, Rejected (a closed wallet, a payment that gives no points), KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now, enrol=True)
    fingerprint = points_reckoning.fingerprint_of(
        "load", player_id, payment.amount, payment.reference, payment.mode, payment.invoice, notes
    )
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    points_reckoning.refuse_closed(member)
    points_reckoning.refuse_payment(payment, member.programme.currency)
    before, member = settle_day(session, member, now)
    asked = Asked(
        notes=points_reckoning.reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    posting, batch, tier = points_reckoning.loading(member, payment, asked)
    (entry,) = points_journal.append(session, [posting], [batch])
    also = [*before]
    if tier is not None and (member.tier is None or tier.id != member.tier.id):
        also.append(member_tiers.reach(session, member, tier, because=entry, actor=actor, now=now))
    also += settle_owed(session, member, [member.batches + 1], now)
    return Done(entry, made=(_made(batch, member),), also=tuple(also), tier=tier or member.tier)


def redeem(
    session: Session,
    *,
    player_id: int,
    points: int | None,
    notes: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
    price: int | None = None,
    invoice: str | None = None,
) -> Done:
    """Use points, soonest expiry first: for a service of a price, less the discount, or for itself.

    A point pays one whole unit. Without `points`, as many as the service takes or there are.
    Raises NotFound, Rejected (not active, too few points, more than it costs), KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("redeem", player_id, points, price, invoice, notes)
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    points_reckoning.refuse_inactive(member)
    before, member = settle_day(session, member, now)
    asked = Asked(
        notes=points_reckoning.reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    posting, moving, parts, priced = points_reckoning.redeeming(
        member, points, asked, price=price, invoice=invoice
    )
    (entry,) = points_journal.append(session, [posting], moving=moving)
    return Done(entry, parts=parts, also=before, tier=member.tier, price=priced)


def adjust(
    session: Session,
    *,
    player_id: int,
    points: int,
    reason: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Done:
    """Give points (a batch as of a load, for which nothing was paid) or take them, soonest expiry first.

    Who decides about large ones stands in `points_requests`. Makes the wallet if need be. Raises NotFound,
    Rejected (closed, nothing, more than there is), KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now, enrol=points > 0)
    fingerprint = points_reckoning.fingerprint_of("adjustment", player_id, points, reason)
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    points_reckoning.refuse_closed(member)
    if points == 0 or abs(points) > money.MAX_MINOR:
        raise Rejected("Enter how many points to add or to take.", field="points")
    before, member = settle_day(session, member, now)
    asked = Asked(
        notes=points_reckoning.reasoned(reason),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    if points > 0:
        posting, batch = points_reckoning.giving(member, points, asked)
        (entry,) = points_journal.append(session, [posting], [batch])
        return Done(entry, made=(_made(batch, member),), also=before, tier=member.tier)
    posting, moving, parts = points_reckoning.removing(member, -points, asked)
    (entry,) = points_journal.append(session, [posting], moving=moving)
    return Done(entry, parts=parts, also=before, tier=member.tier)


def settle_day(session: Session, member: Member, now: dt.datetime) -> tuple[tuple[Entry, ...], Member]:
    """Bring a member to today: points that have expired lapse, a tier that has ended is renewed or lost.

    One entry of each day on which points expired. The entries, and the member afterwards.
    """
    entries: list[Entry] = []
    for posting, moving in points_reckoning.lapsing(member, now):
        entries += points_journal.append(session, [posting], moving=moving)
    if entries:
        member = points_standing.again(session, member)
    if member.tier_valid_until is not None and member.tier_valid_until < member.today:
        entries += member_tiers.review(session, member, now=now)
        member = points_standing.again(session, member)
    return tuple(entries), member


def settle_owed(session: Session, member: Member, numbers: Sequence[int], now: dt.datetime) -> list[Entry]:
    """Let points that came into these batches pay what the member owes, the oldest debt first."""
    if not member.owed:
        return []
    entries: list[Entry] = []
    for debt in session.execute(_OWED, {"p": member.player_id}).all():
        member = points_standing.again(session, member)
        batches = [batch for batch in member.usable if batch.number in numbers]
        pays = min(debt.owed, sum(batch.remaining for batch in batches))
        if not pays:
            break
        amounts = lots.take([batch.remaining for batch in batches], pays)
        used = [(batch, amount) for batch, amount in zip(batches, amounts, strict=True) if amount]
        moving, parts = points_reckoning.moves_of(member.player_id, used, "reversed")
        moving = _with_debt(moving, member.player_id, debt.number, -pays)
        asked = points_reckoning.asked_by_nobody(
            f"owed:{member.version}:{debt.number}",
            f"Owed since the payment of batch {debt.number} was given back",
            now,
        )
        posting = points_reckoning.posting_of(
            member, PointsKind.REVERSAL, parts, **asked, reversed=pays, owed=-pays, reverses=debt.sequence
        )
        entries += points_journal.append(session, [posting], moving=moving)
    return entries


def recall(session: Session, member: Member, key: str, fingerprint: bytes) -> Done | None:
    """What an earlier act with the same key did; None where there was none. Raises KeyReused."""
    row = session.execute(_KNOWN, {"p": member.player_id, "key": key}).one_or_none()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise KeyReused(None)
    named = {"p": member.player_id, "s": row.sequence}
    parts = tuple(Part(*part) for part in session.execute(_PARTS, named))
    made = tuple(Made(*batch) for batch in session.execute(_MADE, named))
    return Done(Entry(*row[1:]), parts=parts, made=made, tier=member.tier, repeated=True)


_KNOWN = text("""
SELECT fingerprint, player_id, sequence, kind, base_points, bonus_points, balance_after, payment_amount,
       notes, created_at
FROM loyalty_entries WHERE player_id = :p AND idempotency_key = :key
""")
_PARTS = text("""
SELECT a.number, b.expires_on, a.base_points, a.bonus_points
FROM points_allocations a
JOIN points_batches b ON b.player_id = a.player_id AND b.number = a.number
WHERE a.player_id = :p AND a.sequence = :s ORDER BY a.place
""")
_MADE = text("""
SELECT number, expires_on, base_loaded, bonus_loaded, origin FROM points_batches
WHERE player_id = :p AND sequence = :s ORDER BY number
""")
_OWED = text("""
SELECT number, sequence, owed FROM points_batches WHERE player_id = :p AND owed > 0 ORDER BY number
""")


def _with_debt(moving: list[Moving], player_id: int, number: int, owed: int) -> list[Moving]:
    """The moves, with a change of what is owed for a batch: in its own move, or in one of its own."""
    if any(move.number == number for move in moving):
        return [replace(move, owed=owed) if move.number == number else move for move in moving]
    return [*moving, Moving(player_id=player_id, number=number, place=len(moving) + 1, owed=owed)]


def _made(batch: Making, member: Member) -> Made:
    return Made(member.batches + batch.ordinal, batch.expires_on, batch.base_loaded, batch.bonus_loaded)
