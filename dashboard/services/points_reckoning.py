"""What acts on points come to: which batches they take from, what they give, what they are refused for. Pure.

Each says what `points_journal` is to write, and writes nothing; `points` and `points_replay` do.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypedDict

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.loyalty import LoyaltyStatus
from dashboard.models.points import PointsKind
from dashboard.services import lots, loyalty_tiers, points_journal
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_journal import Making, Moving, Posting
from dashboard.services.points_standing import Batch, Member

REASON_MAX = 500


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
class Price:
    """What a service costs a member. Minor units, and points."""

    price: int
    discount_bp: int
    discount: int
    due: int
    """The price less the discount."""
    most_points: int
    """Which a redemption can pay at most: one for each whole unit that is due."""


class Asked(TypedDict):
    """What an entry says about itself, whatever it moves."""

    notes: str
    actor: Actor
    key: str
    fingerprint: bytes
    now: dt.datetime


def price_of(member: Member, price: int) -> Price:
    """What a service of that price (minor units) costs this member. Pure. Raises Rejected."""
    if not 0 < price <= money.MAX_MINOR:
        raise Rejected("Enter what the service costs.", field="price")
    discount = money.rounded(Fraction(price * member.discount_bp, 10_000))
    due = price - discount
    return Price(
        price, member.discount_bp, discount, due, due // money.from_whole(1, member.programme.currency)
    )


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
