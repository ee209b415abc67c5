"""Which members of the programme to show, and how far ahead to look for expiries."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import Length

from dashboard.forms.filters import FilterForm, choice, choices
from dashboard.models.loyalty import LoyaltyStatus
from dashboard.queries.loyalty_lists import SOON, WINDOWS, MemberFilter, Order
from dashboard.services.loyalty_tiers import Tier

_NO_TIER = "none"
USUAL_WINDOW = 30
"""Days ahead, unless somebody chooses otherwise."""


def _ahead(days: int) -> str:
    return "1 day" if days == 1 else f"{days} days"


class MemberFilterForm(FilterForm):
    """Which members to show."""

    orders: ClassVar[Mapping[str, str]] = {
        Order.NEWEST: "Newest first",
        Order.OLDEST: "Oldest first",
        Order.MOST: "Most points first",
        Order.FEWEST: "Fewest points first",
        Order.TIER_ENDS: "Tier that ends next first",
        Order.TIER_LASTS: "Tier that ends last first",
    }
    q = StringField("Search", validators=[Length(max=200)])
    tier = SelectField("Tier", validate_choice=False)
    status = SelectField("Status", choices=choices("Every status", LoyaltyStatus), validate_choice=False)
    within = SelectField(
        "Points expire",
        choices=[
            choice("", "At any time"),
            *(choice(str(each), f"Within {_ahead(each)}") for each in SOON),
        ],
        validate_choice=False,
    )
    owed = BooleanField("Owes points")

    def __init__(self, given: Any, *, tiers: Sequence[Tier]) -> None:
        super().__init__(given)
        self.tier.choices = [
            choice("", "Every tier"),
            *(choice(str(each.id), each.name) for each in tiers),
            choice(_NO_TIER, "No tier"),
        ]

    def wanted(self) -> MemberFilter:
        """The same for the query. Call it after `validate`."""
        tier = self.good("tier")
        return MemberFilter(
            search=self.good("q") or "",
            tier_id=int(tier) if tier and tier != _NO_TIER else None,
            has_no_tier=tier == _NO_TIER,
            status=self.good("status") or "",
            owes=bool(self.good("owed")),
            expires_within=self.chosen_id("within"),
            order=Order(self.order),
        )


class ExpiryFilterForm(FilterForm):
    """How far ahead to look."""

    orders: ClassVar[Mapping[str, str]] = {"": "Soonest first"}
    within = SelectField(
        "Within",
        choices=[choice(str(each), _ahead(each)) for each in WINDOWS],
        default=str(USUAL_WINDOW),
        validate_choice=False,
    )

    @property
    def days(self) -> int:
        """How many days ahead. Call it after `validate`."""
        return self.chosen_id("within") or USUAL_WINDOW
