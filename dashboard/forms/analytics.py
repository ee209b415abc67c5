"""Which stretch of time, and whose entries, figures are drawn over."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import SelectField

from dashboard.errors import Rejected
from dashboard.forms.filters import DayField, FilterForm, choice, choices, people
from dashboard.models.vip import Level
from dashboard.services import periods
from dashboard.services.periods import Kind, Period

_KINDS = {
    Kind.DAILY: "24 hours",
    Kind.WEEKLY: "7 days",
    Kind.MONTHLY: "30 days",
    Kind.YEARLY: "12 months",
    Kind.CUSTOM: "Other days",
}
USUAL = Kind.MONTHLY


class OverviewForm(FilterForm):
    """By period, currency, agent in charge and VIP level."""

    period = SelectField("Period", choices=[choice(*kind) for kind in _KINDS.items()], validate_choice=False)
    since = DayField("From", validators=[])
    until = DayField("To", validators=[])
    currency = SelectField("Currency", validate_choice=False)
    agent = SelectField("Agent in charge", validate_choice=False)
    level = SelectField("VIP level", choices=choices("Every level", Level), validate_choice=False)

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.agent.choices = [*people("Every agent", names, me), choice("0", "Nobody in charge")]
        self.currency.choices = [choice(code, code) for code in currencies]
        if not self.period.data:
            self.period.data = USUAL.value
        if not self.currency.data:
            self.currency.data = currencies[0]

    @property
    def is_custom(self) -> bool:
        """Whether the days are typed."""
        return bool(self.period.data == Kind.CUSTOM)

    def wanted(self, *, now: dt.datetime, zone: str) -> Period:
        """The period asked for; the usual one where what was typed is none, with the error at its field."""
        kind = Kind(self.good("period") or USUAL)
        if kind != Kind.CUSTOM:
            return periods.named(kind, now=now, zone=zone)
        first, last = self.good("since"), self.good("until")
        if first is None or last is None:
            self._complain("since" if first is None else "until", "Enter both days.")
            return periods.named(USUAL, now=now, zone=zone)
        try:
            return periods.custom(first, last + dt.timedelta(days=1), zone=zone)
        except Rejected as refused:
            self._complain(refused.field or "until", refused.message)
            return periods.named(USUAL, now=now, zone=zone)

    def _complain(self, name: str, message: str) -> None:
        field = self._fields[name]
        field.errors = [*field.errors, message]
