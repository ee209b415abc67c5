"""What an operator's loyalty programme is run by: its settings, its tiers, and a tier given by hand."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from sqlalchemy import Row, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models import LoyaltyProgramme, LoyaltyTier
from dashboard.models.loyalty import RefundPolicy, TierChange, TierLoss
from dashboard.services import loyalty_tiers, member_tiers, points_reckoning, points_standing, staff_log
from dashboard.services import points as acts
from dashboard.services.actors import Actor
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points import Done

GRACE_DAYS_MAX = 365
MONTHS_MAX = 120
NAME_MAX = 40
WHOLE_BP = 10_000
POINTS_PER_UNIT_MAX = 1_000
"""More for each unit paid is a mistyped figure."""
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,19}")


@dataclass(frozen=True, slots=True)
class Settings:
    """What managers may change of a programme."""

    conversion_points: int | None
    """So many points become `conversion_amount`; None for both: they never become money."""
    conversion_amount: int | None
    """Minor units of the home currency."""
    refund_policy: str
    grace_days: int
    tier_loss: str
    approval_points: int


@dataclass(frozen=True, slots=True)
class TierFigures:
    """What a tier is to say."""

    code: str
    name: str
    minimum_payment: int
    """Minor units of the home currency."""
    points: int
    discount_bp: int
    validity_months: int


SETTINGS = tuple(field.name for field in fields(Settings))
FIGURES = tuple(field.name for field in fields(TierFigures))


def edit(session: Session, *, settings: Settings, actor: Actor, now: dt.datetime) -> None:
    """Run the programme of the actor's operator by other settings from now on.

    Raises Rejected at what is out of range.
    """
    _check_settings(settings)
    columns = select(*(getattr(LoyaltyProgramme, name) for name in SETTINGS))
    stored = session.execute(columns.filter_by(operator_id=actor.operator_id).with_for_update()).one()
    before, after = stored._asdict(), asdict(settings)
    session.execute(update(LoyaltyProgramme).filter_by(operator_id=actor.operator_id).values(**after))
    _log(session, actor, "loyalty_programme.edited", _changed(before, after), now)


def create_tier(session: Session, *, figures: TierFigures, actor: Actor, now: dt.datetime) -> int:
    """Add a tier to the programme of the actor's operator; its id.

    Raises Rejected at what is out of range, Conflict where the code or the payment is another tier's.
    """
    _check_figures(session, figures, actor)
    values = {"operator_id": actor.operator_id, **asdict(figures)}
    try:
        with session.begin_nested():
            tier_id: int = session.execute(
                insert(LoyaltyTier).values(**values).returning(LoyaltyTier.id)
            ).scalar_one()
    except IntegrityError as error:
        raise _taken(error) from error
    _log(session, actor, "loyalty_tier.created", {"tier": tier_id, "code": figures.code}, now)
    return tier_id


def edit_tier(
    session: Session, *, tier_id: int, figures: TierFigures, actor: Actor, now: dt.datetime
) -> None:
    """Let a tier say something else from now on. What was loaded, and discounts that were given, stay.

    Raises NotFound, Rejected at what is out of range, Conflict where it is retired or where the code or the
    payment is another tier's.
    """
    _check_figures(session, figures, actor)
    stored = _lock_tier(session, tier_id, actor)
    before, after = {name: getattr(stored, name) for name in FIGURES}, asdict(figures)
    try:
        with session.begin_nested():
            session.execute(update(LoyaltyTier).filter_by(id=tier_id).values(**after))
    except IntegrityError as error:
        raise _taken(error) from error
    _log(session, actor, "loyalty_tier.edited", {"tier": tier_id, **_changed(before, after)}, now)


def retire_tier(session: Session, *, tier_id: int, actor: Actor, now: dt.datetime) -> None:
    """Let nobody reach a tier any more; whoever is in it stays until it ends.

    Raises NotFound, Conflict where it is retired already.
    """
    stored = _lock_tier(session, tier_id, actor)
    session.execute(update(LoyaltyTier).filter_by(id=tier_id).values(is_active=False))
    _log(session, actor, "loyalty_tier.retired", {"tier": tier_id, "code": stored.code}, now)


def assign_tier(
    session: Session,
    *,
    player_id: int,
    tier_id: int | None,
    valid_until: dt.date | None,
    reason: str,
    actor: Actor,
    now: dt.datetime,
) -> Done:
    """Give a member a tier by hand, or take it away (None); an entry and a line of history say so.

    Without `valid_until`, a tier is valid for its months from today. Makes the wallet if need be. Raises
    NotFound, Rejected (closed, a retired tier, a day that is over, nothing new).
    """
    member = points_standing.lock(
        session, player_id=player_id, actor=actor, now=now, enrol=tier_id is not None
    )
    points_reckoning.refuse_closed(member)
    reason = points_reckoning.reasoned(reason)
    before, member = acts.settle_day(session, member, now)
    tier = next((tier for tier in member.tiers if tier.id == tier_id), None)
    if tier_id is not None and tier is None:
        raise NotFound("There is no such tier.")
    until = None if tier is None else _until(tier, valid_until, member.today)
    if tier is not None and not tier.is_active and (member.tier is None or member.tier.id != tier.id):
        raise Rejected(f"{tier.name} is retired: nobody comes to it any more.", field="tier_id")
    is_same = (tier and tier.id, until) == (member.tier and member.tier.id, member.tier_valid_until)
    if is_same and (tier is None or tier.discount_bp == member.discount_bp):
        raise Rejected("That is what the member has already.", field="tier_id")
    entry = member_tiers.move(
        session,
        member,
        tier,
        change=TierChange.MANUAL,
        valid_until=until,
        reason=reason,
        actor=actor,
        now=now,
    )
    return Done(entry, also=before, tier=tier)


def warnings(tiers: Sequence[Tier], currency: str) -> list[str]:
    """What is allowed and odd about active tiers: a higher one gives less for each unit paid. Pure."""
    return [
        f"{higher.name} gives {percent(higher, currency)} % more than is paid, less than {lower.name}"
        f" with {percent(lower, currency)} %: two smaller payments earn more than one large one."
        for higher, lower in loyalty_tiers.giving_less(tiers, currency)
    ]


def percent(tier: Tier, currency: str) -> str:
    """By how much the points exceed the payment, in percent with two decimals, from the exact ratio. Pure."""
    hundredths = money.rounded(loyalty_tiers.bonus_percent(tier, currency) * 100)
    sign = "\u2212" if hundredths < 0 else ""
    return f"{sign}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"


_LOCK_TIER = text("""
SELECT code, name, minimum_payment, points, discount_bp, validity_months, is_active FROM loyalty_tiers
WHERE id = :tier AND operator_id = :operator FOR UPDATE
""")
_CURRENCY = text("SELECT currency FROM operators WHERE id = :operator")


def _until(tier: Tier, valid_until: dt.date | None, today: dt.date) -> dt.date:
    last = loyalty_tiers.months_later(today, MONTHS_MAX)
    if valid_until is None:
        return loyalty_tiers.months_later(today, tier.validity_months)
    if not today <= valid_until <= last:
        raise Rejected(f"Choose a day from {today} to {last}.", field="valid_until")
    return valid_until


def _lock_tier(
    session: Session, tier_id: int, actor: Actor
) -> Row[tuple[str, str, int, int, int, int, bool]]:
    row = session.execute(_LOCK_TIER, {"tier": tier_id, "operator": actor.operator_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such tier.")
    if not row.is_active:
        raise Conflict("This tier is retired.")
    return row


def _check_settings(settings: Settings) -> None:
    points, amount = settings.conversion_points, settings.conversion_amount
    if (points is None) != (amount is None):
        missing = "conversion_points" if points is None else "conversion_amount"
        raise Rejected("Points and what they become go together: enter both, or neither.", field=missing)
    _check("conversion_points", points, 1, money.MAX_MINOR)
    _check("conversion_amount", amount, 1, money.MAX_MINOR)
    if settings.refund_policy not in set(RefundPolicy):
        raise Rejected("Choose what becomes of points that come back late.", field="refund_policy")
    _check("grace_days", settings.grace_days, 1, GRACE_DAYS_MAX)
    if settings.tier_loss not in set(TierLoss):
        raise Rejected("Choose where a member goes who does not keep a tier.", field="tier_loss")
    _check("approval_points", settings.approval_points, 0, money.MAX_MINOR)


def _check_figures(session: Session, figures: TierFigures, actor: Actor) -> None:
    if not _CODE.fullmatch(figures.code):
        raise Rejected("A code has 1 to 20 lower-case letters, digits and hyphens.", field="code")
    if not 1 <= len(figures.name) <= NAME_MAX or figures.name != figures.name.strip():
        raise Rejected(f"Give the tier a name of at most {NAME_MAX} characters.", field="name")
    currency: str = session.execute(_CURRENCY, {"operator": actor.operator_id}).scalar_one()
    _check("minimum_payment", figures.minimum_payment, money.from_whole(1, currency), money.MAX_MINOR)
    paid = loyalty_tiers.base_points(figures.minimum_payment, currency)
    if not paid <= figures.points <= paid * POINTS_PER_UNIT_MAX:
        raise Rejected(
            f"Between {paid:,} points, one for each unit paid, and {paid * POINTS_PER_UNIT_MAX:,}.",
            field="points",
        )
    _check("discount_bp", figures.discount_bp, 0, WHOLE_BP)
    _check("validity_months", figures.validity_months, 1, MONTHS_MAX)


def _check(field: str, value: int | None, least: int, most: int) -> None:
    if value is not None and not least <= value <= most:
        raise Rejected(f"Between {least:,} and {most:,}.", field=field)


def _taken(error: IntegrityError) -> Exception:
    if "uq_loyalty_tiers_operator_id_code" in str(error.orig):
        return Conflict("There is already a tier with this code.", field="code")
    if "uq_loyalty_tiers_minimum_payment" in str(error.orig):
        return Conflict("Another tier begins at this payment.", field="minimum_payment")
    return error


def _changed(before: dict[str, object], after: dict[str, object]) -> dict[str, str]:
    return {name: f"{before[name]} → {after[name]}" for name in after if after[name] != before[name]}


def _log(session: Session, actor: Actor, action: str, details: staff_log.Details, now: dt.datetime) -> None:
    staff_log.record(session, actor, action, details=details, now=now)
