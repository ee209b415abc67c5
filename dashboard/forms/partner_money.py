"""What staff type about partners' earnings, statements and payouts."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import DayField, FilterForm, choice, choices
from dashboard.forms.partners import PercentField, reason_field
from dashboard.models.partner_money import EarningState, PayoutState, StatementState
from dashboard.queries.partner_figures import EarningFilter
from dashboard.queries.partner_money import OPEN_PAYOUTS, MoneyFilter
from dashboard.services.partner_payouts import REFERENCE_MAX

_MONTH = "%Y-%m"
APPROVE, DECLINE = "approve", "decline"


class EarningFilterForm(FilterForm):
    """Which earnings of a partner to show."""

    state = SelectField("State", choices=choices("Every state", EarningState), validate_choice=False)
    currency = SelectField("Currency", validate_choice=False)
    game = SelectField("Game", validate_choice=False)
    since = DayField("From")
    until = DayField("Until")
    statement = HiddenField("Statement")

    def __init__(self, given: Any, *, currencies: Sequence[str], games: Mapping[int, str]) -> None:
        super().__init__(given)
        self.currency.choices = [
            choice("", "Every currency"),
            *(choice(code, code) for code in currencies),
        ]
        self.game.choices = [
            choice("", "Every game"),
            *(choice(str(key), name) for key, name in games.items()),
        ]

    def good(self, name: str) -> Any:
        """The value of a field that is valid, else None; a statement's only if it can be an id."""
        found = super().good(name)
        if name == "statement" and not _is_id(found):
            return None
        return found

    def wanted(self) -> EarningFilter:
        """The same for the query. Call it after `validate`."""
        return EarningFilter(
            state=self.good("state") or "",
            currency=self.good("currency") or "",
            game_id=self.chosen_id("game"),
            since=self.good("since"),
            until=self.good("until"),
            statement_id=self.chosen_id("statement"),
        )


class StatementFilterForm(FilterForm):
    """Which statements to show."""

    state = SelectField("State", choices=choices("Every state", StatementState), validate_choice=False)
    currency = SelectField("Currency", validate_choice=False)
    month = StringField("Month", render_kw={"type": "month"})

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [
            choice("", "Every currency"),
            *(choice(code, code) for code in currencies),
        ]

    def validate_month(self, field: Any) -> None:
        """A month as `2026-11`."""
        if field.data and read_month(field.data) is None:
            raise ValidationError("Enter a month such as 2026-11.")

    def wanted(self) -> MoneyFilter:
        """The same for the query. Call it after `validate`."""
        state = self.good("state")
        return MoneyFilter(
            states=(state,) if state else (),
            currency=self.good("currency") or "",
            month=read_month(self.good("month") or ""),
        )


class PayoutFilterForm(FilterForm):
    """Which payouts to show."""

    ALL = "all"
    state = SelectField(
        "State",
        choices=[
            choice("", "Open"),
            choice(PayoutState.REQUESTED, "Requested"),
            choice(PayoutState.APPROVED, "Approved"),
            choice(PayoutState.PAID, "Paid"),
            choice(PayoutState.REJECTED, "Rejected"),
            choice(ALL, "All"),
        ],
        validate_choice=False,
    )
    currency = SelectField("Currency", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [
            choice("", "Every currency"),
            *(choice(code, code) for code in currencies),
        ]

    def wanted(self) -> MoneyFilter:
        """The same for the query. Call it after `validate`."""
        state = self.good("state")
        states = () if state == self.ALL else (state,) if state else OPEN_PAYOUTS
        return MoneyFilter(states=states, currency=self.good("currency") or "")


class MonthForm(DeskForm):
    """A month that is to be closed."""

    month = StringField("Month", validators=[InputRequired("Choose a month.")], render_kw={"type": "month"})

    def validate_month(self, field: Any) -> None:
        """A month as `2026-11`."""
        if read_month(field.data or "") is None:
            raise ValidationError("Enter a month such as 2026-11.")

    def chosen(self) -> dt.date:
        """Its first day. Call it when it is valid, or ValueError."""
        month = read_month(self.month.data or "")
        if month is None:
            raise ValueError("no month was chosen")
        return month


class RejectionForm(DeskForm):
    """Why earnings or a payout are rejected."""

    scope = "rejection"

    reason = reason_field()


class DecisionForm(DeskForm):
    """Yes or no to a statement, and why. The button that sends it says which."""

    scope = "decision"

    decision = HiddenField()
    reason = reason_field()

    def validate_decision(self, field: Any) -> None:
        """One of the two buttons."""
        if field.data not in {APPROVE, DECLINE}:
            raise ValidationError("Approve or decline.")


class ReferenceForm(DeskForm):
    """By which payment a payout was paid."""

    scope = "payment"

    reference = StringField(
        "Reference of the payment",
        validators=[
            InputRequired("Enter the reference of the payment."),
            Length(max=REFERENCE_MAX, message=f"A reference has at most {REFERENCE_MAX} characters."),
        ],
        render_kw={"autocomplete": "off", "spellcheck": "false"},
    )


class WhatIfForm(FilterForm):
    """Other terms for a closed month. Sent by GET: nothing comes of it."""

    month = SelectField("Month", validate_choice=False)
    share = PercentField("Share")
    rate = PercentField("Rate")

    def __init__(self, given: Any, *, months: Mapping[str, str], share_bp: int, rate_bp: int) -> None:
        super().__init__(given)
        self.month.choices = [choice(key, name) for key, name in months.items()]
        for field, agreed in ((self.share, share_bp), (self.rate, rate_bp)):
            if field.name not in given:
                field.data = agreed


def read_month(typed: str) -> dt.date | None:
    """The first day of `2026-11`; None for what is no month of our time."""
    try:
        found = dt.datetime.strptime(typed, _MONTH).date()  # noqa: DTZ007 - of the calendar
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def _is_id(found: Any) -> bool:
    return bool(found) and str(found).isascii() and str(found).isdecimal() and len(str(found)) < 19
