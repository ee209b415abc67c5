"""Which players to show."""

from collections.abc import Mapping
from typing import Any, ClassVar

from wtforms import BooleanField, SelectField, StringField
from wtforms.validators import Length

from dashboard.forms.filters import Column, FilterForm, choices, people
from dashboard.models.vip import Level
from dashboard.models.wallet import WalletStatus
from dashboard.queries.player_list import Order, PlayerFilter


class PlayerFilterForm(FilterForm):
    """What is searched for, and what else must hold."""

    orders: ClassVar[Mapping[str, str]] = {
        Order.NEWEST: "Newest first",
        Order.OLDEST: "Oldest first",
        Order.NAME: "Name, A to Z",
        Order.NAME_BACKWARDS: "Name, Z to A",
        Order.RICHEST: "Largest real balance first",
        Order.POOREST: "Smallest real balance first",
        Order.LATEST_CHANGE: "Last change first",
        Order.EARLIEST_CHANGE: "Longest unchanged first",
    }
    columns = (
        Column("name", "Player", is_fixed=True),
        Column("external_id", "External id"),
        Column("email", "E-mail", is_usual=False),
        Column("status", "Status"),
        Column("level", "Level"),
        Column("agent", "Agent"),
        Column("real", "Real"),
        Column("bonus", "Bonus"),
        Column("changed", "Last change"),
        Column("alerts", "Alerts"),
    )
    q = StringField("Search", validators=[Length(max=200)])
    status = SelectField("Status", choices=choices("Every status", WalletStatus), validate_choice=False)
    level = SelectField("VIP level", choices=choices("Every level", Level), validate_choice=False)
    agent = SelectField("Agent", validate_choice=False)
    alerts = BooleanField("With open alerts")

    def __init__(self, given: Any, *, names: Mapping[int, str], me: int) -> None:
        super().__init__(given)
        self.agent.choices = people("Every agent", names, me)

    def wanted(self) -> PlayerFilter:
        """The same for the query. Call it after `validate`."""
        return PlayerFilter(
            search=self.good("q") or "",
            status=self.good("status") or "",
            level=self.good("level") or "",
            agent_id=self.chosen_id("agent"),
            has_alerts=bool(self.good("alerts")),
            order=Order(self.order),
        )
