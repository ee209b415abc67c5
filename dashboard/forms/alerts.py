"""Which alerts to show, and what one has to say about an alert."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from wtforms import HiddenField, SelectField, TextAreaField
from wtforms.validators import Length

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import FilterForm, choice, choices, people
from dashboard.models.alert import AlertState, AlertType, Severity
from dashboard.queries.alerts import AlertFilter

_AGES = {
    "hour": ("Raised in the last hour", dt.timedelta(hours=1), False),
    "day": ("Raised in the last 24 hours", dt.timedelta(days=1), False),
    "older-day": ("Older than a day", dt.timedelta(days=1), True),
    "older-week": ("Older than a week", dt.timedelta(days=7), True),
}


class AlertFilterForm(FilterForm):
    """State, and what else must hold. `player` is an id; links from a player's page set it."""

    state = SelectField("State", choices=choices("", AlertState), validate_choice=False)
    type = SelectField("Type", choices=choices("Every type", AlertType), validate_choice=False)
    severity = SelectField("Severity", choices=choices("Every severity", Severity), validate_choice=False)
    agent = SelectField("Agent", validate_choice=False)
    age = SelectField(
        "Age",
        choices=[choice("", "Any age"), *(choice(key, age[0]) for key, age in _AGES.items())],
        validate_choice=False,
    )
    player = HiddenField("Player")

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int) -> None:
        super().__init__(given)
        self.agent.choices = people("Every agent", names, me)

    def good(self, name: str) -> Any:
        """The value of a field that is valid, else None; a player's only if it can be an id."""
        found = super().good(name)
        if name == "player" and not (found and found.isascii() and found.isdecimal() and len(found) < 19):
            return None
        return found

    def wanted(self, now: dt.datetime) -> AlertFilter:
        """The same for the query, ages counted from `now`. Call it after `validate`."""
        _label, age, is_older = _AGES.get(self.good("age") or "", ("", None, False))
        edge = now - age if age is not None else None
        return AlertFilter(
            state=self.good("state") or AlertState.OPEN,
            type=self.good("type") or "",
            severity=self.good("severity") or "",
            agent_id=self.chosen_id("agent"),
            raised_before=edge if is_older else None,
            raised_from=None if is_older else edge,
            player_id=self.chosen_id("player"),
        )


class AcknowledgementForm(DeskForm):
    """That one has seen an alert, and what one has to say about it."""

    note = TextAreaField(
        "Note",
        validators=[Length(max=500, message="A note has at most 500 characters.")],
        render_kw={"rows": 3},
    )
    next = HiddenField(validators=[Length(max=2000)])
