"""Old types of cards as tiers: the one of the operator with the same code, or a new one. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dashboard import money
from dashboard.services import loyalty_tiers
from dashboard.services.imports import legacy_loyalty_values as values
from dashboard.services.imports import legacy_values
from dashboard.services.imports.legacy_files import Row
from dashboard.services.loyalty_tiers import Tier

_MONTHS = 12
_NOT_OF_A_CODE = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class CardType:
    """An old type of card and its tier; one that is still to be made has a negative id."""

    old_id: str
    tier: Tier

    @property
    def is_there(self) -> bool:
        """Whether the operator has the tier already."""
        return self.tier.id > 0


def read(row: Row, tiers: Sequence[Tier], *, currency: str, place: int) -> tuple[CardType, list[str]]:
    """The type of card that a row describes, and what to say about it. `place` makes the id of a new tier.

    Raises ValueError where a new tier could not be made of it.
    """
    code = _NOT_OF_A_CODE.sub("-", row["card_type_code"].lower()).strip("-")[:20].strip("-")
    if not code:
        raise ValueError(f"card_type_code: “{row['card_type_code']}” has neither letters nor digits")
    figures = _figures(row, code, currency, place)
    there = next((tier for tier in tiers if tier.code == code), None)
    if there is not None:
        return CardType(row.old_id, there), _differing(figures, there, currency)
    if not figures.minimum_payment or not figures.points:
        raise ValueError("min_payment_amount and total_points_credited must be more than nothing")
    notes = []
    rival = next(
        (tier for tier in tiers if tier.is_active and tier.minimum_payment == figures.minimum_payment), None
    )
    if figures.is_active and rival is not None:
        notes.append(f"{rival.name} has the same minimum payment: the tier is made, and retired")
        figures = _retired(figures)
    if row["bonus_percentage"]:
        notes += _differing_bonus(row, figures, currency)
    return CardType(row.old_id, figures), notes


def _figures(row: Row, code: str, currency: str, place: int) -> Tier:
    months = legacy_values.count(row["validity_months"], what="validity_months") or _MONTHS
    if months > 120:
        raise ValueError("validity_months: a tier is valid for at most 120 months")
    discount_bp = values.hundredths(row["discount_percent"], what="discount_percent")
    if discount_bp > 10_000:
        raise ValueError("discount_percent is more than 100")
    is_active = not row["is_active"] or legacy_values.flag(row["is_active"], what="is_active")
    payment = legacy_values.amount(
        row["min_payment_amount"], currency, what="min_payment_amount", minor_units=False
    )
    return Tier(
        id=-place,
        code=code,
        name=(row["card_type_name"] or row["card_type_code"].title())[:40],
        minimum_payment=legacy_values.not_negative(payment, what="min_payment_amount"),
        points=legacy_values.count(row["total_points_credited"], what="total_points_credited"),
        discount_bp=discount_bp,
        validity_months=months,
        is_active=is_active and not values.is_deleted(row),
    )


def _retired(tier: Tier) -> Tier:
    return Tier(
        tier.id,
        tier.code,
        tier.name,
        tier.minimum_payment,
        tier.points,
        tier.discount_bp,
        tier.validity_months,
        is_active=False,
    )


def _differing(old: Tier, ours: Tier, currency: str) -> list[str]:
    """Which figures of a tier that is there are others than the old ones: ours stay."""
    pairs = [
        (
            "minimum payment",
            money.show(ours.minimum_payment, currency),
            money.show(old.minimum_payment, currency),
        ),
        ("points", f"{ours.points:,}", f"{old.points:,}"),
        ("discount", _percent(ours.discount_bp), _percent(old.discount_bp)),
        ("months", str(ours.validity_months), str(old.validity_months)),
    ]
    return [
        f"{ours.name} stays as it is here: {what} {here}, and not {there}"
        for what, here, there in pairs
        if here != there
    ]


def _differing_bonus(row: Row, tier: Tier, currency: str) -> list[str]:
    exact = money.rounded(loyalty_tiers.bonus_percent(tier, currency) * 100)
    recorded = values.hundredths(row["bonus_percentage"], what="bonus_percentage")
    if exact == recorded:
        return []
    return [
        f"bonus_percentage {row['bonus_percentage']}: its points are {exact / 100:.2f} % more than is paid"
    ]


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d} %"
