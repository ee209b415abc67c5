"""The moment as of which a player's page is asked for. It stands in the URL."""

import datetime as dt
import re
from typing import Any

from wtforms import Field, ValidationError
from wtforms.validators import StopValidation
from wtforms.widgets import DateTimeLocalInput

from dashboard import clock
from dashboard.forms.base import DeskForm

# Whole seconds or microseconds; an offset names the instant itself, without one it is the operator's wall.
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)


class MomentField(Field):
    """A moment on the operator's wall, or an instant; `data` is in UTC, or None.

    Of a moment that comes twice, when clocks go back, the first is meant.
    """

    widget = DateTimeLocalInput()
    data: dt.datetime | None

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook; reading waits for `pre_validate`."""
        self.data = None

    def pre_validate(self, form: Any) -> None:
        """Read what was typed, and say what is wrong with it."""
        typed = str(self.raw_data[0]) if self.raw_data else ""
        if typed:
            self.data = _read(typed, form.timezone)

    def _value(self) -> str:
        if self.data is None:
            return str(self.raw_data[0]) if self.raw_data else ""
        wall = clock.local(self.data, self.form.timezone).replace(tzinfo=None)
        return wall.isoformat(timespec="seconds" if wall.second else "minutes")

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.form: Any = given.get("_form")


class PastForm(DeskForm):
    """As of when; `now` and the zone are whose page it is."""

    scope = "past"

    class Meta(DeskForm.Meta):
        """Reading needs no token."""

        csrf = False

    as_of = MomentField("As of")

    def __init__(self, given: Any, *, timezone: str, now: dt.datetime) -> None:
        self.timezone, self.now = timezone, now
        super().__init__(given)

    def validate_as_of(self, field: Any) -> None:
        """Something that has been."""
        if field.data is None:
            raise ValidationError("Enter a day and a time.")
        if field.data > self.now:
            raise ValidationError("That has not come yet: choose a moment that is over.")


def _read(typed: str, timezone: str) -> dt.datetime:
    text = typed.replace(" ", "+")  # a plus that was not escaped in an address
    if not _MOMENT.fullmatch(text):
        raise StopValidation("Enter a day and a time, such as 2026-11-01T12:00.")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise StopValidation("There is no such day or time.") from None
    if not 1970 < moment.year <= 9000:
        raise StopValidation("Enter a moment of our time.")
    if moment.tzinfo is not None:
        return moment.astimezone(dt.UTC)
    told = clock.instants(moment, timezone)
    if not told:
        raise StopValidation(
            f"{moment:%H:%M} did not come on {moment.day} {moment:%b %Y}: the clocks went forward over it."
        )
    return told[0]
