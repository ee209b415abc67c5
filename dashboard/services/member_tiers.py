"""How members come to tiers, keep and lose them: each time an entry of the journal and a line of history."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.models.loyalty import TierChange, TierLoss
from dashboard.models.points import PointsKind
from dashboard.services import loyalty_sums, loyalty_tiers, points_journal, points_standing
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_journal import Entry, Posting
from dashboard.services.points_standing import Member

QUALIFYING_MONTHS = 12
"""A tier is kept by what was paid in so many months up to its last day."""


@dataclass(frozen=True, slots=True)
class Step:
    """From a tier to another, to the same again, or to none."""

    tier: Tier | None
    change: TierChange
    valid_until: dt.date | None
    reason: str


def reach(
    session: Session, member: Member, tier: Tier, *, because: Entry, actor: Actor, now: dt.datetime
) -> Entry:
    """Put a member into the tier that a load has reached, valid from today."""
    step = reaching(member, tier, because.sequence)
    return move(
        session,
        replace(member, version=because.sequence),
        step.tier,
        change=step.change,
        valid_until=step.valid_until,
        reason=step.reason,
        actor=actor,
        now=now,
    )


def review(session: Session, member: Member, *, now: dt.datetime) -> list[Entry]:
    """Renew or take away a tier whose last day is over, again until the member is up to date.

    Kept where the payments of the last 12 months up to its last day reach its minimum; else one step down,
    or to the tier that they reach, as the programme says. A retired tier is never renewed.
    """
    entries = []
    while member.tier is not None and member.tier_valid_until is not None:
        ended = member.tier_valid_until
        if ended >= member.today:
            break
        step = following(member, paid_within(session, member, ended))
        entries.append(
            move(
                session,
                member,
                step.tier,
                change=step.change,
                valid_until=step.valid_until,
                reason=step.reason,
                actor=SYSTEM,
                now=now,
            )
        )
        member = points_standing.again(session, member)
    return entries


def paid_within(session: Session, member: Member, last: dt.date) -> int:
    """What was paid in the 12 months that end with that day, less what was given back; minor units."""
    return paid_in(session, member.player_id, qualifying_span(last, member.programme.timezone))


def paid_in(session: Session, player_id: int, span: clock.Span) -> int:
    """What was paid in that time, less what was given back; minor units."""
    return paid_by(session, {player_id: span})[player_id]


def paid_by(session: Session, spans: Mapping[int, clock.Span]) -> dict[int, int]:
    """The same of many players, each in a time of their own."""
    named = {
        "players": list(spans),
        "starts": [span.start for span in spans.values()],
        "ends": [span.end for span in spans.values()],
    }
    return {row.player_id: int(row.paid) for row in session.execute(_PAID, named)}


def qualifying_span(last: dt.date, timezone: str) -> clock.Span:
    """The 12 months that end with that day. Pure."""
    first = loyalty_tiers.months_later(last, -QUALIFYING_MONTHS) + dt.timedelta(days=1)
    return clock.between(first, last + dt.timedelta(days=1), timezone)


def move(
    session: Session,
    member: Member,
    tier: Tier | None,
    *,
    change: TierChange,
    valid_until: dt.date | None,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> Entry:
    """Write a change of tier: the wallet, the entry and the history. The member must be locked."""
    posting = posting_of(
        member, tier, change=change, valid_until=valid_until, reason=reason, actor=actor, now=now
    )
    (entry,) = points_journal.append(session, [posting])
    present, previous = tier.id if tier else None, member.tier.id if member.tier else None
    values = {
        "p": member.player_id,
        "operator": member.operator_id,
        "tier": present,
        "discount": tier.discount_bp if tier else 0,
        "until": valid_until,
        "previous": previous,
        "change": change,
        "sequence": entry.sequence,
        "reason": reason,
        "now": now,
    }
    session.execute(_SET, values)
    session.execute(_TELL, values)
    if present != previous:
        loyalty_sums.count_members(session, member.operator_id, {previous: -1, present: 1})
    return entry


def posting_of(
    member: Member,
    tier: Tier | None,
    *,
    change: TierChange,
    valid_until: dt.date | None,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> Posting:
    """The entry of a change of tier. Pure."""
    key = f"tier:{member.version}:{change}:{valid_until}"
    return Posting(
        player_id=member.player_id,
        kind=PointsKind.TRANSFER_TIER,
        base_points=0,
        bonus_points=0,
        discount_bp=tier.discount_bp if tier else None,
        tier_id=tier.id if tier else None,
        expires_on=valid_until,
        notes=reason,
        performed_by=actor.reference,
        idempotency_key=key,
        fingerprint=points_journal.fingerprint_of_key(key),
        created_at=now,
    )


def reaching(member: Member, tier: Tier, sequence: int) -> Step:
    """How a member comes to the tier that the load with that sequence has reached. Pure."""
    return Step(
        tier,
        TierChange.NEW if member.tier is None else TierChange.UPGRADE,
        loyalty_tiers.months_later(member.today, tier.validity_months),
        f"Payment of load {sequence}",
    )


def following(member: Member, paid: int) -> Step:
    """What comes after a tier whose last day is over, by what was paid up to then (minor units). Pure."""
    if member.tier is None or member.tier_valid_until is None:
        raise ValueError("a member without a tier has none to lose")
    tier = _following(member, member.tier, paid)
    kept = tier is not None and tier.id == member.tier.id
    missing = member.tier.minimum_payment - paid
    return Step(
        tier,
        TierChange.RENEWAL if kept else TierChange.DOWNGRADE,
        loyalty_tiers.months_later(member.tier_valid_until, tier.validity_months) if tier else None,
        _reason(member.tier, kept=kept, missing=missing),
    )


_PAID = text("""
SELECT n.player_id, coalesce(e.paid, 0) AS paid
FROM unnest(CAST(:players AS bigint[]), CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]))
  AS n(player_id, start, until)
CROSS JOIN LATERAL (
  SELECT sum(CASE kind WHEN 'load' THEN payment_amount ELSE -payment_amount END) AS paid
  FROM loyalty_entries
  WHERE player_id = n.player_id AND kind IN ('load', 'reversal')
    AND created_at >= n.start AND created_at < n.until
) AS e
""")
_SET = text("""
UPDATE loyalty_wallets SET tier_id = :tier, discount_bp = :discount, tier_valid_until = :until
WHERE player_id = :p
""")
_TELL = text("""
INSERT INTO tier_history (player_id, operator_id, sequence, previous_tier_id, tier_id, change, valid_until,
                          reason, changed_at)
VALUES (:p, :operator, :sequence, :previous, :tier, :change, :until, :reason, :now)
""")


def _following(member: Member, present: Tier, paid: int) -> Tier | None:
    if present.is_active and paid >= present.minimum_payment:
        return present
    lower = [
        tier for tier in member.tiers if tier.is_active and tier.minimum_payment < present.minimum_payment
    ]
    if member.programme.tier_loss == TierLoss.QUALIFYING:
        return loyalty_tiers.reached(lower, paid, present=None)
    return lower[-1] if lower else None


def _reason(tier: Tier, *, kept: bool, missing: int) -> str:
    if kept:
        return f"The payments of {QUALIFYING_MONTHS} months keep {tier.name}"
    if missing <= 0:
        return f"{tier.name} is no longer given"
    return f"The payments of {QUALIFYING_MONTHS} months did not keep {tier.name}"
