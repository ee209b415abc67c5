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
USUAL_MONTHS = 12
ALL = "all"
"""All currencies, in the operator's own."""


class PeriodForm(FilterForm):
    """By period and currency."""

    period = SelectField("Period", choices=[choice(*kind) for kind in _KINDS.items()], validate_choice=False)
    since = DayField("From", validators=[])
    until = DayField("To", validators=[])
    currency = SelectField("Currency", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [choice(code, code) for code in currencies]
        if not self.period.data:
            self.period.data = USUAL.value
        if not self.currency.data and currencies:
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
            self.complain("since" if first is None else "until", "Enter both days.")
            return periods.named(USUAL, now=now, zone=zone)
        try:
            return periods.custom(first, last + dt.timedelta(days=1), zone=zone)
        except Rejected as refused:
            self.complain(refused.field or "until", refused.message)
            return periods.named(USUAL, now=now, zone=zone)

    def complain(self, name: str, message: str) -> None:
        """Say at a field what is wrong with it."""
        field = self._fields[name]
        field.errors = [*field.errors, message]


class OverviewForm(PeriodForm):
    """Also by agent in charge and VIP level, and in all currencies at once."""

    agent = SelectField("Agent in charge", validate_choice=False)
    level = SelectField("VIP level", choices=choices("Every level", Level), validate_choice=False)

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int, currencies: Sequence[str]) -> None:
        super().__init__(given, currencies=currencies)
        self.agent.choices = [*people("Every agent", names, me), choice("0", "Nobody in charge")]
        if len(currencies) > 1:
            codes = [choice(code, code) for code in currencies]
            self.currency.choices = [*codes, choice(ALL, f"All, in {currencies[0]}")]

    @property
    def is_converted(self) -> bool:
        """Whether all currencies are asked for, at each day's rate."""
        return bool(self.good("currency") == ALL)


class MonthsForm(FilterForm):
    """How many months back, the present one included."""

    months = SelectField(
        "Months",
        choices=[choice(str(count), f"{count} months") for count in (3, 6, 12, 24, 60)],
        validate_choice=False,
    )
    currency = SelectField("Currency", validate_choice=False)

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        self.currency.choices = [choice(code, code) for code in currencies]
        if not self.months.data:
            self.months.data = str(USUAL_MONTHS)
        if not self.currency.data and currencies:
            self.currency.data = currencies[0]

    @property
    def count(self) -> int:
        """How many months are asked for; the usual number where what was typed is none."""
        return int(self.good("months") or USUAL_MONTHS)
