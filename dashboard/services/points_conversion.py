"""Points that become real money, and that undone: both journals in one transaction, each naming the other.

The loyalty wallet is locked first, then the balance. Nothing else posts a points_conversion, and nothing
else undoes one.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Rejected
from dashboard.models.points import PointsKind
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, points_journal, points_reckoning, points_refunds, points_standing
from dashboard.services import points as acts
from dashboard.services.actors import Actor
from dashboard.services.changes import BalanceChange, Request
from dashboard.services.points import Done
from dashboard.services.points_journal import Posting
from dashboard.services.points_reckoning import Asked, Part
from dashboard.services.points_standing import Member


@dataclass(frozen=True, slots=True)
class Converted:
    """What happened in the two journals, or would happen."""

    done: Done
    change: BalanceChange


def convert(
    session: Session,
    *,
    player_id: int,
    points: int,
    reason: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Converted:
    """Use points, soonest expiry first, and credit what they are worth to the home balance.

    Only whole multiples of the programme's points, so that nothing is rounded. Raises NotFound, Rejected
    (not active, no rate, no multiple, too few points), ChangeRefused as the balance's rules say, KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("convert", player_id, points, reason)
    asked = Asked(notes=reason.strip(), actor=actor, key=idempotency_key, fingerprint=fingerprint, now=now)
    if known := acts.recall(session, member, idempotency_key, fingerprint):
        return Converted(known, _credit(session, member, -known.entry.points, _amount(known), asked))
    points_reckoning.refuse_inactive(member)
    points_reckoning.reasoned(reason)
    amount = worth(member, points)
    before, member = acts.settle_day(session, member, now)
    moving, parts = points_reckoning.take(member, points, "redeemed")
    change = _credit(session, member, points, amount, asked)
    posting = posting_of(member, parts, asked, wallet_sequence=change.entry.sequence)
    (entry,) = points_journal.append(session, [posting], moving=moving)
    return Converted(Done(entry, parts=parts, also=before, tier=member.tier), change)


def undo(
    session: Session,
    *,
    player_id: int,
    sequence: int,
    reason: str,
    idempotency_key: str,
    actor: Actor,
    now: dt.datetime,
) -> Converted:
    """Take the money of a conversion back and give its points back, the whole of both.

    The money is taken even where that leaves the player owing, as by every reversal; the points return as
    those of a cancelled service do. Raises NotFound, Rejected (closed, no conversion, undone already),
    KeyReused.
    """
    member = points_standing.lock(session, player_id=player_id, actor=actor, now=now)
    fingerprint = points_reckoning.fingerprint_of("undo_conversion", player_id, sequence, reason)
    asked = Asked(notes=reason.strip(), actor=actor, key=idempotency_key, fingerprint=fingerprint, now=now)
    if known := acts.recall(session, member, idempotency_key, fingerprint):
        return Converted(known, _take_back(session, member, sequence, known.entry.sequence, asked))
    points_reckoning.refuse_closed(member)
    points_reckoning.reasoned(reason)
    original = points_refunds.original_of(session, member, sequence)
    if original.kind != PointsKind.CONVERT:
        raise Rejected("This entry is no conversion.")
    if not original.left:
        raise Rejected("This conversion has been undone already.")
    before, member = acts.settle_day(session, member, now)
    change = _take_back(session, member, sequence, member.version + 1, asked)
    # What lapsed just now has changed the batches.
    original = points_refunds.original_of(session, member, sequence)
    done = points_refunds.give_back(session, member, original, original.points, asked)
    return Converted(replace(done, also=(*before, *done.also)), change)


def posting_of(member: Member, parts: Sequence[Part], asked: Asked, *, wallet_sequence: int) -> Posting:
    """The entry of a conversion of the points in `parts`, which that entry of the wallet credits. Pure."""
    points = sum(part.points for part in parts)
    return points_reckoning.posting_of(
        member,
        PointsKind.CONVERT,
        parts,
        **asked,
        redeemed=points,
        payment_amount=worth(member, points),
        currency=member.programme.currency,
        wallet_sequence=wallet_sequence,
    )


def worth(member: Member, points: int) -> int:
    """What so many points become, in minor units of the home currency. Pure. Raises Rejected."""
    per, amount = member.programme.conversion_points, member.programme.conversion_amount
    if per is None or amount is None:
        raise Rejected("Points do not become money here: the programme has no rate for it.")
    if points < 1 or points % per:
        raise Rejected(f"Enter a multiple of {per:,} points.", field="points")
    if points // per * amount > money.MAX_MINOR:
        raise Rejected("These are too many points at once.", field="points")
    return points // per * amount


def _amount(done: Done) -> int:
    return done.entry.payment_amount or 0


def _credit(session: Session, member: Member, points: int, amount: int, asked: Asked) -> BalanceChange:
    request = Request(
        player_id=member.player_id,
        currency=member.programme.currency,
        change_type=ChangeType.POINTS_CONVERSION,
        real_delta=amount,
        reason=asked["notes"],
        idempotency_key=asked["key"],
        metadata={"points": points, "points_sequence": member.version + 1},
    )
    return balances.change(session, request=request, actor=asked["actor"], now=asked["now"])


def _take_back(
    session: Session, member: Member, sequence: int, refund_sequence: int, asked: Asked
) -> BalanceChange:
    original = points_refunds.original_of(session, member, sequence)
    return balances.reverse(
        session,
        player_id=member.player_id,
        currency=original.currency or member.programme.currency,
        sequence=original.wallet_sequence or 0,
        reason=asked["notes"],
        actor=asked["actor"],
        idempotency_key=asked["key"],
        now=asked["now"],
        metadata={"points": original.points, "points_sequence": refund_sequence},
        with_points=True,
    )
