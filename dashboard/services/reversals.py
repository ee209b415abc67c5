"""Undoing an entry by hand: all of it, or, of a credit that is partly spent, up to what is left.

Only the whole is a reversal, which names the entry. A part is an adjustment whose reference names it;
once one was posted, what remains is undone by further adjustments, and never twice.
"""

import datetime as dt
from enum import StrEnum

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import standings, submissions, vip
from dashboard.services.actors import Actor
from dashboard.services.balances import StaleBalance
from dashboard.services.change_types import UNDONE_BY_ROUND, UNDONE_WITH_POINTS
from dashboard.services.changes import Request
from dashboard.services.submissions import Submitted


class Extent(StrEnum):
    """How much of an entry is undone."""

    WHOLE = "whole"
    """All that is not undone yet, even where that leaves the player owing."""
    LEFT = "left"
    """At most what is withdrawable."""


def reference_of(sequence: int) -> str:
    """How an adjustment names the entry that it undoes a part of."""
    return f"undoes part of entry {sequence}"


def undo(
    session: Session,
    *,
    player_id: int,
    currency: str,
    sequence: int,
    extent: Extent,
    reason: str,
    actor: Actor,
    idempotency_key: str,
    now: dt.datetime,
    seen_version: int | None = None,
) -> Submitted:
    """Undo an entry, or what is not undone of it yet, as `submissions` does with what is typed by hand.

    The same key returns what was first done with it. Raises as `balances.reverse` and `balances.change`
    do, StaleBalance where the balance is not at `seen_version` any more.
    """
    scope = _scope(player_id, currency, sequence, idempotency_key)
    if extent is Extent.WHOLE and not _parts(session, scope):
        done = submissions.submit_reversal(
            session,
            player_id=player_id,
            currency=currency,
            sequence=sequence,
            reason=reason,
            actor=actor,
            idempotency_key=idempotency_key,
            now=now,
        )
        # Under the lock, which it took: a part that was posted meanwhile would be undone twice.
        if not done.repeated and _parts(session, scope):
            raise Rejected("A part of this entry has just been undone: look again.")
        if done.judgement is not None and seen_version not in {None, done.judgement.version}:
            raise StaleBalance(seen_version=seen_version or 0, version=done.judgement.version)
        return done
    located = standings.lock(session, player_id=player_id, currency=currency, actor=actor, now=now)
    asked_before = session.execute(_ASKED_BEFORE, scope).scalar()
    if asked_before is None:
        if seen_version not in {None, located.version}:
            raise StaleBalance(seen_version=seen_version or 0, version=located.version)
        rest = _rest(session, scope)
        left = vip.withdrawable(located.real, located.pending)
        asked_before = -(rest if extent is Extent.WHOLE else min(rest, left))
    request = Request(
        player_id=player_id,
        currency=currency,
        change_type=ChangeType.ADJUSTMENT,
        real_delta=asked_before,
        reason=reason,
        idempotency_key=idempotency_key,
        reference=reference_of(sequence),
    )
    # What is undone is known exactly, and it is no mistyped amount: it is neither held nor typed again.
    return submissions.submit(
        session, request=request, actor=actor, now=now, amount_again=request.amount, holds=False
    )


_PARTS = text("""
SELECT coalesce(sum(-amount), 0)::bigint FROM (
  SELECT real_delta AS amount FROM wallet_entries e
  WHERE player_id = :p AND currency = :c AND change_type = 'adjustment' AND sequence > :s
    AND reference = :reference AND idempotency_key <> :key
    AND NOT EXISTS (
      SELECT FROM wallet_entries r
      WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence)
  UNION ALL
  SELECT real_delta FROM change_requests
  WHERE player_id = :p AND currency = :c AND state IN ('held', 'waiting') AND reference = :reference
    AND idempotency_key <> :key
) AS part
""")
_ORIGINAL = text("""
SELECT e.change_type, e.real_delta, e.bonus_delta,
       EXISTS (
         SELECT FROM wallet_entries r
         WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence) AS reversed,
       EXISTS (
         SELECT FROM bonuses g
         WHERE g.player_id = e.player_id AND g.currency = e.currency AND g.deposit_sequence = e.sequence
           AND g.state IN ('queued', 'active')) AS has_bonus
FROM wallet_entries e WHERE e.player_id = :p AND e.currency = :c AND e.sequence = :s
""")
_ASKED_BEFORE = text("""
SELECT real_delta FROM wallet_entries WHERE player_id = :p AND idempotency_key = :key
UNION ALL
SELECT real_delta FROM change_requests WHERE player_id = :p AND idempotency_key = :key
LIMIT 1
""")


def undone_of(session: Session, *, player_id: int, currency: str, sequence: int) -> int:
    """How much of a credit was undone in parts, or is about to be; in minor units."""
    return _parts(session, _scope(player_id, currency, sequence, ""))


def _scope(player_id: int, currency: str, sequence: int, key: str) -> dict[str, object]:
    reference = reference_of(sequence)
    return {"p": player_id, "c": currency, "s": sequence, "key": key, "reference": reference}


def _parts(session: Session, scope: dict[str, object]) -> int:
    """Leaving out what the key itself has done."""
    return int(session.execute(_PARTS, scope).scalar_one())


def _rest(session: Session, scope: dict[str, object]) -> int:
    """What of the entry is not undone yet. Raises NotFound; Rejected where it cannot be undone in parts."""
    original = session.execute(_ORIGINAL, scope).one_or_none()
    if original is None:
        raise NotFound("There is no such entry.")
    if original.reversed:
        raise Rejected("This entry has already been reversed.")
    if original.change_type == ChangeType.POINTS_CONVERSION:
        raise Rejected(UNDONE_WITH_POINTS)
    unfit = {ChangeType.REVERSAL, ChangeType.TRANSFER, *UNDONE_BY_ROUND}
    if original.change_type in unfit or original.real_delta <= 0 or original.bonus_delta:
        raise Rejected("This entry is not undone in parts.")
    if original.has_bonus:
        raise Rejected("A bonus that is still open was granted for this deposit: cancel the bonus first.")
    rest = int(original.real_delta) - _parts(session, scope)
    if rest <= 0:
        raise Rejected("All of this entry has been undone already.")
    return rest
