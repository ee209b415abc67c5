"""Which odd entries and hours to show, and what one says of one."""

from typing import Any

from wtforms import HiddenField, IntegerField, RadioField, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import DayField, FilterForm, choice, choices, day_span
from dashboard.models.anomaly import Mark, SeriesName
from dashboard.models.wallet import ChangeType
from dashboard.queries.anomalies import AnomalyFilter, HourFilter, Tab
from dashboard.services.anomalies import SAYS

_TABS = {
    Tab.OPEN: "To look at",
    Tab.AMISS: "Something was wrong",
    Tab.IN_ORDER: "In order",
    Tab.ALL: "All",
}
_NOTE = "A note has at most 500 characters."


class AnomalyFilterForm(FilterForm):
    """Tab (`state`), and what else must hold. `player` is an id; links from a player's page set it."""

    state = SelectField("State", choices=[choice(*tab) for tab in _TABS.items()], validate_choice=False)
    type = SelectField("Type", choices=choices("Every type", ChangeType), validate_choice=False)
    least = IntegerField(
        "Score from",
        validators=[Optional(), NumberRange(0, 100, message="Enter a score from 0 to 100.")],
        render_kw={"inputmode": "numeric"},
    )
    since = DayField("From", validators=[Optional()])
    until = DayField("To", validators=[Optional()])
    player = HiddenField("Player")

    def good(self, name: str) -> Any:
        """The value of a field that is valid, else None; a player's only if it can be an id."""
        found = super().good(name)
        if name == "player" and not (found and found.isascii() and found.isdecimal() and len(found) < 19):
            return None
        return found

    def wanted(self, timezone: str) -> AnomalyFilter:
        """The same for the query, by the operator's days. Call it after `validate`."""
        since, until = day_span(self.good("since"), self.good("until"), timezone)
        return AnomalyFilter(
            tab=self.good("state") or Tab.OPEN,
            change_type=self.good("type") or "",
            least=self.good("least"),
            since=since,
            until=until,
            player_id=self.chosen_id("player"),
        )


class HourFilterForm(FilterForm):
    """Which total, whether somebody has looked, and of which days."""

    series = SelectField("Total", choices=choices("Every total", SeriesName), validate_choice=False)
    state = SelectField(
        "State",
        choices=[choice("", "All"), choice("open", "To look at"), choice("seen", "Looked at")],
        validate_choice=False,
    )
    since = DayField("From", validators=[Optional()])
    until = DayField("To", validators=[Optional()])

    def wanted(self, timezone: str) -> HourFilter:
        """The same for the query, by the operator's days. Call it after `validate`."""
        since, until = day_span(self.good("since"), self.good("until"), timezone)
        return HourFilter(
            series=self.good("series") or "",
            is_seen={"open": False, "seen": True}.get(self.good("state") or ""),
            since=since,
            until=until,
        )


class MarkForm(DeskForm):
    """What one found when one looked at an entry. `was`: the mark that one saw; `next`: where one goes on."""

    said = RadioField(
        "What was it?",
        choices=[choice(mark.value, says) for mark, says in SAYS.items()],
        validators=[InputRequired("Choose what it was.")],
    )
    note = TextAreaField(
        "Note",
        description="What you found, for whoever looks next.",
        validators=[Length(max=500, message=_NOTE)],
        render_kw={"rows": 3},
    )
    was = HiddenField()
    next = HiddenField(validators=[Length(max=2000)])

    @property
    def mark(self) -> Mark:
        """What was chosen. Call it after `validate`."""
        return Mark(self.said.data)

    @property
    def before(self) -> Mark | None:
        """The mark that one saw."""
        return next((mark for mark in Mark if mark == self.was.data), None)


class SeenForm(DeskForm):
    """That one has looked into an odd hour, and what it was."""

    note = TextAreaField(
        "What it was",
        description="For whoever looks next.",
        validators=[Length(max=500, message=_NOTE)],
        render_kw={"rows": 3},
    )
    next = HiddenField(validators=[Length(max=2000)])
