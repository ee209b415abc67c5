"""The words that pages about loyalty share."""

from collections.abc import Mapping
from fractions import Fraction

from flask import Flask

from dashboard.models.points import PointsKind
from dashboard.queries.loyalty import decimals

KINDS: Mapping[str, str] = {
    PointsKind.LOAD: "Loads",
    PointsKind.REDEEM: "Redemptions",
    PointsKind.REFUND_SERVICE: "Services cancelled",
    PointsKind.REFUND_WALLET: "Wallets closed",
    PointsKind.EXPIRE: "Expired",
    PointsKind.ADJUSTMENT: "Adjustments",
    PointsKind.CONVERT: "Conversions",
    PointsKind.TRANSFER_TIER: "Changes of tier",
    PointsKind.REVERSAL: "Loads reversed",
}
AMOUNTS: Mapping[str, str] = {
    PointsKind.LOAD: "paid",
    PointsKind.REDEEM: "paid besides",
    PointsKind.CONVERT: "credited",
}
"""What the money of an entry is, where it was not given back."""


def init_app(app: Flask) -> None:
    """Give templates these words."""
    app.jinja_env.filters.update(
        share=share,
        decimals=decimals,
        moved_kind=KINDS.__getitem__,
        moved_amount=lambda kind: AMOUNTS.get(kind, "given back"),
    )


def share(part: Fraction | None) -> str:
    """A share as a percentage to two places: `13.64 %`; a dash for none."""
    return "–" if part is None else f"{decimals(part * 100, 2)} %"
