"""Giving back: points of a service that is cancelled, and a load whose payment is given back.

Points return to the batches that they were taken from, what was taken last first. Where a batch has expired
meanwhile, the programme says what becomes of them.
"""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import NotFound, Rejected
from dashboard.models.loyalty import RefundPolicy
from dashboard.models.points import PointsKind
from dashboard.services import lots, points_journal, points_reckoning, points_standing
from dashboard.services import points as acts
from dashboard.services.actors import Actor
from dashboard.services.points import Done, Made
from dashboard.services.points_journal import Entry, Making, Moving
from dashboard.services.points_reckoning import Asked, Part
from dashboard.services.points_standing import Batch, Member


@dataclass(frozen=True, slots=True)
class Taken:
    """What an entry took from a batch, and how much of it was given back already. Points."""

    batch: Batch
    """As it stands."""
    points: int
    bonus_points: int
    refunded: int
    is_over: bool
    """The batch's last day is told to be over already, whatever day it is since the operator's clock was
    put back: a day ends once."""

    @property
    def left(self) -> int:
        """What can still be given back."""
        return self.points - self.refunded

    def share(self, points: int) -> tuple[int, int]:
        """The base and the bonus points in the next `points` that are given back of what was taken.

        By what is given back in all: parts of a refund add up to what was taken.
        """
        before = lots.part_of_use(self.refunded, self.bonus_points, self.points)
        bonus = lots.part_of_use(self.refunded + points, self.bonus_points, self.points) - before
        return points - bonus, bonus


@dataclass(frozen=True, slots=True)
class Original:
    """A redemption or a conversion, of which points are given back."""

    sequence: int
    kind: PointsKind
    payment_amount: int | None
    currency: str | None
    wallet_sequence: int | None
    taken: tuple[Taken, ...]
    """What it took last, first."""

    @property
    def points(self) -> int:
        """What it took."""
        return sum(taken.points for taken in self.taken)

    @property
    def left(self) -> int:
        """What can still be given back."""
        return sum(taken.left for taken in self.taken)

    def payment_share(self, points: int) -> int | None:
        """What of the money goes back with the next `points`; minor units, None where there was none.

        The rounded share of all that is given back, less that of what was before: parts add up.
        """
        if self.payment_amount is None:
            return None
        before = self.points - self.left
        return self._payment_of(before + points) - self._payment_of(before)

    def _payment_of(self, points: int) -> int:
        return money.rounded(Fraction((self.payment_amount or 0) * points, self.points))


@dataclass(frozen=True, slots=True)
class _Return:
    """How points come back: what moves, and which batches are new."""

    moving: Sequence[Moving]
    making: Sequence[Making]
    parts: tuple[Part, ...]

    @property
    def graced(self) -> int:
        """Points in new batches."""
        return sum(new.base_loaded + new.bonus_loaded for new in self.making)

    @property
    def base_points(self) -> int:
        """Of all that comes back."""
        return sum(new.base_loaded for new in self.making) - sum(part.base_points for part in self.parts)

    @property
    def bonus_points(self) -> int:
        """Of all that comes back."""
        return sum(new.bonus_loaded for new in self.making) - sum(part.bonus_points for part in self.parts)

    @property
    def prolonged(self) -> list[int]:
        """Numbers of batches that had expired and are valid again."""
        return [move.number for move in self.moving if move.prolonged_to is not None]


def refund_service(
    session: Session,
    *,
    player_id: int,
    sequence: int,
    points: int | None,
    notes: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Done:
    """Give points of the redemption with that sequence back, and the same share of the money paid besides.

    Without `points`, all that is left of it. Raises NotFound, Rejected (closed, no redemption, more than is
    left), KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("refund_service", player_id, sequence, points, notes)
    if known := acts.recall(session, member, idempotency_key, fingerprint):
        return known
    points_reckoning.refuse_closed(member)
    original = original_of(session, member, sequence)
    if original.kind == PointsKind.CONVERT:
        raise Rejected("Points that became money are given back by undoing the conversion.")
    if original.kind != PointsKind.REDEEM:
        raise Rejected("Only a redemption can be refunded.")
    if not original.left:
        raise Rejected("All points of this redemption have been given back already.")
    wanted = original.left if points is None else points
    if wanted < 1:
        raise Rejected("Enter at least one point.", field="points")
    if wanted > original.left:
        raise Rejected(f"Of this redemption {original.left:,} points are left to give back.", field="points")
    before, member = acts.settle_day(session, member, now)
    asked = Asked(
        notes=points_reckoning.reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    # What lapsed just now has changed the batches.
    done = give_back(session, member, original_of(session, member, sequence), wanted, asked)
    return replace(done, also=(*before, *done.also))


def reverse_load(
    session: Session,
    *,
    player_id: int,
    sequence: int,
    amount: int | None,
    notes: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Done:
    """Take back what was loaded for a payment that is given back, whole or in part (`amount`, minor units).

    Of the points, the share of the payment that was given back, rounded half to even: what the batch still
    has is taken, the rest is owed. Without `amount`, all that is left of the payment. Raises NotFound,
    Rejected (closed, no load, more than was paid), KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("reversal", player_id, sequence, amount, notes)
    if known := acts.recall(session, member, idempotency_key, fingerprint):
        return known
    points_reckoning.refuse_closed(member)
    loaded = _loaded_by(session, member, sequence)
    amount = _amount_of_reversal(member, loaded, amount)
    asked = Asked(
        notes=points_reckoning.reasoned(notes, field="notes"),
        actor=actor,
        key=idempotency_key,
        fingerprint=fingerprint,
        now=now,
    )
    before, member = acts.settle_day(session, member, now)
    due = _points_of(loaded, loaded.amount_refunded + amount) - _points_of(loaded, loaded.amount_refunded)
    batch = next((batch for batch in member.open if batch.number == loaded.number), None)
    taken = min(due, batch.remaining) if batch else 0
    base, bonus = batch.part(taken) if batch else (0, 0)
    parts = (Part(loaded.number, loaded.expires_on, base, bonus),) if taken else ()
    posting = points_reckoning.posting_of(
        member,
        PointsKind.REVERSAL,
        parts,
        **asked,
        reversed=taken,
        owed=due - taken,
        amount_paid=-amount,
        payment_amount=amount,
        reverses=sequence,
    )
    move = Moving(
        player_id=player_id,
        number=loaded.number,
        place=1,
        base_points=base,
        bonus_points=bonus,
        reversed=taken,
        owed=due - taken,
        amount_refunded=amount,
    )
    (entry,) = points_journal.append(session, [posting], moving=[move])
    return Done(entry, parts=parts, also=before, tier=member.tier)


def original_of(session: Session, member: Member, sequence: int) -> Original:
    """An entry with what it took, as the batches stand now. Raises NotFound."""
    named = {"p": member.player_id, "s": sequence}
    entry = session.execute(_ENTRY, named).one_or_none()
    if entry is None:
        raise NotFound("There is no such entry.")
    taken = tuple(
        Taken(Batch(*row[4:]), row.points, row.bonus_points, row.refunded, row.is_over)
        for row in session.execute(_TAKEN, named)
    )
    return Original(
        sequence, PointsKind(entry.kind), entry.payment_amount, entry.currency, entry.wallet_sequence, taken
    )


def give_back(session: Session, member: Member, original: Original, points: int, asked: Asked) -> Done:
    """Post that so many points of an entry come back, of which so many must be left.

    The member must be locked and brought to today. Besides the entry: what lapses again at once, and what
    pays the member's debts.
    """
    amounts = lots.take([taken.left for taken in original.taken], points)
    given = [(taken, amount) for taken, amount in zip(original.taken, amounts, strict=True) if amount]
    until = member.today + dt.timedelta(days=member.programme.grace_days)
    back = _returning(member, given, until)
    for number in back.prolonged:
        points_journal.prolong(session, player_id=member.player_id, number=number, expires_on=until)
    posting = points_reckoning.posting_of(
        member,
        PointsKind.REFUND_SERVICE,
        (),
        **asked,
        base_points=back.base_points,
        bonus_points=back.bonus_points,
        loaded=back.graced,
        redeemed=-points,
        reversed=back.graced,
        refunded=points,
        made=len(back.making),
        payment_amount=original.payment_share(points),
        expires_on=until if back.making or back.prolonged else None,
        reverses=original.sequence,
    )
    (entry,) = points_journal.append(session, [posting], back.making, back.moving)
    session.execute(
        _MARK,
        {
            "p": member.player_id,
            "s": original.sequence,
            "numbers": [taken.batch.number for taken, _ in given],
            "amounts": [amount for _, amount in given],
        },
    )
    made = tuple(
        Made(member.batches + new.ordinal, new.expires_on, new.base_loaded, new.bonus_loaded, new.origin)
        for new in back.making
    )
    over = {taken.batch.number for taken, _ in given if taken.is_over}
    also = _lapse_again(session, member, entry, over - set(back.prolonged), asked["now"])
    numbers = [*(part.number for part in back.parts), *(batch.number for batch in made)]
    also += acts.settle_owed(session, member, numbers, asked["now"])
    return Done(entry, parts=back.parts, made=made, also=tuple(also), tier=member.tier)


_ENTRY = text("""
SELECT kind, payment_amount, currency, wallet_sequence FROM loyalty_entries
WHERE player_id = :p AND sequence = :s
""")
_TAKEN = text("""
SELECT a.points, a.bonus_points, a.refunded,
       EXISTS (SELECT FROM loyalty_entries e
               WHERE e.player_id = b.player_id
                 AND e.idempotency_key = 'expiry:' || to_char(b.expires_on, 'YYYY-MM-DD')) AS is_over,
       b.number, b.expires_on, b.base_loaded, b.bonus_loaded, b.remaining, b.amount_paid
FROM points_allocations a
JOIN points_batches b ON b.player_id = a.player_id AND b.number = a.number
WHERE a.player_id = :p AND a.sequence = :s AND a.points > 0 ORDER BY a.place DESC
""")
_MARK = text("""
UPDATE points_allocations a SET refunded = a.refunded + g.amount
FROM unnest(CAST(:numbers AS integer[]), CAST(:amounts AS bigint[])) AS g(number, amount)
WHERE a.player_id = :p AND a.sequence = :s AND a.number = g.number
""")
_LOADED = text("""
SELECT e.kind, b.number, b.expires_on, b.loaded, b.amount_paid, b.amount_refunded
FROM loyalty_entries e
LEFT JOIN points_batches b ON b.player_id = e.player_id AND b.sequence = e.sequence
WHERE e.player_id = :p AND e.sequence = :s
""")


def _returning(member: Member, given: Sequence[tuple[Taken, int]], until: dt.date) -> _Return:
    """How so many points return to each batch, which is valid until then if it has expired, or to new ones.

    Pure.
    """
    moving, parts = [], []
    making: list[Making] = []
    for place, (taken, amount) in enumerate(given, 1):
        batch = taken.batch
        is_over = taken.is_over or batch.expires_on < member.today
        policy = member.programme.refund_policy if is_over else None
        move = Moving(player_id=member.player_id, number=batch.number, place=place, redeemed=-amount)
        if policy == RefundPolicy.GRACE:
            base, bonus = taken.share(amount)
            moving.append(replace(move, reversed=amount))
            making.append(
                Making(
                    player_id=member.player_id,
                    ordinal=len(making) + 1,
                    origin=batch.number,
                    loaded_on=member.today,
                    expires_on=until,
                    base_loaded=base,
                    bonus_loaded=bonus,
                )
            )
            continue
        prolonged_to = until if policy == RefundPolicy.EXTEND else None
        base, bonus = batch.part(-amount)
        moving.append(replace(move, base_points=base, bonus_points=bonus, prolonged_to=prolonged_to))
        parts.append(Part(batch.number, prolonged_to or batch.expires_on, base, bonus))
    return _Return(moving, making, tuple(parts))


def _lapse_again(
    session: Session, member: Member, refund: Entry, over: Collection[int], now: dt.datetime
) -> list[Entry]:
    """Let what has just come back to expired batches lapse, by an entry of its own."""
    member = points_standing.again(session, member)
    due = [
        (batch, batch.remaining)
        for batch in member.open
        if batch.number in over or batch.expires_on < member.today
    ]
    if not due:
        return []
    moving, parts = points_reckoning.moves_of(member.player_id, due, "expired")
    notes = points_reckoning.expiry_notes([part.number for part in parts])
    asked = points_reckoning.asked_by_nobody(f"lapse:{refund.sequence}", notes, now)
    expired = sum(amount for _, amount in due)
    posting = points_reckoning.posting_of(member, PointsKind.EXPIRE, parts, **asked, expired=expired)
    return points_journal.append(session, [posting], moving=moving)


def _loaded_by(session: Session, member: Member, sequence: int) -> Row[Any]:
    """The batch of a load. Raises NotFound; Rejected for an entry of another kind."""
    row = session.execute(_LOADED, {"p": member.player_id, "s": sequence}).first()
    if row is None:
        raise NotFound("There is no such entry.")
    if row.kind != PointsKind.LOAD:
        raise Rejected("Only a load has a payment that can be given back.")
    return row


def _amount_of_reversal(member: Member, loaded: Row[Any], amount: int | None) -> int:
    """How much of the payment is given back. Raises Rejected."""
    left: int = loaded.amount_paid - loaded.amount_refunded
    currency = member.programme.currency
    if not left:
        raise Rejected("All of this payment has been given back already.")
    if amount is None:
        return left
    if amount < 1:
        raise Rejected("Enter how much of the payment is given back.", field="amount")
    if amount > left:
        raise Rejected(
            f"Of this payment {money.show(left, currency)} {currency} are left to give back.", field="amount"
        )
    return amount


def _points_of(loaded: Row[Any], amount: int) -> int:
    """How many of the points go with so much of the payment."""
    return money.rounded(Fraction(loaded.loaded * amount, loaded.amount_paid))
