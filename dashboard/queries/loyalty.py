"""The loyalty programme as the desk sees it: its settings, its tiers, its points by month, what moved."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.errors import NotFound
from dashboard.models import LoyaltyTier, LoyaltyWallet
from dashboard.models.loyalty import LoyaltyStatus
from dashboard.queries.paging import Listing
from dashboard.services import loyalty_programmes
from dashboard.services.loyalty_tiers import Tier

SOON_DAYS = 30
"""What expires so soon stands in the overview; what moved within so many days, too."""
BREAKAGE_MONTHS = 12
"""The figure of breakage is over so many months that are over."""


@dataclass(frozen=True, slots=True)
class Programme:
    """What an operator's programme is run by; the amount in minor units of the home currency."""

    conversion_points: int | None
    conversion_amount: int | None
    refund_policy: str
    grace_days: int
    tier_loss: str
    approval_points: int


@dataclass(frozen=True, slots=True)
class TierRow:
    """A tier and how many members are in it."""

    tier: Tier
    members: int
    bonus_percent: str
    """By how much the points exceed the payment: `13.64`."""
    gain: Fraction
    """Points for a whole unit that is paid."""


@dataclass(frozen=True, slots=True)
class Members:
    """How many members there are."""

    by_tier: dict[int | None, int]
    """By tier id; None: without a tier, closed ones too."""
    suspended: int
    closed: int

    @property
    def there(self) -> int:
        """Who is not closed."""
        return sum(self.by_tier.values()) - self.closed

    @property
    def active(self) -> int:
        """Who may use points."""
        return self.there - self.suspended

    @property
    def without_tier(self) -> int:
        """Who is in none, and not closed."""
        return self.by_tier.get(None, 0) - self.closed


@dataclass(frozen=True, slots=True)
class MonthRow:
    """The points whose last day is in a month: what became of all that were ever loaded."""

    month: dt.date
    loaded: int
    remaining: int
    redeemed: int
    expired: int
    reversed: int

    @property
    def breakage(self) -> Fraction | None:
        """Which part of what was not reversed expired; None where nothing is left to be a part of."""
        kept = self.loaded - self.reversed
        return Fraction(self.expired, kept) if kept else None


@dataclass(frozen=True, slots=True)
class MovedRow:
    """Entries of one kind: how many, their points with their sign, and the money, in minor units."""

    kind: str
    entries: int
    points: int
    amount: int


def get_programme(session: Session, *, operator_id: int) -> Programme:
    """What the operator's programme is run by. Raises NotFound."""
    row = session.execute(_PROGRAMME, {"operator": operator_id}).one_or_none()
    if row is None:
        raise NotFound("There is no loyalty programme.")
    return Programme(*row)


def count_members(session: Session, *, operator_id: int) -> Members:
    """How many members there are, by tier and by status."""
    given = {"operator": operator_id}
    by_tier = {row.tier_id or None: row.members for row in session.execute(_BY_TIER, given)}
    not_active = {row.status: row.members for row in session.execute(_NOT_ACTIVE, given)}
    return Members(
        by_tier, not_active.get(LoyaltyStatus.SUSPENDED, 0), not_active.get(LoyaltyStatus.CLOSED, 0)
    )


def rows_of(tiers: Sequence[Tier], members: Members, currency: str) -> list[TierRow]:
    """The tiers as pages show them. Pure."""
    return [_tier_row(tier, members.by_tier.get(tier.id, 0), currency) for tier in tiers]


def all_tiers(*, operator_id: int, currency: str) -> Listing[TierRow]:
    """The tiers for a file."""
    columns = [getattr(LoyaltyTier, field.name) for field in fields(Tier)]
    members = (
        select(func.count()).where(
            LoyaltyWallet.operator_id == operator_id, LoyaltyWallet.tier_id == LoyaltyTier.id
        )
    ).scalar_subquery()
    statement = (
        select(*columns, members)
        .where(LoyaltyTier.operator_id == operator_id)
        .order_by(LoyaltyTier.minimum_payment, LoyaltyTier.id)
    )
    return Listing(statement, lambda row: _tier_row(Tier(*row[:-1]), row[-1], currency))


def list_months(session: Session, *, operator_id: int) -> list[MonthRow]:
    """Every month in which points expire or expired, the earliest first."""
    return [MonthRow(*row) for row in session.execute(_MONTHS, {"operator": operator_id})]


def count_expiring(session: Session, *, operator_id: int, today: dt.date, days: int) -> int:
    """Points whose last day is today or within so many days."""
    given = {"operator": operator_id, "first": today, "last": today + dt.timedelta(days=days)}
    return int(session.execute(_EXPIRING, given).scalar_one())


def list_moved(session: Session, *, operator_id: int, since: dt.datetime) -> list[MovedRow]:
    """What moved since then by kind, transfers of tiers left out, in the order of the names."""
    first = since.astimezone(dt.UTC).date()
    whole = dt.datetime.combine(first + dt.timedelta(days=1), dt.time(), dt.UTC)
    given = {"operator": operator_id, "since": since, "first": first, "whole": whole}
    return [MovedRow(*row) for row in session.execute(_MOVED, given)]


def breakage_of(months: Sequence[MonthRow]) -> Fraction | None:
    """Which part of the points of all these months expired. Pure."""
    kept = sum(row.loaded - row.reversed for row in months)
    return Fraction(sum(row.expired for row in months), kept) if kept else None


def worth(points: int, programme: Programme) -> int | None:
    """What points come to where they become real money; minor units, None where they never do. Pure."""
    if programme.conversion_points is None or programme.conversion_amount is None:
        return None
    return money.rounded(Fraction(points * programme.conversion_amount, programme.conversion_points))


def decimals(number: Fraction, places: int) -> str:
    """An exact number to so many decimals, rounded half to even: `1.1364`. Pure."""
    scaled = money.rounded(number * 10**places)
    sign = "\u2212" if scaled < 0 else ""
    whole, rest = divmod(abs(scaled), 10**places)
    return f"{sign}{whole:,}.{rest:0{places}d}"


def _tier_row(tier: Tier, members: int, currency: str) -> TierRow:
    return TierRow(tier, members, loyalty_programmes.percent(tier, currency), tier.gain(currency))


_PROGRAMME = text("""
SELECT conversion_points, conversion_amount, refund_policy, grace_days, tier_loss, approval_points
FROM loyalty_programmes WHERE operator_id = :operator
""")
_BY_TIER = text("""
SELECT tier_id, sum(members)::bigint AS members FROM tier_members WHERE operator_id = :operator
GROUP BY tier_id HAVING sum(members) <> 0
""")
_NOT_ACTIVE = text("""
SELECT status, count(*) AS members FROM loyalty_wallets
WHERE operator_id = :operator AND status <> 'active' GROUP BY status
""")
_MONTHS = text("""
SELECT month, sum(loaded)::bigint, sum(remaining)::bigint, sum(redeemed)::bigint, sum(expired)::bigint,
       sum(reversed)::bigint
FROM loyalty_months WHERE operator_id = :operator GROUP BY month ORDER BY month
""")
_EXPIRING = text("""
SELECT coalesce(sum(remaining), 0) FROM points_batches
WHERE operator_id = :operator AND remaining > 0 AND expires_on BETWEEN :first AND :last
""")
# What is left of the first day from its entries, the days after it from their sums.
_MOVED = text("""
SELECT kind, sum(entries)::bigint, sum(points)::bigint, sum(amount)::bigint FROM (
  SELECT kind, entries, points, amount FROM loyalty_days WHERE operator_id = :operator AND day > :first
  UNION ALL
  SELECT kind, 1, points, coalesce(payment_amount, 0) FROM loyalty_entries
  WHERE operator_id = :operator AND created_at >= :since AND created_at < :whole
) AS parts
WHERE kind <> 'transfer_tier' GROUP BY kind HAVING sum(entries) <> 0 ORDER BY kind
""")
