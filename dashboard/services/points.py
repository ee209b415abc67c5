"""Points that members load, redeem, and are given or lose by adjustment: the one door for each.

An act locks the member, lets lapse what has expired, judges, and posts; of two with the same key the second
is told what the first did. `rehearse` does the same and takes it back: a preview is what would be posted.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypedDict, TypeVar

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.loyalty import LoyaltyStatus, PointsKind
from dashboard.services import lots, loyalty_tiers, member_tiers, points_journal, points_standing
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import KeyReused
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_journal import Entry, Making, Moving, Posting
from dashboard.services.points_standing import Batch, Member

REASON_MAX = 500
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Payment:
    """What was paid for points, elsewhere. The amount in minor units of the home currency."""

    amount: int
    reference: str | None = None
    mode: str | None = None
    invoice: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What an entry took from one batch, or put back into it (negative), in points."""

    number: int
    expires_on: dt.date
    base_points: int
    bonus_points: int

    @property
    def points(self) -> int:
        """Both together."""
        return self.base_points + self.bonus_points


@dataclass(frozen=True, slots=True)
class Made:
    """A batch that an entry loaded, in points."""

    number: int
    expires_on: dt.date
    base_loaded: int
    bonus_loaded: int
    origin: int | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a service costs a member. Minor units, and points."""

    price: int
    discount_bp: int
    discount: int
    due: int
    """The price less the discount."""
    most_points: int
    """Which a redemption can pay at most: one for each whole unit that is due."""


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


class Asked(TypedDict):
    """What an entry says about itself, whatever it moves."""

    notes: str
    actor: Actor
    key: str
    fingerprint: bytes
    now: dt.datetime


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
    fingerprint = fingerprint_of(
        "load", player_id, payment.amount, payment.reference, payment.mode, payment.invoice, notes
    )
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    refuse_closed(member)
    refuse_payment(payment, member.programme.currency)
    before, member = settle_day(session, member, now)
    asked = Asked(
        notes=reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    posting, batch, tier = loading(member, payment, asked)
    (entry,) = points_journal.append(session, [posting], [batch])
    also = [*before]
    if tier is not None and (member.tier is None or tier.id != member.tier.id):
        also.append(member_tiers.reach(session, member, tier, because=entry, actor=actor, now=now))
    also += settle_owed(session, member, [member.batches + 1], now)
    return Done(entry, made=(_made(batch, member),), also=tuple(also), tier=tier or member.tier)


def price_of(member: Member, price: int) -> Price:
    """What a service of that price (minor units) costs this member. Pure. Raises Rejected."""
    if not 0 < price <= money.MAX_MINOR:
        raise Rejected("Enter what the service costs.", field="price")
    discount = money.rounded(Fraction(price * member.discount_bp, 10_000))
    due = price - discount
    return Price(
        price, member.discount_bp, discount, due, due // money.from_whole(1, member.programme.currency)
    )


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
    fingerprint = fingerprint_of("redeem", player_id, points, price, invoice, notes)
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    refuse_inactive(member)
    before, member = settle_day(session, member, now)
    asked = Asked(
        notes=reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    posting, moving, parts, priced = redeeming(member, points, asked, price=price, invoice=invoice)
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
    fingerprint = fingerprint_of("adjustment", player_id, points, reason)
    if known := recall(session, member, idempotency_key, fingerprint):
        return known
    refuse_closed(member)
    if points == 0 or abs(points) > money.MAX_MINOR:
        raise Rejected("Enter how many points to add or to take.", field="points")
    before, member = settle_day(session, member, now)
    asked = Asked(notes=reasoned(reason), actor=actor, key=idempotency_key, fingerprint=fingerprint, now=now)
    if points > 0:
        posting, batch = giving(member, points, asked)
        (entry,) = points_journal.append(session, [posting], [batch])
        return Done(entry, made=(_made(batch, member),), also=before, tier=member.tier)
    posting, moving, parts = removing(member, -points, asked)
    (entry,) = points_journal.append(session, [posting], moving=moving)
    return Done(entry, parts=parts, also=before, tier=member.tier)


def loading(member: Member, payment: Payment, asked: Asked) -> tuple[Posting, Making, Tier | None]:
    """The entry and the batch that a payment loads, and the tier by which. Pure."""
    currency = member.programme.currency
    tier = loyalty_tiers.reached(member.tiers, payment.amount, present=member.tier)
    base = loyalty_tiers.base_points(payment.amount, currency)
    bonus = loyalty_tiers.bonus_points(base, tier, currency)
    months = tier.validity_months if tier else loyalty_tiers.DEFAULT_MONTHS
    expires_on = loyalty_tiers.months_later(member.today, months)
    posting = posting_of(
        member,
        PointsKind.LOAD,
        (),
        **asked,
        base_points=base,
        bonus_points=bonus,
        invoice=payment.invoice,
        payment=payment.reference,
        payment_mode=payment.mode,
        payment_amount=payment.amount,
        tier_id=tier.id if tier else None,
        expires_on=expires_on,
        loaded=base + bonus,
        amount_paid=payment.amount,
        made=1,
    )
    batch = Making(
        player_id=member.player_id,
        ordinal=1,
        loaded_on=member.today,
        expires_on=expires_on,
        base_loaded=base,
        bonus_loaded=bonus,
        amount_paid=payment.amount,
    )
    return posting, batch, tier


def redeeming(
    member: Member, points: int | None, asked: Asked, *, price: int | None = None, invoice: str | None = None
) -> tuple[Posting, list[Moving], tuple[Part, ...], Price | None]:
    """The entry and the moves that use points, and the price of the service. Pure. Raises Rejected."""
    priced = None if price is None else price_of(member, price)
    wanted = _wanted(member, points, priced)
    moving, parts = take(member, wanted, "redeemed")
    unit = money.from_whole(1, member.programme.currency)
    posting = posting_of(
        member,
        PointsKind.REDEEM,
        parts,
        **asked,
        redeemed=wanted,
        invoice=invoice,
        payment_amount=None if priced is None else priced.due - wanted * unit,
        price=price,
        discount_bp=None if priced is None else priced.discount_bp,
    )
    return posting, moving, parts, priced


def giving(member: Member, points: int, asked: Asked) -> tuple[Posting, Making]:
    """The entry and the batch of points for which nothing was paid. Pure."""
    months = member.tier.validity_months if member.tier else loyalty_tiers.DEFAULT_MONTHS
    batch = Making(
        player_id=member.player_id,
        ordinal=1,
        loaded_on=member.today,
        expires_on=loyalty_tiers.months_later(member.today, months),
        base_loaded=points,
        bonus_loaded=0,
    )
    posting = posting_of(
        member,
        PointsKind.ADJUSTMENT,
        (),
        **asked,
        base_points=points,
        expires_on=batch.expires_on,
        loaded=points,
        made=1,
    )
    return posting, batch


def removing(member: Member, points: int, asked: Asked) -> tuple[Posting, list[Moving], tuple[Part, ...]]:
    """The entry and the moves that take points away. Pure. Raises Rejected where there are fewer."""
    moving, parts = take(member, points, "reversed")
    return posting_of(member, PointsKind.ADJUSTMENT, parts, **asked, reversed=points), moving, parts


def lapsing(member: Member, now: dt.datetime) -> Iterator[tuple[Posting, list[Moving]]]:
    """An entry and its moves for each day on which points expired that nobody has let lapse yet. Pure."""
    for day in sorted({batch.expires_on for batch in member.lapsed}):
        due = [(batch, batch.remaining) for batch in member.lapsed if batch.expires_on == day]
        moving, parts = moves_of(member.player_id, due, "expired")
        asked = asked_by_nobody(expiry_key(day), expiry_notes([part.number for part in parts]), now)
        yield (
            posting_of(member, PointsKind.EXPIRE, parts, **asked, expired=sum(amount for _, amount in due)),
            moving,
        )


def take(member: Member, points: int, into: str) -> tuple[list[Moving], tuple[Part, ...]]:
    """The moves that take so many points, soonest expiry first, into `redeemed`, `expired` or `reversed`.

    Pure. Raises Rejected where the member has fewer.
    """
    usable = member.usable
    has = sum(batch.remaining for batch in usable)
    if points > has:
        raise Rejected(f"There are {has:,} points, and not {points:,}.", field="points")
    amounts = lots.take([batch.remaining for batch in usable], points)
    used = [(batch, amount) for batch, amount in zip(usable, amounts, strict=True) if amount]
    return moves_of(member.player_id, used, into)


def moves_of(
    player_id: int, used: Sequence[tuple[Batch, int]], into: str
) -> tuple[list[Moving], tuple[Part, ...]]:
    """The moves that take from each batch so many points. Pure."""
    moving, parts = [], []
    for place, (batch, amount) in enumerate(used, 1):
        base, bonus = batch.part(amount)
        taken: dict[str, Any] = {"base_points": base, "bonus_points": bonus, into: amount}
        moving.append(Moving(player_id=player_id, number=batch.number, place=place, **taken))
        parts.append(Part(batch.number, batch.expires_on, base, bonus))
    return moving, tuple(parts)


def posting_of(
    member: Member,
    kind: PointsKind,
    parts: Sequence[Part],
    *,
    notes: str,
    actor: Actor,
    key: str,
    fingerprint: bytes,
    now: dt.datetime,
    **columns: Any,
) -> Posting:
    """The posting of an entry that takes `parts`; `columns` are others of Posting."""
    taken = {
        "base_points": -sum(part.base_points for part in parts),
        "bonus_points": -sum(part.bonus_points for part in parts),
    }
    if not parts:
        taken = {"base_points": 0, "bonus_points": 0}
    return Posting(
        player_id=member.player_id,
        kind=kind,
        notes=notes,
        performed_by=actor.reference,
        idempotency_key=key,
        fingerprint=fingerprint,
        created_at=now,
        **{**taken, **columns},
    )


def asked_by_nobody(key: str, notes: str, now: dt.datetime) -> Asked:
    """What an entry says that comes by itself."""
    return Asked(
        notes=notes, actor=SYSTEM, key=key, fingerprint=points_journal.fingerprint_of_key(key), now=now
    )


def settle_day(session: Session, member: Member, now: dt.datetime) -> tuple[tuple[Entry, ...], Member]:
    """Bring a member to today: points that have expired lapse, a tier that has ended is renewed or lost.

    One entry of each day on which points expired. The entries, and the member afterwards.
    """
    entries: list[Entry] = []
    for posting, moving in lapsing(member, now):
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
        moving, parts = moves_of(member.player_id, used, "reversed")
        moving = _with_debt(moving, member.player_id, debt.number, -pays)
        asked = asked_by_nobody(
            f"owed:{member.version}:{debt.number}",
            f"Owed since the payment of batch {debt.number} was given back",
            now,
        )
        posting = posting_of(
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


def refuse_closed(member: Member) -> None:
    """Raise Rejected for a closed wallet."""
    if member.status == LoyaltyStatus.CLOSED:
        raise Rejected("The loyalty wallet is closed.")


def refuse_payment(payment: Payment, currency: str) -> None:
    """Raise Rejected for a payment that gives no point, or is out of range."""
    if loyalty_tiers.base_points(payment.amount, currency) < 1 or payment.amount > money.MAX_MINOR:
        least = money.show(money.from_whole(1, currency), currency)
        raise Rejected(f"Points are loaded for payments from {least} {currency} on.", field="payment_amount")


def refuse_inactive(member: Member) -> None:
    """Raise Rejected for a wallet that may not spend."""
    if member.status != LoyaltyStatus.ACTIVE:
        raise Rejected(f"The loyalty wallet is {member.status}: its points cannot be used.")


def reasoned(reason: str, *, field: str = "reason") -> str:
    """The reason without blanks around it. Raises Rejected without one, or where it is too long."""
    reason = reason.strip()
    if not reason:
        raise Rejected("Say why.", field=field)
    if len(reason) > REASON_MAX:
        raise Rejected(f"At most {REASON_MAX} characters.", field=field)
    return reason


def expiry_key(day: dt.date) -> str:
    """The key of the entry of what expired at the end of that day: each day once."""
    return f"expiry:{day.isoformat()}"


def expiry_notes(numbers: Sequence[int]) -> str:
    """What such an entry says."""
    named = ", ".join(map(str, numbers))
    text_of = (
        f"Not used in time: batch {named}" if len(numbers) == 1 else f"Not used in time: batches {named}"
    )
    return text_of if len(text_of) <= REASON_MAX else f"Not used in time: {len(numbers)} batches"


def fingerprint_of(*asked: object) -> bytes:
    """SHA-256 over all that was asked for; the same key must come with the same one."""
    return hashlib.sha256(json.dumps(["points", *asked]).encode()).digest()


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


def _wanted(member: Member, points: int | None, priced: Price | None) -> int:
    has = sum(batch.remaining for batch in member.usable)
    if points is None:
        if priced is None:
            raise Rejected("Enter how many points.", field="points")
        points = min(priced.most_points, has)
        if not points:
            raise Rejected("There are no points to pay with.", field="points")
    if points < 1:
        raise Rejected("Enter at least one point.", field="points")
    if priced is not None and points > priced.most_points:
        raise Rejected(f"The service costs {priced.most_points:,} points at most.", field="points")
    return points


def _with_debt(moving: list[Moving], player_id: int, number: int, owed: int) -> list[Moving]:
    """The moves, with a change of what is owed for a batch: in its own move, or in one of its own."""
    if any(move.number == number for move in moving):
        return [replace(move, owed=owed) if move.number == number else move for move in moving]
    return [*moving, Moving(player_id=player_id, number=number, place=len(moving) + 1, owed=owed)]


def _made(batch: Making, member: Member) -> Made:
    return Made(member.batches + batch.ordinal, batch.expires_on, batch.base_loaded, batch.bonus_loaded)
