"""Which requests to show, and what one decides about a request."""

from collections.abc import Mapping
from typing import Any

from wtforms import HiddenField, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import FilterForm, choices, people
from dashboard.models.change_request import RequestKind, RequestState
from dashboard.queries.approvals import STATES, RequestFilter

APPROVE, DECLINE = "approve", "decline"


class RequestFilterForm(FilterForm):
    """State, and what else must hold. `player` is an id; links from a player's page set it."""

    state = SelectField("State", choices=choices("", STATES), validate_choice=False)
    kind = SelectField("What", choices=choices("Every kind", RequestKind), validate_choice=False)
    who = SelectField("Asked for by", validate_choice=False)
    player = HiddenField("Player")

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int) -> None:
        super().__init__(given)
        self.who.choices = people("Everybody", names, me)

    def good(self, name: str) -> Any:
        """The value of a field that is valid, else None; a player's only if it can be an id."""
        found = super().good(name)
        if name == "player" and not (found and found.isascii() and found.isdecimal() and len(found) < 19):
            return None
        return found

    def wanted(self, *, only_of: int | None) -> RequestFilter:
        """The same for the query. Call it after `validate`."""
        return RequestFilter(
            state=self.good("state") or RequestState.WAITING,
            kind=self.good("kind") or "",
            requested_by=self.chosen_id("who"),
            player_id=self.chosen_id("player"),
            only_of=only_of,
        )


class DecisionForm(DeskForm):
    """Yes or no, and why. The button that sends it says which."""

    scope = "decision"

    decision = HiddenField()
    """Of the button that was pressed."""
    reason = StringField(
        "Reason",
        validators=[
            InputRequired("Enter a reason."),
            Length(max=200, message="A reason has at most 200 characters."),
        ],
        render_kw={"autocomplete": "off"},
    )

    def validate_decision(self, field: Any) -> None:
        """One of the two buttons."""
        if field.data not in {APPROVE, DECLINE}:
            raise ValidationError("Approve or decline.")
