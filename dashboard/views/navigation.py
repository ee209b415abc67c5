"""The main navigation: what the role may open, and where one is."""

from dataclasses import dataclass
from typing import NamedTuple

from flask import current_app, request, url_for

from dashboard import db
from dashboard.queries import navigation as queries
from dashboard.services.actors import Actor
from dashboard.views import access


@dataclass(frozen=True)
class Item:
    """A line of the navigation."""

    label: str
    href: str
    icon: str
    current: bool
    counts_alerts: bool
    """The number of open alerts stands beside it and follows what happens."""


class _Place(NamedTuple):
    label: str
    endpoint: str
    icon: str
    parts: tuple[str, ...] = ()
    """Other blueprints whose pages belong to this place."""


_PLACES = (
    _Place("Desk", "desk.index", icon="layout-dashboard"),
    _Place("Players", "player_list.index", icon="users", parts=("players", "wallets")),
    _Place("Alerts", "alerts.index", icon="bell"),
    _Place("VIP rules", "vip_rules.index", icon="crown"),
    _Place("Audit", "audit.index", icon="shield-check"),
    _Place("Earnings", "earnings.index", icon="coins"),
)


def items(actor: Actor) -> list[Item]:
    """The places that this actor may open, in order. Asks nothing of the database."""
    return [
        Item(
            place.label,
            url_for(place.endpoint),
            place.icon,
            current=_is_within(place),
            counts_alerts=place.endpoint == "alerts.index",
        )
        for place in _PLACES
        if _may_open(actor, place.endpoint)
    ]


def open_alerts() -> str:
    """How many alerts nobody has seen, as the navigation says it; empty for none. One statement."""
    with db.reading() as session:
        count = queries.count_open_alerts(session, operator_id=access.current_operator().id)
    if count >= queries.COUNT_MAX:
        return f"{queries.COUNT_MAX - 1}+"
    return str(count or "")


def _may_open(actor: Actor, endpoint: str) -> bool:
    if endpoint not in current_app.view_functions:
        return False
    permission = access.permission_of(current_app, endpoint)
    return permission is not None and actor.may(permission)


def _is_within(place: _Place) -> bool:
    """A page belongs to the place of its blueprint."""
    return request.blueprint in {place.endpoint.partition(".")[0], *place.parts}
