"""Which alerts to show, and what one has to say when one does something about them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import DateTimeLocalField, HiddenField, SelectField, StringField, TextAreaField, ValidationError
from wtforms.validators import InputRequired, Length, Optional

from dashboard import clock
from dashboard.errors import Rejected
from dashboard.forms.base import DeskForm
from dashboard.forms.filters import FilterForm, choice, choices, people
from dashboard.models.alert import AlertType, Severity
from dashboard.queries.alerts import AlertFilter, Tab
from dashboard.services.alert_life import AlertKey

SELECTION_MAX = 200
_AGES = {
    "hour": ("Raised in the last hour", dt.timedelta(hours=1), False),
    "day": ("Raised in the last 24 hours", dt.timedelta(days=1), False),
    "older-day": ("Older than a day", dt.timedelta(days=1), True),
    "older-week": ("Older than a week", dt.timedelta(days=7), True),
}
_SOON = {"hour": dt.timedelta(hours=1), "hours": dt.timedelta(hours=4)}
_MORNING = dt.time(8)


class AlertFilterForm(FilterForm):
    """Tab (`state`), and what else must hold. `player` is an id; links from a player's page set it."""

    state = SelectField("State", choices=choices("", Tab), validate_choice=False)
    type = SelectField("Type", choices=choices("Every type", AlertType), validate_choice=False)
    severity = SelectField("Severity", choices=choices("Every severity", Severity), validate_choice=False)
    agent = SelectField("Agent", validate_choice=False)
    assigned = SelectField("Assigned", validate_choice=False)
    age = SelectField(
        "Age",
        choices=[choice("", "Any age"), *(choice(key, age[0]) for key, age in _AGES.items())],
        validate_choice=False,
    )
    player = HiddenField("Player")

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int) -> None:
        super().__init__(given)
        self._me = me
        self.agent.choices = people("Every agent", names, me)
        others = [choice(str(key), name) for key, name in names.items() if key != me]
        self.assigned.choices = [
            choice("", "To whomever"),
            choice("me", "To me"),
            choice("nobody", "To nobody"),
            choice("someone", "To somebody"),
            *others,
        ]

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
        assigned = self.good("assigned") or ""
        return AlertFilter(
            tab=self.good("state") or Tab.OPEN,
            type=self.good("type") or "",
            severity=self.good("severity") or "",
            agent_id=self.chosen_id("agent"),
            is_assigned={"nobody": False, "someone": True}.get(assigned),
            assigned_to=self._me if assigned == "me" else int(assigned) if assigned.isdecimal() else None,
            raised_before=edge if is_older else None,
            raised_from=None if is_older else edge,
            player_id=self.chosen_id("player"),
        )


class ActForm(DeskForm):
    """That one does something about alerts; `next` is where one goes on."""

    next = HiddenField(validators=[Length(max=2000)])


class AcknowledgementForm(ActForm):
    """That one has seen an alert, and what one has to say about it."""

    note = TextAreaField(
        "Note",
        description="What you found or did, for whoever looks next.",
        validators=[Length(max=500, message="A note has at most 500 characters.")],
        render_kw={"rows": 3},
    )


class ResolutionForm(ActForm):
    """That there is nothing more to do, and why."""

    note = TextAreaField(
        "What became of it",
        description="It stands in the alert's life and in the staff log.",
        validators=[
            InputRequired("Say what became of it."),
            Length(max=500, message="A note has at most 500 characters."),
        ],
        render_kw={"rows": 3},
    )


class SnoozeForm(ActForm):
    """Until when, and why."""

    until = SelectField(
        "Until",
        choices=[
            choice("hour", "In an hour"),
            choice("hours", "In 4 hours"),
            choice("tomorrow", "Tomorrow at 08:00"),
            choice("monday", "Monday at 08:00"),
            choice("other", "Another time"),
        ],
    )
    until_at = DateTimeLocalField(
        "Another time",
        description="Only for that choice; within the next 31 days.",
        validators=[Optional()],
    )
    reason = StringField(
        "Reason",
        description="Everybody who opens the alert reads it.",
        validators=[
            InputRequired("Enter a reason."),
            Length(max=200, message="A reason has at most 200 characters."),
        ],
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Another time must be given where it is chosen."""
        valid = super().validate(extra_validators)
        if self.until.data == "other" and not self.until_at.data and not self.until_at.errors:
            self.until_at.errors = ["Choose when it shall come back."]
            return False
        return valid

    def ends_at(self, now: dt.datetime, timezone: str) -> dt.datetime:
        """When it comes back, by the operator's calendar. Call it after `validate`.

        Raises Rejected for a time that their clocks leave out.
        """
        chosen = self.until.data
        if chosen in _SOON:
            return now + _SOON[chosen]
        today = clock.local(now, timezone).date()
        days = 1 if chosen == "tomorrow" else 7 - today.weekday()
        wall = dt.datetime.combine(today + dt.timedelta(days=days), _MORNING)
        if chosen == "other" and self.until_at.data:
            wall = self.until_at.data
        shown = clock.instants(wall, timezone)
        if not shown:
            raise Rejected("The clocks go forward over that time: choose another.", field="until_at")
        return shown[0]


class AssignmentForm(ActForm):
    """Whose it shall be."""

    assignee = SelectField("Who", validate_choice=False, validators=[InputRequired("Choose somebody.")])

    def offer(self, names: Mapping[int, str], me: int) -> None:
        """Whom one can choose."""
        self.assignee.choices = people("Choose somebody", names, me)

    def validate_assignee(self, field: SelectField) -> None:
        """WTForms' hook: only who is offered."""
        offered: list[Any] = list(field.choices or ())
        if field.data not in {one.value for one in offered}:
            raise ValidationError("Choose somebody.")


def read_selection(texts: Sequence[str]) -> list[AlertKey]:
    """The alerts that a form names as `42-7`, player and alert; what cannot be one is left out."""
    keys = []
    for text in dict.fromkeys(texts):
        numbers = text.split("-")
        if len(numbers) == 2 and all(_is_id(number) for number in numbers):
            keys.append(AlertKey(int(numbers[0]), int(numbers[1])))
    return keys


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19
