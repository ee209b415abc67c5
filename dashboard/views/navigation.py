"""The main navigation: what the role may open, and where one is."""

from dataclasses import dataclass
from typing import NamedTuple

from flask import current_app, request, url_for

from dashboard import clock, db
from dashboard.queries import approvals, partner_money
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
    counts_requests: bool
    """So does the number of requests that this person may decide."""
    counts_partners: bool
    """So does the number of statements and payouts of partners that this person may decide."""


class _Place(NamedTuple):
    label: str
    endpoint: str
    icon: str
    parts: tuple[str, ...] = ()
    """Other blueprints whose pages belong to this place."""
    otherwise: str = ""
    """Where it leads for those who may not open the first page of it."""


_PLACES = (
    _Place("Desk", "desk.index", icon="layout-dashboard"),
    _Place(
        "Players",
        "player_list.index",
        icon="users",
        parts=("analytics_player", "players", "wallets", "bonuses"),
    ),
    _Place("Alerts", "alerts.index", icon="bell", parts=("alert_acts",)),
    _Place("Approvals", "approvals.index", icon="checks", parts=("points_requests", "round_requests")),
    _Place(
        "Analytics",
        "analytics.index",
        icon="chart-bar",
        parts=("analytics_agents", "analytics_games", "analytics_liability", "anomalies"),
        otherwise="anomalies.index",
    ),
    _Place(
        "Reports",
        "reports.index",
        icon="report-analytics",
        parts=("player_reports", "report_runs", "report_schedules"),
    ),
    _Place("Withdrawals", "movements.index", icon="cash"),
    _Place("Bulk", "bulk.index", icon="table-import"),
    _Place("Games", "games.index", icon="cards", parts=("live_round", "rounds", "round_acts", "rule_sets")),
    _Place("Bonus offers", "bonus_offers.index", icon="gift"),
    _Place(
        "Loyalty",
        "loyalty.index",
        icon="award",
        parts=(
            "loyalty_imports",
            "loyalty_lists",
            "loyalty_tiers",
            "member_acts",
            "member_entry_acts",
            "member_status",
            "members",
        ),
    ),
    _Place(
        "Partners",
        "partners.index",
        icon="heart-handshake",
        parts=(
            "partner_contracts",
            "partner_earnings",
            "partner_payouts",
            "partner_statements",
            "partner_users",
            "partner_what_if",
        ),
    ),
    _Place("VIP rules", "vip_rules.index", icon="crown"),
    _Place("Audit", "audit.index", icon="shield-check"),
    _Place("Staff", "staff.index", icon="users-group"),
    _Place("Settings", "settings.index", icon="settings"),
    _Place("Overview", "earnings.index", icon="layout-dashboard"),
    _Place("Earnings", "earnings_lists.list_rounds", icon="coins"),
    _Place("Statements", "earnings_statements.index", icon="file-text"),
    _Place("Payouts", "earnings_payouts.index", icon="cash"),
    _Place("Profile", "earnings_profile.show", icon="id"),
)


def items(actor: Actor) -> list[Item]:
    """The places that this actor may open, in order. Asks nothing of the database."""
    return [
        Item(
            place.label,
            url_for(endpoint),
            place.icon,
            current=_is_within(place),
            counts_alerts=place.endpoint == "alerts.index",
            counts_requests=place.endpoint == "approvals.index" and actor.may("approvals:decide"),
            counts_partners=place.endpoint == "partners.index" and actor.may("partners:approve"),
        )
        for place in _PLACES
        if (endpoint := _opened(actor, place))
    ]


def requests_to_decide() -> str:
    """How many requests wait for whoever asks, as the navigation says it; empty for none. One statement."""
    who = access.current_actor()
    with db.reading() as session:
        count = approvals.count_to_decide(
            session,
            operator_id=who.operator_id,
            login_id=who.id,
            now=clock.now(),
            at_most=queries.COUNT_MAX,
        )
    return f"{queries.COUNT_MAX - 1}+" if count >= queries.COUNT_MAX else str(count or "")


def partners_to_decide() -> str:
    """How many statements and payouts wait for whoever asks; empty for none. One statement."""
    who = access.current_actor()
    with db.reading() as session:
        waiting = partner_money.count_waiting(session, operator_id=who.operator_id, login_id=who.id)
    count = waiting.statements + waiting.payouts
    return f"{queries.COUNT_MAX - 1}+" if count >= queries.COUNT_MAX else str(count or "")


class AlertCount(NamedTuple):
    """What the navigation says of open alerts."""

    words: str
    """Empty for none."""
    wakes_in: int | None
    """In how many seconds a snoozed one comes back by itself."""


def open_alerts() -> AlertCount:
    """How many alerts nobody has seen; what is snoozed is not counted. One statement."""
    operator_id, now = access.current_operator().id, clock.now()
    with db.reading() as session:
        found = queries.count_open_alerts(session, operator_id=operator_id, now=now)
    is_many = found.count >= queries.COUNT_MAX
    words = f"{queries.COUNT_MAX - 1}+" if is_many else str(found.count or "")
    return AlertCount(words, int((found.wakes_at - now).total_seconds()) if found.wakes_at else None)


def may_open(actor: Actor, endpoint: str) -> bool:
    """Whether there is such a page and this actor may see it."""
    if endpoint not in current_app.view_functions:
        return False
    permission = access.permission_of(current_app, endpoint)
    return permission is not None and actor.may(permission)


def _opened(actor: Actor, place: _Place) -> str:
    """The page of a place that this actor begins with; empty where they may open none."""
    pages = (place.endpoint, place.otherwise)
    return next((page for page in pages if page and may_open(actor, page)), "")


def _is_within(place: _Place) -> bool:
    """A page belongs to the place of its blueprint."""
    return request.blueprint in {place.endpoint.partition(".")[0], *place.parts}
