"""Tiers: what a payment is worth in points, which tier it reaches, and the operator's table of them."""

import datetime as dt
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.models.loyalty import LoyaltyProgramme, LoyaltyTier

DEFAULT_MONTHS = 12
"""How long points are valid that are loaded without a tier."""


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier as it is reckoned with. Amounts in minor units."""

    id: int
    code: str
    name: str
    minimum_payment: int
    points: int
    discount_bp: int
    validity_months: int
    is_active: bool = True

    def gain(self, currency: str) -> Fraction:
        """Points for each whole unit of a payment, exactly."""
        return Fraction(self.points * money.from_whole(1, currency), self.minimum_payment)


@dataclass(frozen=True, slots=True)
class Shipped:
    """A tier of every new operator; the payment in whole units."""

    code: str
    name: str
    payment: int
    points: int
    discount_bp: int
    validity_months: int = 12


SHIPPED = (
    Shipped("silver", "Silver", 22_000, 25_000, 200),
    Shipped("gold", "Gold", 45_000, 50_000, 300),
    Shipped("platinum", "Platinum", 92_000, 100_000, 500),
)


def ship(session: Session, *, operator_id: int, currency: str) -> None:
    """Give a new operator its programme and the tiers that all start from."""
    session.execute(insert(LoyaltyProgramme).values(operator_id=operator_id))
    rows = [
        {
            "operator_id": operator_id,
            "code": tier.code,
            "name": tier.name,
            "minimum_payment": money.from_whole(tier.payment, currency),
            "points": tier.points,
            "discount_bp": tier.discount_bp,
            "validity_months": tier.validity_months,
        }
        for tier in SHIPPED
    ]
    session.execute(insert(LoyaltyTier), rows)


def tiers_of(session: Session, operator_id: int) -> list[Tier]:
    """All tiers of an operator, retired ones too, the lowest first."""
    return [Tier(*row) for row in session.execute(_TIERS, {"operator": operator_id})]


def reached(tiers: Sequence[Tier], payment: int, *, present: Tier | None) -> Tier | None:
    """The highest active tier that the payment reaches, or the present one if that is higher. Pure."""
    candidates = [tier for tier in tiers if tier.is_active and tier.minimum_payment <= payment]
    if present is not None:
        candidates.append(present)
    return max(candidates, key=lambda tier: tier.minimum_payment, default=None)


def base_points(payment: int, currency: str) -> int:
    """One for each whole unit of the payment. Pure."""
    return payment // money.from_whole(1, currency)


def bonus_points(base: int, tier: Tier | None, currency: str) -> int:
    """What the tier adds: floor(base × (its points ÷ its payment) − base). Pure."""
    if tier is None:
        return 0
    return max(0, int(base * tier.gain(currency) - base))


def bonus_percent(tier: Tier, currency: str) -> Fraction:
    """By how much the points exceed the payment, in percent, from the exact ratio. Pure."""
    return (tier.gain(currency) - 1) * 100


def giving_less(tiers: Sequence[Tier], currency: str) -> list[tuple[Tier, Tier]]:
    """Each active tier that gives less per unit paid than the one below it, with that one. Pure."""
    active = sorted((tier for tier in tiers if tier.is_active), key=lambda tier: tier.minimum_payment)
    return [
        (higher, lower) for lower, higher in pairwise(active) if higher.gain(currency) < lower.gain(currency)
    ]


def months_later(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or that month's last one. Pure."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return dt.date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


_TIERS = text("""
SELECT id, code, name, minimum_payment, points, discount_bp, validity_months, is_active
FROM loyalty_tiers WHERE operator_id = :operator ORDER BY minimum_payment, id
""")
