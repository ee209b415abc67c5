"""Which lines of the staff log to show."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from wtforms import SelectField, StringField
from wtforms.validators import Length, Optional

from dashboard.forms.filters import Column, DayField, FilterForm, choice, day_span


class LogFilterForm(FilterForm):
    """By who, by words in action or details, by player, by days of the operator's calendar."""

    columns = (
        Column("time", "Time", is_fixed=True),
        Column("who", "Who"),
        Column("what", "What", is_fixed=True),
        Column("player", "Player"),
        Column("details", "Details"),
        Column("from", "From"),
        Column("request", "Request", is_usual=False),
    )
    q = StringField("Action or details", validators=[Length(max=100)])
    by = SelectField("Who", validate_choice=False)
    player = StringField("Player", validators=[Length(max=100)])
    since = DayField("From", validators=[Optional()])
    until = DayField("To", validators=[Optional()])

    def __init__(self, given: Any, *, names: Mapping[int, str]) -> None:
        super().__init__(given)
        self.by.choices = [
            choice("", "Everybody"),
            *(choice(f"staff:{key}", name) for key, name in names.items()),
            choice("system", "System"),
            choice("anonymous", "Not signed in"),
        ]

    def span(self, timezone: str) -> tuple[dt.datetime | None, dt.datetime | None]:
        """The days that are asked for, as instants. Call it after `validate`."""
        return day_span(self.good("since"), self.good("until"), timezone)
