"""What the pages about one partner share: whose they are, their tabs, and the words of what is agreed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from flask import Flask, url_for
from sqlalchemy.orm import Session

from dashboard import money
from dashboard.forms.partners import percent
from dashboard.models.partner import LossPolicy, StakesCounted
from dashboard.queries import partners as queries
from dashboard.queries import staff
from dashboard.queries.partners import Header
from dashboard.services import partner_example, partner_statements
from dashboard.views import access

STATUS_KINDS = {"active": "ok", "pending": "accent", "suspended": "warn", "blocked": "bad"}
POLICY_WORDS = {
    LossPolicy.PER_ROUND: "Lost rounds never count",
    LossPolicy.PERIOD: "Losses count in the month, and a month never ends below zero",
    LossPolicy.CARRY: "Losses count, and what a month ends below zero goes to the next",
}
COUNTS_WORDS = {StakesCounted.REAL: "Real money", StakesCounted.WHOLE: "Real and bonus money"}


@dataclass(frozen=True)
class Tab:
    """A page about the partner."""

    label: str
    href: str
    current: bool
    count: int = 0


_TABS = (
    ("overview", "Overview", "partners.show"),
    ("earnings", "Earnings", "partner_earnings.index"),
    ("players", "Players", "partners.show_players"),
    ("statements", "Statements", "partner_statements.list_of_partner"),
    ("payouts", "Payouts", "partner_payouts.list_of_partner"),
    ("what-if", "What if", "partner_what_if.show"),
)


def init_app(app: Flask) -> None:
    """Give templates the words of partners."""
    app.jinja_env.filters.update(
        percent=percent,
        status_kind=STATUS_KINDS.get,
        policy_words=POLICY_WORDS.get,
        counts_words=COUNTS_WORDS.get,
        bars=bars,
        month_name=partner_statements.named,
        year_month=lambda month: f"{month:%Y-%m}",
        day_name=lambda day: f"{day.day} {day:%b %Y}",
        whole_units=lambda units, currency: money.plain(money.from_whole(units, currency), currency),
    )
    app.jinja_env.globals.update(of_profit=partner_example.of_profit)


class Bars(NamedTuple):
    """Bars as the paths of a drawing that is 100 high: what is above its base, and what is below."""

    width: int
    base: int
    above: str
    below: str


def bars(values: Sequence[int]) -> Bars | None:
    """A bar for each value, as tall as the largest of them allows; None where all are nothing."""
    most, least = max(0, *values, 0), min(0, *values, 0)
    if most == least:
        return None
    base = 100 * most // (most - least)
    strokes: dict[bool, list[str]] = {True: [], False: []}
    for place, value in enumerate(values):
        if value:
            # At least one hundredth: what is there is seen.
            height = max(1, 100 * abs(value) // (most - least))
            end = max(0, base - height) if value > 0 else min(100, base + height)
            strokes[value > 0].append(f"M{2 * place + 1} {base}V{end}")
    return Bars(2 * len(values), base, "".join(strokes[True]), "".join(strokes[False]))


def get(session: Session, partner_id: int) -> Header:
    """The partner, if whoever asks may see them. Raises NotFound."""
    return queries.get_partner(session, operator_id=access.current_operator().id, partner_id=partner_id)


def frame(session: Session, partner_id: int, tab: str) -> dict[str, Any]:
    """What every page about one partner stands in."""
    partner = get(session, partner_id)
    return {
        "partner": partner,
        "names": staff.names_by_id(session, operator_id=partner.operator_id),
        "tabs": [
            Tab(
                label,
                url_for(endpoint, partner_id=partner_id),
                current=name == tab,
                count=partner.players if name == "players" else 0,
            )
            for name, label, endpoint in _TABS
        ],
    }
