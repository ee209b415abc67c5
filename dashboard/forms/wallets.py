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
from dashboard.forms.filters import Chip, DayField, FilterForm, choice, choices, spoken
from dashboard.models.wallet import ChangeType

REASON_LENGTH_MAX = 200
_DAMAGED = "This form is damaged: reload the page."
_STARTS_WITH_SIGN = re.compile(r"\s*[-+\u2212]")

# What each type does to the amount that is typed. Only an adjustment is typed with its sign.
_SIGNS = {
    ChangeType.DEPOSIT: 1,
    ChangeType.WITHDRAWAL: -1,
    ChangeType.ADJUSTMENT: 1,
    ChangeType.FEE: -1,
}


def _reason() -> StringField:
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
    reason = _reason()
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

    reason = _reason()


class ReversalForm(DeskForm):
    """Why an entry is undone."""

    scope = "reversal"

    reason = _reason()
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
