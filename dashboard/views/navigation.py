"""The main navigation: what the role may open, and where one is."""

from dataclasses import dataclass
from typing import NamedTuple

from flask import current_app, request, url_for

from dashboard.services.actors import Actor
from dashboard.views import access


@dataclass(frozen=True)
class Item:
    """A line of the navigation. `count_id` is the element that live updates fill, empty for none."""

    label: str
    href: str
    icon: str
    current: bool
    count_id: str = ""
    count: int = 0


class _Place(NamedTuple):
    label: str
    endpoint: str
    icon: str
    count_id: str = ""


_PLACES = (
    _Place("Desk", "desk.index", icon="layout-dashboard"),
    _Place("Players", "players.index", icon="users"),
    _Place("Alerts", "alerts.index", icon="bell", count_id="alert-count"),
    _Place("VIP rules", "vip.index", icon="crown"),
    _Place("Audit", "audit.index", icon="shield-check"),
    _Place("Earnings", "earnings.index", icon="coins"),
)


def items(actor: Actor) -> list[Item]:
    """The places that this actor may open, in order. Counts are 0: the page that knows them says so."""
    return [
        Item(
            place.label,
            url_for(place.endpoint),
            place.icon,
            current=_is_within(place.endpoint),
            count_id=place.count_id,
        )
        for place in _PLACES
        if _may_open(actor, place.endpoint)
    ]


def _may_open(actor: Actor, endpoint: str) -> bool:
    if endpoint not in current_app.view_functions:
        return False
    permission = access.permission_of(current_app, endpoint)
    return permission is not None and actor.may(permission)


def _is_within(endpoint: str) -> bool:
    """A page belongs to the place of its blueprint."""
    return request.blueprint == endpoint.partition(".")[0]
