"""What may be typed about one wallet: changes of its balances, its status, notes, filters of its journal."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from wtforms import (
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import HiddenInput

from dashboard import money
from dashboard.forms.base import AmountField, DeskForm, HiddenKey
from dashboard.forms.filters import Chip, Column, DayField, FilterForm, choice, choices, spoken
from dashboard.models.wallet import ChangeType

REASON_LENGTH_MAX = 200
OVERRIDABLE = ("min_balance", "max_balance", "daily_limit", "weekly_limit")
"""Figures of the VIP rule that may be others for one change."""
_DAMAGED = "This form is damaged: reload the page."
_STARTS_WITH_SIGN = re.compile(r"\s*[-+\u2212]")

# What each type does to the amount that is typed. Only an adjustment is typed with its sign. A withdrawal is
# not typed here: it is requested, then paid.
_SIGNS = {
    ChangeType.DEPOSIT: 1,
    ChangeType.ADJUSTMENT: 1,
    ChangeType.FEE: -1,
}


def reason_field() -> StringField:
    """A reason, which is always asked for."""
    return StringField(
        "Reason",
        validators=[
            InputRequired("Enter a reason."),
            Length(max=REASON_LENGTH_MAX, message=f"A reason has at most {REASON_LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


class AdjustmentForm(DeskForm):
    """One change of one balance, typed by a person who has seen the balance at `seen_version`."""

    scope = "adjust"

    change_type = RadioField(
        "Type",
        choices=[choice(kind.value, spoken(kind)) for kind in _SIGNS],
        default=ChangeType.DEPOSIT.value,
        validate_choice=False,
    )
    amount = AmountField("Amount")
    amount_again = AmountField("Amount again")
    """Asked for where the amount is unusually large."""
    reason = reason_field()
    min_balance = AmountField("Lowest real balance")
    max_balance = AmountField("Highest real balance")
    daily_limit = AmountField("Moved in a day")
    weekly_limit = AmountField("Moved in a week")
    override_reason = StringField(
        "Why other rules",
        validators=[
            Length(max=REASON_LENGTH_MAX, message=f"A reason has at most {REASON_LENGTH_MAX} characters.")
        ],
        render_kw={"autocomplete": "off"},
    )
    currency = HiddenField()
    seen_version = IntegerField(
        widget=HiddenInput(), validators=[InputRequired(_DAMAGED), NumberRange(0, 2**62, message=_DAMAGED)]
    )
    idempotency_key = HiddenKey()

    def validate_change_type(self, field: Any) -> None:
        """Only what people may enter by hand."""
        if field.data not in set(_SIGNS):
            raise ValidationError("Choose what to do.")

    def validate_currency(self, field: Any) -> None:
        """A code; whether there is a rule for it is the service's to say."""
        if self.known_currency is None:
            raise ValidationError(_DAMAGED)

    def validate_amount(self, field: Any) -> None:
        """Something must be typed; a sign only where the type does not say it already."""
        if field.data is None:
            raise ValidationError("Enter an amount.")
        kind = self.change_type.data
        if kind in set(_SIGNS) - {ChangeType.ADJUSTMENT} and _STARTS_WITH_SIGN.match(field.raw_data[0]):
            does = "adds" if _SIGNS[kind] > 0 else "takes"
            raise ValidationError(f"Leave the sign out: a {kind} always {does} money.")

    def validate_override_reason(self, field: Any) -> None:
        """Other rules and the reason for them come together."""
        if self.overrides and not field.data:
            raise ValidationError("Say why other rules hold for this change.")
        if field.data and not self.overrides:
            raise ValidationError("Enter the figure that is to hold, or leave this out.")

    def validate_daily_limit(self, field: Any) -> None:
        """A limit has no sign."""
        if (field.data or 0) < 0:
            raise ValidationError("A limit is zero or more.")

    validate_weekly_limit = validate_daily_limit

    @property
    def overrides(self) -> dict[str, int]:
        """Figures that hold for this change instead of the rule's, in minor units; those that were typed."""
        typed = {name: self[name].data for name in OVERRIDABLE if not self[name].errors}
        return {name: figure for name, figure in typed.items() if figure is not None}

    @property
    def has_overrides(self) -> bool:
        """Whether anything was typed about other rules, right or wrong."""
        names = ("override_reason", *OVERRIDABLE)
        return any(self[name].errors or self[name].data not in (None, "") for name in names)

    @property
    def typed_again(self) -> int | None:
        """The amount as it was typed the second time, without its sign; None where it was not."""
        again: int | None = self.amount_again.data
        return None if again is None else abs(again)

    @property
    def known_currency(self) -> str | None:
        """The currency that was sent, if there is such a one."""
        code = self.currency.data or ""
        return code if money.is_currency(code) else None

    @property
    def real_delta(self) -> int:
        """The amount with the sign that the type gives it, in minor units; 0 until one is typed."""
        return _SIGNS.get(self.change_type.data, 1) * (self.amount.data or 0)

    def renew(self, *, seen_version: int, key: bool) -> None:
        """Make it ready to be sent again from what is known now, with a new key where the old is used."""
        self.seen_version.raw_data = None
        self.seen_version.data = seen_version
        if key:
            self.idempotency_key.data = str(uuid4())


class StatusForm(DeskForm):
    """Why a wallet is frozen, unfrozen or closed."""

    scope = "status"

    reason = reason_field()
    idempotency_key = HiddenKey()


class NoteForm(DeskForm):
    """What a member of staff has to say about a player."""

    scope = "note"

    body = TextAreaField(
        "Note",
        validators=[
            InputRequired("Write something first."),
            Length(max=2000, message="A note has at most 2,000 characters."),
        ],
    )


class JournalFilterForm(FilterForm):
    """Which entries of a journal to show; everything may be left out."""

    scope = "journal"
    columns = (
        Column("entry", "Entry", is_usual=False),
        Column("time", "Time"),
        Column("type", "Type", is_fixed=True),
        Column("reason", "Reason"),
        Column("reference", "Reference", is_usual=False),
        Column("by", "By"),
        Column("change", "Change", is_fixed=True),
        Column("after", "Real after"),
        Column("bonus_after", "Bonus after", is_usual=False),
        Column("risk", "Risk", is_usual=False),
    )

    change_type = SelectField("Type", choices=choices("Every type", ChangeType), validate_choice=False)
    direction = SelectField(
        "Direction",
        choices=[choice("", "In and out"), choice("in", "In"), choice("out", "Out")],
        validate_choice=False,
    )
    by = SelectField("Made by", validate_choice=False)
    since = DayField("From", validators=[Optional()])
    until = DayField("To", validators=[Optional()])
    least = AmountField("At least")
    most = AmountField("At most")

    def __init__(self, given: Any, *, currency: str, names: Mapping[int, str]) -> None:
        super().__init__(given)
        self.currency = currency
        self.by.choices = [
            choice("", "Everybody"),
            choice("system", "System"),
            *(choice(f"staff:{key}", name) for key, name in names.items()),
        ]

    def validate_until(self, field: Any) -> None:
        """Not before the first day."""
        if field.data and self.since.data and field.data < self.since.data:
            raise ValidationError("The last day is before the first.")

    def chips(self) -> list[Chip]:
        """What is in force, in words; amounts as they are read."""
        return [Chip(chip.name, self._said(chip)) for chip in super().chips()]

    def _said(self, chip: Chip) -> str:
        value = self.good(chip.name)
        if chip.name in {"least", "most"}:
            return f"{self[chip.name].label.text} {money.show(abs(value), self.currency)}"
        return chip.text
