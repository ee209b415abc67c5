"""What one types about a member's points. What an act moves is told apart from what is said about it: the
figures alone decide what a preview shows.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import uuid4

from wtforms import Field, SelectField, StringField
from wtforms.validators import InputRequired, Length, Optional, StopValidation, ValidationError
from wtforms.widgets import TextInput

from dashboard import money
from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import DayField, FilterForm, choice, choices
from dashboard.models.points import PointsKind

MODES = ("cash", "card", "bank_transfer", "mobile", "other")
"""How payments are made at the desk."""
UNSAID = "Preview"
"""What stands for the reason while it is not typed yet; it changes no figure."""
_POINTS = re.compile(r"(?P<sign>[-+\u2212]?)(?P<digits>[0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)")
_DIGITS_MAX = len(str(money.MAX_MINOR))


class PointsField(Field):
    """Whole points as a person types them: `1,000`, `-20`; None where nothing was typed."""

    widget = TextInput()
    data: int | None

    def __init__(self, *args: Any, **given: Any) -> None:
        given["render_kw"] = {"inputmode": "numeric", "autocomplete": "off", **(given.get("render_kw") or {})}
        super().__init__(*args, **given)

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook; what was typed is read by `pre_validate`, which can say what is wrong with it."""
        self.data = None

    def pre_validate(self, form: Any) -> None:
        """Read what was typed."""
        typed = str(self.raw_data[0]) if self.raw_data else ""
        if not typed:
            return
        match = _POINTS.fullmatch(typed)
        if match is None:
            raise StopValidation("Enter whole points, such as 1,000.")
        digits = match["digits"].replace(",", "").lstrip("0")
        # The length first: Python makes no integer of more than 4300 digits.
        if len(digits) > _DIGITS_MAX or (points := int(digits or "0")) > money.MAX_MINOR:
            raise StopValidation("That is more points than there can be.")
        self.data = -points if match["sign"] in {"-", "\u2212"} else points

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else str(self.data)


def _reason(label: str = "Reason") -> StringField:
    return StringField(
        label,
        validators=[
            InputRequired("Say why."),
            Length(max=200, message="A reason has at most 200 characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


def _reference(label: str) -> StringField:
    return StringField(
        label,
        validators=[Optional(), Length(max=100, message="A reference has at most 100 characters.")],
        render_kw={"autocomplete": "off"},
    )


class ActForm(DeskForm):
    """Something that one does with a member's points."""

    scope = "points"
    figures: ClassVar[tuple[str, ...]] = ()
    """The fields that decide what it does."""

    idempotency_key = HiddenKey()

    def __init__(self, *, currency: str = "", **given: Any) -> None:
        super().__init__(**given)
        self.currency = currency

    @property
    def is_ready(self) -> bool:
        """Whether there is something to preview, right or wrong."""
        return not self.figures or any(_is_typed(self[name]) for name in self.figures)

    @property
    def unreadable(self) -> str:
        """What is wrong with the figures that were typed so far. Call it after `validate`."""
        faults = [*self.form_errors]
        for name in self.figures:
            if _is_typed(self[name]):
                faults += self[name].errors
        return " ".join(faults)

    def said(self, name: str) -> str:
        """What was typed as a reason; something else until that can stand."""
        field = self[name]
        return UNSAID if field.errors else field.data or UNSAID

    def renew(self) -> None:
        """Give it another key: its own has been used."""
        self.idempotency_key.data = str(uuid4())


class LoadForm(ActForm):
    """A payment, for which points are loaded."""

    figures = ("payment_amount",)

    payment_amount = AmountField("Paid")
    payment_mode = SelectField(
        "Paid by", choices=[choice("", "Not said"), *(choice(mode, mode.replace("_", " ")) for mode in MODES)]
    )
    payment = _reference("Payment number")
    invoice = _reference("Invoice number")
    notes = _reason("What for")

    def validate_payment_amount(self, field: Any) -> None:
        """Something that was paid."""
        _positive(field, "Enter what was paid.")


class RedeemForm(ActForm):
    """Points for a service of a price, or for something that is reckoned in points alone."""

    figures = ("price", "points")

    price = AmountField("Price")
    points = PointsField("Points")
    invoice = _reference("Invoice number")
    notes = _reason("What for")

    def validate_price(self, field: Any) -> None:
        """A price, where there is one."""
        if field.data is not None and field.data <= 0:
            raise ValidationError("Enter what the service costs.")

    def validate_points(self, field: Any) -> None:
        """Either of the two."""
        if field.data is None and self.price.data is None and not self.price.errors:
            raise ValidationError("Enter a price, or how many points.")
        _positive(field, "", may_be_empty=True)


class PointsAdjustmentForm(ActForm):
    """Points that are given or taken by hand."""

    figures = ("points",)

    points = PointsField("Points")
    reason = _reason()

    def validate_points(self, field: Any) -> None:
        """Some, with a sign where they are taken."""
        if not field.data:
            raise ValidationError("Enter how many points to add or to take.")


class ConversionForm(ActForm):
    """Points that become real money."""

    figures = ("points",)

    points = PointsField("Points")
    reason = _reason()

    def validate_points(self, field: Any) -> None:
        """Some."""
        _positive(field, "Enter how many points to convert.")


class ServiceRefundForm(ActForm):
    """A cancelled service: how many of its points are given back."""

    figures = ("points",)

    points = PointsField("Points")
    notes = _reason()

    @property
    def is_ready(self) -> bool:
        """Always: without a figure it is about all that is left."""
        return True

    def validate_points(self, field: Any) -> None:
        """Some, or nothing for all of them."""
        _positive(field, "", may_be_empty=True)


class PaymentReversalForm(ActForm):
    """A payment that was given back, or a part of it."""

    figures = ("amount",)

    amount = AmountField("Given back")
    notes = _reason()

    @property
    def is_ready(self) -> bool:
        """Always: without a figure it is about all that is left."""
        return True

    def validate_amount(self, field: Any) -> None:
        """Some, or nothing for all of it."""
        if field.data is not None and field.data <= 0:
            raise ValidationError("Enter what was given back.")


class ReasonForm(ActForm):
    """Why something is done whose figures follow by themselves."""

    reason = _reason()


class TierForm(ActForm):
    """A tier that is given by hand, or none."""

    figures = ("tier_id", "valid_until")

    tier_id = SelectField("Tier", validate_choice=False)
    valid_until = DayField("Valid until", validators=[Optional()])
    reason = _reason()

    def __init__(self, *, tiers: Mapping[int, str], **given: Any) -> None:
        super().__init__(**given)
        self.tier_id.choices = [
            choice("", "None"),
            *(choice(str(tier_id), name) for tier_id, name in tiers.items()),
        ]

    def validate_tier_id(self, field: Any) -> None:
        """One of those there are."""
        if field.data not in {each.value for each in field.choices}:
            raise ValidationError("Choose one of the tiers.")

    def validate_valid_until(self, field: Any) -> None:
        """Of a tier."""
        if self.chosen is None and field.data:
            raise ValidationError("Without a tier there is no last day: leave it out.")

    @property
    def is_ready(self) -> bool:
        """Once something was chosen, be it none."""
        return bool(self.tier_id.raw_data)

    @property
    def chosen(self) -> int | None:
        """The tier that was chosen, if any."""
        return int(self.tier_id.data) if self.tier_id.data and not self.tier_id.errors else None


class CardForm(ActForm):
    """A card: its number, where it comes from elsewhere."""

    figures = ("number",)

    number = StringField(
        "Number",
        validators=[Optional(), Length(max=40, message="A card number has at most 40 characters.")],
        render_kw={"autocomplete": "off"},
    )

    @property
    def is_ready(self) -> bool:
        """Never: what it does needs no preview."""
        return False


class MemberJournalForm(FilterForm):
    """Which entries of a member's journal to show."""

    scope = "points-journal"

    kind = SelectField("Kind", choices=choices("Every kind", PointsKind), validate_choice=False)


def _is_typed(field: Any) -> bool:
    return bool(field.raw_data and str(field.raw_data[0]).strip())


def _positive(field: Any, missing: str, *, may_be_empty: bool = False) -> None:
    if field.data is None:
        if not may_be_empty:
            raise ValidationError(missing)
    elif field.data <= 0:
        raise ValidationError(missing or "Enter at least one point.")
