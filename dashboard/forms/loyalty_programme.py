"""The loyalty programme as staff type it: its settings and its tiers."""

from typing import Any

from wtforms import IntegerField, RadioField, StringField
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    Optional,
    Regexp,
    StopValidation,
    ValidationError,
)

from dashboard import money
from dashboard.forms.base import AmountField, DeskForm
from dashboard.forms.filters import choice
from dashboard.forms.loyalty import PointsField
from dashboard.forms.partners import PercentField
from dashboard.models.loyalty import RefundPolicy, TierLoss
from dashboard.services.loyalty_programmes import Settings, TierFigures
from dashboard.services.loyalty_tiers import Tier

_NUMERIC = {"inputmode": "numeric", "autocomplete": "off"}


class DiscountField(PercentField):
    """A percentage from none to all; `data` is hundredths of a percent."""

    def pre_validate(self, form: Any) -> None:
        """Nothing, everything, or in between."""
        if self.data is None or not 0 <= self.data <= 100_00:
            raise StopValidation("Enter a percentage from 0 to 100, such as 2 or 2.5.")


class TierForm(DeskForm):
    """A tier; the payment in the operator's home currency."""

    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name."), Length(max=40, message="Use at most 40 characters.")],
        render_kw={"autocomplete": "off"},
    )
    code = StringField(
        "Code",
        validators=[
            InputRequired("Enter a code."),
            Regexp(
                r"^[a-z0-9][a-z0-9-]{0,19}$",
                message="Use up to 20 small letters, digits and hyphens, such as gold or gold-2.",
            ),
        ],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )
    minimum_payment = AmountField("Least payment", validators=[InputRequired("Enter an amount.")])
    points = PointsField(
        "Points for it",
        validators=[
            InputRequired("Enter how many points."),
            NumberRange(1, money.MAX_MINOR, message=f"Between 1 and {money.MAX_MINOR:,}."),
        ],
    )
    discount_bp = DiscountField("Discount on services", default=0)
    validity_months = IntegerField(
        "Months of validity",
        default=12,
        validators=[
            InputRequired("Enter a number of months."),
            NumberRange(1, 120, message="Between 1 and 120 months."),
        ],
        render_kw=_NUMERIC,
    )

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)

    def validate_minimum_payment(self, field: Any) -> None:
        """Something; what is unreadable has its own message."""
        if field.data is not None and field.data <= 0:
            raise ValidationError("Enter an amount above zero.")

    @property
    def first_wrong(self) -> str:
        """What is wrong with the figures first, with its field; empty where nothing is. After `validate`."""
        faulty = (self[name] for name in ("minimum_payment", "points", "discount_bp", "validity_months"))
        return next((f"{each.label.text}: {each.errors[0]}" for each in faulty if each.errors), "")

    def figures(self) -> TierFigures:
        """What was typed. Call it after `validate`."""
        return TierFigures(
            code=self.code.data or "",
            name=self.name.data or "",
            minimum_payment=self.minimum_payment.data or 0,
            points=self.points.data or 0,
            discount_bp=self.discount_bp.data or 0,
            validity_months=self.validity_months.data or 0,
        )


def tier_form(currency: str, *, of: Tier | None = None, is_sent: bool) -> TierForm:
    """The form of a tier as it was sent, or as the tier `of` is."""
    if is_sent:
        return TierForm(currency=currency)
    data: dict[str, Any] = {}
    if of is not None:
        data = {
            "name": of.name,
            "code": of.code,
            "minimum_payment": of.minimum_payment,
            "points": of.points,
            "discount_bp": of.discount_bp,
            "validity_months": of.validity_months,
        }
    return TierForm(currency=currency, formdata=None, data=data)


class ProgrammeForm(DeskForm):
    """What the programme is run by; the amount in the operator's home currency."""

    conversion_points = PointsField(
        "So many points",
        validators=[
            Optional(),
            NumberRange(1, money.MAX_MINOR, message=f"Between 1 and {money.MAX_MINOR:,}."),
        ],
        render_kw=_NUMERIC,
    )
    conversion_amount = AmountField("Become")
    refund_policy = RadioField(
        "Points of a cancelled service whose batch has expired",
        choices=[
            choice(RefundPolicy.GRACE, "A new batch"),
            choice(RefundPolicy.ORIGINAL, "Lapse"),
            choice(RefundPolicy.EXTEND, "Extend their batch"),
        ],
        validators=[InputRequired("Choose what becomes of them.")],
    )
    grace_days = IntegerField(
        "Days of such a batch",
        validators=[
            InputRequired("Enter a number of days."),
            NumberRange(1, 365, message="Between 1 and 365 days."),
        ],
        render_kw=_NUMERIC,
    )
    tier_loss = RadioField(
        "A tier that was not kept",
        choices=[
            choice(TierLoss.ONE_STEP, "One step down"),
            choice(TierLoss.QUALIFYING, "To what the payments reach"),
        ],
        validators=[InputRequired("Choose where members go.")],
    )
    approval_points = PointsField(
        "Adjustments above need a second person",
        validators=[
            InputRequired("Enter how many points; 0 for every adjustment."),
            NumberRange(0, money.MAX_MINOR, message=f"Between 0 and {money.MAX_MINOR:,}."),
        ],
        render_kw=_NUMERIC,
    )

    def __init__(self, *args: Any, currency: str, **given: Any) -> None:
        self.currency = currency
        super().__init__(*args, **given)

    def settings(self) -> Settings:
        """What was typed. Call it after `validate`."""
        return Settings(
            conversion_points=self.conversion_points.data,
            conversion_amount=self.conversion_amount.data,
            refund_policy=self.refund_policy.data or "",
            grace_days=self.grace_days.data or 0,
            tier_loss=self.tier_loss.data or "",
            approval_points=self.approval_points.data or 0,
        )
