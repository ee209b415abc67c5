"""When a report is made by itself, and for whom."""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

from wtforms import IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, StopValidation, ValidationError

from dashboard.errors import Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.filters import choice
from dashboard.models.report import Every, ReportFormat
from dashboard.services import report_schedules
from dashboard.services.report_schedules import Timing

_EVERY = [
    choice(Every.DAY.value, "Every day"),
    choice(Every.WEEK.value, "Every week"),
    choice(Every.MONTH.value, "Every month"),
]
_FORMATS = [choice(each.value, each.value.upper()) for each in ReportFormat]
_WEEKDAYS = [
    choice(str(number), name)
    for number, name in enumerate(
        ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), start=1
    )
]
_DAY = "Enter a day from 1 to 31."
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _of_month(form: Any, field: Any) -> None:
    """What stands there counts for every month alone, and then there must be something."""
    if form.every.data != Every.MONTH or field.data is None:
        field.errors = []
        raise StopValidation(_DAY if form.every.data == Every.MONTH else "")


class ScheduleForm(DeskForm):
    """How often, at what time, as what, for whom."""

    report = SelectField("Report", coerce=int, validators=[InputRequired("Choose a report.")])
    format = SelectField("File", choices=_FORMATS, default=ReportFormat.PDF.value)
    every = SelectField("How often", choices=_EVERY, default=Every.DAY.value)
    weekday = SelectField("Day of the week", coerce=int, choices=_WEEKDAYS, default=1)
    day = IntegerField(
        "Day of the month",
        default=1,
        validators=[_of_month, NumberRange(1, 31, message=_DAY)],
        render_kw={"inputmode": "numeric", "min": 1, "max": 31},
    )
    at = StringField(
        "Time",
        default="06:00",
        validators=[InputRequired("Enter a time, such as 06:00."), Length(max=5, message="Enter 06:00.")],
        render_kw={"type": "time", "autocomplete": "off"},
    )
    mail_to = TextAreaField(
        "Mail to",
        validators=[Length(max=4_000, message="Use at most 4,000 characters.")],
        render_kw={"rows": 2, "spellcheck": "false", "autocomplete": "off"},
    )

    def __init__(self, *args: Any, reports: Sequence[tuple[int, str]], **given: Any) -> None:
        super().__init__(*args, **given)
        self.report.choices = [choice(str(report_id), name) for report_id, name in reports]

    def validate_at(self, field: Any) -> None:
        """WTForms' hook: a time of day."""
        if _time(field.data) is None:
            raise ValidationError("Enter a time, such as 06:00.")

    def validate_mail_to(self, field: Any) -> None:
        """WTForms' hook: addresses, so that they are told beside what else is wrong."""
        try:
            report_schedules.read_recipients(field.data or "")
        except Rejected as refused:
            raise ValidationError(refused.message) from None

    @property
    def timing(self) -> Timing:
        """When it is to be made; for a form that is valid."""
        every, at = Every(self.every.data), _time(self.at.data)
        if at is None:
            raise ValueError("ask a valid form")
        on_day = {Every.DAY: 0, Every.WEEK: self.weekday.data, Every.MONTH: self.day.data}[every]
        return Timing(every, at, on_day)

    @property
    def recipients(self) -> list[str]:
        """To whom it is mailed; for a form that is valid."""
        return report_schedules.read_recipients(self.mail_to.data or "")

    @property
    def file_format(self) -> ReportFormat:
        """As what."""
        return ReportFormat(self.format.data)


def _time(typed: str | None) -> dt.time | None:
    if not _CLOCK.fullmatch(typed or ""):
        return None
    return dt.time.fromisoformat(typed or "")
