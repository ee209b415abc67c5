"""Which of the recent changes to show."""

from collections.abc import Mapping
from typing import Any

from wtforms import SelectField

from dashboard.forms.filters import Column, FilterForm, choice, choices, people
from dashboard.models.wallet import ChangeType


class RecentFilterForm(FilterForm):
    """By type, by who is in charge of the player, by who made it."""

    columns = (
        Column("time", "Time", is_fixed=True),
        Column("player", "Player", is_fixed=True),
        Column("external_id", "External id", is_usual=False),
        Column("type", "Type"),
        Column("reason", "Reason"),
        Column("by", "By"),
        Column("change", "Change", is_fixed=True),
        Column("after", "Real after"),
        Column("risk", "Risk", is_usual=False),
    )
    change_type = SelectField("Type", choices=choices("Every type", ChangeType), validate_choice=False)
    agent = SelectField("Agent in charge", validate_choice=False)
    by = SelectField("Made by", validate_choice=False)

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int) -> None:
        super().__init__(given)
        self.agent.choices = people("Every agent", names, me)
        self.by.choices = [
            choice("", "Everybody"),
            choice("system", "System"),
            *(choice(f"staff:{key}", name) for key, name in names.items()),
        ]
