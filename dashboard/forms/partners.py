"""Partners as staff type them: who they are, what is agreed, and what they are decided about."""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from wtforms import DateField, Field, IntegerField, RadioField, SelectField, StringField
from wtforms.validators import (
    InputRequired,
    Length,
    NumberRange,
    StopValidation,
    ValidationError,
)
from wtforms.widgets import TextInput

from dashboard.forms.base import AmountField, DeskForm
from dashboard.forms.filters import FilterForm, choice, choices
from dashboard.models.partner import Disclosure, LossPolicy, PartnerStatus, StakesCounted
from dashboard.queries.partners import ContractRow, Order, PartnerFilter
from dashboard.services.partner_terms import DEFAULT_MINIMUM, WHOLE_BP, Terms
from dashboard.services.partners import NAME_MAX, REASON_MAX, Contract

_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?\s*%?")
_PERCENT_SAYS = "Enter a percentage above 0 and at most 100, such as 50 or 12.5."


def reason_field(label: str = "Reason") -> StringField:
    """Why; it is always asked for."""
    return StringField(
        label,
        validators=[
            InputRequired("Say why."),
            Length(max=REASON_MAX, message=f"A reason has at most {REASON_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


def percent(bp: int) -> str:
    """`50`, `12.5`: hundredths of a percent as they are typed and shown."""
    whole, rest = divmod(bp, 100)
    return f"{whole}.{rest:02d}".rstrip("0") if rest else str(whole)


class PercentField(Field):
    """A percentage as a person types it: `50`, `12.5`, `7.25 %`. `data` is hundredths of a percent."""

    widget = TextInput()
    data: int | None

    def __init__(self, label: str, **given: Any) -> None:
        super().__init__(label, render_kw={"inputmode": "decimal", "autocomplete": "off"}, **given)

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook."""
        found = _PERCENT.fullmatch(valuelist[0]) if valuelist else None
        self.data = None
        if found is not None:
            self.data = int(found[1]) * 100 + int((found[2] or "0").ljust(2, "0"))

    def pre_validate(self, form: Any) -> None:
        """Something above zero, and not more than all."""
        if self.data is None or not 1 <= self.data <= WHOLE_BP:
            raise StopValidation(_PERCENT_SAYS)

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else percent(self.data)


class MinimumField(AmountField):
    """An amount in a currency of its own."""

    def __init__(self, *args: Any, code: str, **given: Any) -> None:
        super().__init__(*args, **given)
        self.code = code

    @property
    def currency(self) -> str:
        """The currency that the amount is in."""
        return self.code


class TermsForm(DeskForm):
    """What is agreed. The least payouts, by currency, are fields of their own: see `terms_form`."""

    currencies: ClassVar[Sequence[str]] = ()

    share = PercentField("Share of the figures that is shown")
    rate = PercentField("Rate of the shown profit")
    loss_policy = RadioField(
        "Rounds that players win",
        choices=[
            choice(LossPolicy.PERIOD, "Count in the month"),
            choice(LossPolicy.CARRY, "Count on and on"),
            choice(LossPolicy.PER_ROUND, "Never count"),
        ],
        default=LossPolicy.PERIOD.value,
        validators=[InputRequired("Choose what becomes of losses.")],
    )
    counts = RadioField(
        "Stakes that count",
        choices=[choice(StakesCounted.REAL, "Real money"), choice(StakesCounted.WHOLE, "Bonus money too")],
        default=StakesCounted.REAL.value,
        validators=[InputRequired("Choose which stakes count.")],
    )
    disclosure = RadioField(
        "The partner is told",
        choices=[
            choice(Disclosure.BASIS, "That there is a share"),
            choice(Disclosure.TERMS, "Share and rate"),
        ],
        default=Disclosure.BASIS.value,
        validators=[InputRequired("Choose what the partner is told.")],
    )
    hold_days = IntegerField(
        "Days to hold",
        default=7,
        validators=[
            InputRequired("Enter a number of days; 0 for none."),
            NumberRange(0, 90, message="Between 0 and 90 days."),
        ],
        render_kw={"inputmode": "numeric", "autocomplete": "off"},
    )
    valid_from = DateField("Valid from", validators=[InputRequired("Choose a day.")])

    def validate_valid_from(self, field: Any) -> None:
        """A day of our time."""
        if field.data and not 2000 <= field.data.year <= 2200:
            raise ValidationError("Enter a day of our time.")

    def minimum_field(self, currency: str) -> Any:
        """The least payout in a currency."""
        return self[f"minimum_{currency}"]

    @property
    def first_wrong(self) -> str:
        """What is wrong with the terms first, with its field; empty where nothing is. After `validate`."""
        others = {"name", "code", "csrf_token", "valid_from"}
        faulty = (each for each in self if each.errors and each.name not in others)
        return next((f"{each.label.text}: {each.errors[0]}" for each in faulty), "")

    def terms(self) -> Terms:
        """What was typed, but for dates and minimums. Call it when nothing is wrong with it."""
        return Terms(
            share_bp=self.share.data or 0,
            rate_bp=self.rate.data or 0,
            loss_policy=LossPolicy(self.loss_policy.data),
            counts=StakesCounted(self.counts.data),
            disclosure=Disclosure(self.disclosure.data),
            hold_days=self.hold_days.data or 0,
        )

    def contract(self) -> Contract:
        """All of it. Call it after `validate`."""
        minimums = {
            code: amount for code in self.currencies if (amount := self.minimum_field(code).data) is not None
        }
        return Contract(self.terms(), self.valid_from.data or dt.date.min, minimums)


class PartnerForm(TermsForm):
    """A new partner, with the first contract."""

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_MAX, message=f"Use at most {NAME_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )
    code = StringField(
        "Code",
        validators=[InputRequired("Enter a code."), Length(max=40, message="Use at most 40 characters.")],
        render_kw={"autocomplete": "off", "autocapitalize": "off", "spellcheck": "false"},
    )


def terms_form(
    kind: type[TermsForm],
    currencies: Sequence[str],
    *,
    is_sent: bool,
    valid_from: dt.date,
    of: ContractRow | None = None,
) -> Any:
    """The form with a least payout for each of these currencies, as it was sent, or as `of` has it."""
    fields: dict[str, Any] = {"currencies": tuple(currencies)}
    for code in currencies:
        fields[f"minimum_{code}"] = MinimumField(f"Least payout, {code}", code=code, validators=[_not_below])
    made: type[TermsForm] = type(kind.__name__, (kind,), fields)
    if is_sent:
        return made()
    return made(formdata=None, data={"valid_from": valid_from, **(_values(of) if of else {})})


def _values(of: ContractRow) -> dict[str, Any]:
    minimums = {f"minimum_{code}": amount for code, amount in of.minimums.items()}
    return {
        "share": of.share_bp,
        "rate": of.rate_bp,
        "loss_policy": of.loss_policy,
        "counts": of.counts,
        "disclosure": of.disclosure,
        "hold_days": of.hold_days,
        **minimums,
    }


def _not_below(_form: Any, field: Any) -> None:
    if field.data is not None and field.data < 0:
        raise ValidationError(f"Enter an amount, or nothing for {DEFAULT_MINIMUM}.")


class NameForm(DeskForm):
    """Another name."""

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_MAX, message=f"Use at most {NAME_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


class StatusForm(DeskForm):
    """What a partner can do from now on, and why."""

    status = RadioField(
        "Status",
        choices=[
            choice(PartnerStatus.ACTIVE, "Active"),
            choice(PartnerStatus.SUSPENDED, "Suspended"),
            choice(PartnerStatus.BLOCKED, "Blocked"),
        ],
        validators=[InputRequired("Choose a status.")],
    )
    reason = reason_field()

    def chosen(self) -> PartnerStatus:
        """The status of a form that is valid."""
        return PartnerStatus(self.status.data)


class UserForm(DeskForm):
    """Who signs in for a partner."""

    name = StringField(
        "Name",
        validators=[InputRequired("Enter a name."), Length(max=100, message="Use at most 100 characters.")],
        render_kw={"autocomplete": "off"},
    )
    email = StringField(
        "E-mail",
        validators=[
            InputRequired("Enter an e-mail address."),
            Length(max=254, message="Enter an e-mail address."),
        ],
        render_kw={"type": "email", "autocomplete": "off", "spellcheck": "false"},
    )


class ReferralForm(DeskForm):
    """Whose player somebody is from now on; empty: nobody's."""

    partner = SelectField("Partner", validate_choice=False)

    def __init__(self, *args: Any, names: Mapping[int, str], **given: Any) -> None:
        super().__init__(*args, **given)
        self.names = names
        self.partner.choices = [
            choice("", "Nobody"),
            *(choice(str(key), name) for key, name in names.items()),
        ]

    def validate_partner(self, field: Any) -> None:
        """One of those that are offered."""
        if field.data not in {each.value for each in field.choices}:
            raise ValidationError("Choose a partner of the list.")

    def chosen(self) -> int | None:
        """The partner's id. Call it after `validate`."""
        return int(self.partner.data) if self.partner.data else None

    @property
    def chosen_name(self) -> str:
        """The partner's name; empty for nobody."""
        return self.names.get(self.chosen() or 0, "")


class PartnerFilterForm(FilterForm):
    """Which partners to show."""

    orders: ClassVar[Mapping[str, str]] = {
        Order.NAME: "Name, A to Z",
        Order.NEWEST: "Newest first",
        Order.LARGEST: "Most earned first",
    }
    q = StringField("Search", validators=[Length(max=100)])
    status = SelectField("Status", choices=choices("Every status", PartnerStatus), validate_choice=False)
    currency = SelectField("Currency", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [
            choice("", "Every currency"),
            *(choice(code, code) for code in currencies),
        ]

    def wanted(self) -> PartnerFilter:
        """The same for the query. Call it after `validate`."""
        return PartnerFilter(
            search=self.good("q") or "",
            status=self.good("status") or "",
            currency=self.good("currency") or "",
            order=Order(self.order),
        )
