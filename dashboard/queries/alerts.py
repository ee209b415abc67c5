"""The inbox of alerts, the alerts of a player, and one alert with its life."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    String,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
)
from sqlalchemy.orm import Session, aliased

from dashboard import permissions
from dashboard.errors import NotFound
from dashboard.models import Alert, Login, Player
from dashboard.models.alert import AlertState
from dashboard.models.login import Role
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place
from dashboard.services.alert_life import AlertKey

COUNT_MAX = 10_000
OF_PLAYER_MAX = 100


Rows = Select[*tuple[Any, ...]]


class Tab(StrEnum):
    """A part of the inbox. What is snoozed stands neither among the open nor among the acknowledged."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; what is empty does not matter."""

    tab: str = Tab.OPEN
    type: str = ""
    severity: str = ""
    agent_id: int | None = None
    """Who is in charge of the player now."""
    is_assigned: bool | None = None
    assigned_to: int | None = None
    raised_before: dt.datetime | None = None
    raised_from: dt.datetime | None = None
    player_id: int | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert with the names of who had to do with it.

    `peak` and `threshold` are in the unit of the type (see the model).
    """

    id: int
    player_id: int
    player_name: str
    external_id: str
    agent: str | None
    """Name of whoever is in charge of the player now."""
    currency: str
    type: str
    severity: str
    state: str
    hits: int
    peak: int
    threshold: int
    sequence: int | None
    raised_at: dt.datetime
    last_hit_at: dt.datetime
    acknowledged_by: str | None
    """A name, as all that follow."""
    acknowledged_at: dt.datetime | None
    note: str | None
    assigned_id: int | None
    assigned_to: str | None
    assigned_at: dt.datetime | None
    taken_at: dt.datetime | None
    snoozed_until: dt.datetime | None
    snooze_reason: str | None
    snoozed_by: str | None
    is_snoozed: bool
    """Whether it is out of the inbox at the moment asked for."""
    resolved_by: str | None
    """None where it has come back by itself, and where it is not resolved."""
    resolved_at: dt.datetime | None
    resolution: str | None

    @property
    def key(self) -> str:
        """How a form names it among others: `42-7`, player and alert."""
        return f"{self.player_id}-{self.id}"


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """Something that happened to an alert."""

    at: dt.datetime
    action: str
    """What staff did, as in the staff log without `alert.`; or `raised`, `hit`, `came_back`, by nobody."""
    who: str | None = None
    """A name; None where nobody did it."""
    said: str | None = None
    """The note or the reason."""
    to: str | None = None
    """Whom it was assigned to."""
    until: dt.datetime | None = None
    """When the snooze ends."""


_KEY = (Alert.last_hit_at, Alert.player_id, Alert.id)


def page_of_alerts(
    session: Session,
    *,
    operator_id: int,
    wanted: AlertFilter,
    now: dt.datetime,
    after: str = "",
    through: str = "",
) -> Page[AlertRow]:
    """Alerts of one tab, last hit first; `after`, `through`: see `paging`."""
    chosen = _latest_first(operator_id, wanted, now)
    key = tuple_(*_KEY)

    def fetch(after: Place | None, through: Place | None, limit: int) -> list[AlertRow]:
        rows = chosen
        if after is not None:
            rows = rows.where(key < tuple_(*map(literal, after)))
        if through is not None:
            rows = rows.where(key >= tuple_(*map(literal, through)))
        return _read(session, _named(rows.limit(limit), now))

    return paging.gather(
        fetch,
        lambda row: paging.write(row.last_hit_at, row.player_id, row.id),
        after=paging.read(after, dt.datetime, int, int),
        through=paging.read(through, dt.datetime, int, int),
    )


def all_alerts(*, operator_id: int, wanted: AlertFilter, now: dt.datetime) -> Listing[AlertRow]:
    """Every one of them."""
    return Listing(_named(_latest_first(operator_id, wanted, now), now), lambda row: AlertRow(*row))


def count_by_tab(
    session: Session, *, operator_id: int, wanted: AlertFilter, now: dt.datetime
) -> dict[str, int]:
    """How many alerts of each tab fit the other filters, up to COUNT_MAX + 1 each. One statement."""
    counts = []
    for tab in Tab:
        ids: Rows = select(Alert.id)
        some = _filtered(ids, operator_id, replace(wanted, tab=tab), now).limit(COUNT_MAX + 1).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return dict(zip(Tab, session.execute(select(*counts)).one(), strict=True))


def get_alert(
    session: Session, *, operator_id: int, player_id: int, alert_id: int, now: dt.datetime
) -> AlertRow:
    """One alert. Raises NotFound."""
    rows = list_by_key(session, operator_id=operator_id, keys=[AlertKey(player_id, alert_id)], now=now)
    if not rows:
        raise NotFound("There is no such alert.")
    return rows[0]


def list_by_key(
    session: Session, *, operator_id: int, keys: Sequence[AlertKey], now: dt.datetime
) -> list[AlertRow]:
    """Those of these alerts that there are, last hit first."""
    chosen = select(Alert).where(
        Alert.operator_id == operator_id, tuple_(Alert.player_id, Alert.id).in_(keys)
    )
    return _read(session, _named(chosen, now))


def list_unresolved_of(
    session: Session, *, operator_id: int, player_id: int, now: dt.datetime
) -> list[AlertRow]:
    """A player's alerts that are not resolved, in every currency, the gravest first."""
    of_player = Alert.operator_id == operator_id, Alert.player_id == player_id
    chosen = select(Alert).where(*of_player, Alert.state != AlertState.RESOLVED)
    return sorted(_read(session, _named(chosen, now)), key=lambda alert: alert.severity)


def list_latest_of(session: Session, *, operator_id: int, player_id: int, now: dt.datetime) -> list[AlertRow]:
    """A player's last hundred alerts: those that are not resolved first, each group latest first."""
    chosen = (
        select(Alert)
        .where(Alert.operator_id == operator_id, Alert.player_id == player_id)
        .order_by(Alert.state == AlertState.RESOLVED, *(key.desc() for key in _KEY))
        .limit(OF_PLAYER_MAX)
    )
    return sorted(_read(session, _named(chosen, now)), key=lambda alert: alert.state == AlertState.RESOLVED)


_LOGGED = text("""
SELECT s.logged_at, s.action, coalesce(l.name, s.performed_by) AS who, s.details
FROM staff_log s
LEFT JOIN logins l ON s.performed_by = 'staff:' || l.id
WHERE s.player_id = :player_id AND s.operator_id = :operator_id AND s.action LIKE 'alert.%'
  AND (s.details::jsonb ->> 'alert')::bigint = :id
ORDER BY s.id
""")


def life_of(session: Session, *, operator_id: int, alert: AlertRow) -> list[LifeEvent]:
    """What happened to an alert, in the order of time; of its hits the first and the last."""
    scope = {"player_id": alert.player_id, "operator_id": operator_id, "id": alert.id}
    events = [LifeEvent(alert.raised_at, "raised")]
    if alert.hits > 1:
        events.append(LifeEvent(alert.last_hit_at, "hit"))
    events += [_life_event(row) for row in session.execute(_LOGGED, scope)]
    if alert.resolved_at is not None and alert.resolved_by is None:
        events.append(LifeEvent(alert.resolved_at, "came_back"))
    return sorted(events, key=lambda event: event.at)


def _life_event(row: Row[Any]) -> LifeEvent:
    details = json.loads(row.details)
    until = details.get("until")
    return LifeEvent(
        row.logged_at,
        row.action.removeprefix("alert."),
        row.who,
        said=details.get("note") or details.get("reason"),
        to=details.get("name"),
        until=dt.datetime.fromisoformat(until) if until else None,
    )


def names_of_handlers(session: Session, *, operator_id: int) -> dict[int, str]:
    """Whom alerts can be assigned to, by login id, in the order of their names."""
    roles = [role for role in Role if permissions.allows(role, "alerts:handle")]
    rows = session.execute(
        select(Login.id, Login.name)
        .where(Login.operator_id == operator_id, Login.active, Login.role.in_(roles))
        .order_by(Login.name, Login.id)
    )
    return {row.id: row.name for row in rows}


def find_player_name(session: Session, *, operator_id: int, player_id: int) -> str | None:
    """The name of one player, for the filter that is on; None where there is no such player."""
    return session.scalar(
        select(Player.name).where(Player.id == player_id, Player.operator_id == operator_id)
    )


def is_awake(now: dt.datetime) -> ColumnElement[bool]:
    """Whether an alert is not snoozed at that moment."""
    return or_(Alert.snoozed_until.is_(None), Alert.snoozed_until <= now)


def _filtered(rows: Rows, operator_id: int, wanted: AlertFilter, now: dt.datetime) -> Rows:
    rows = rows.where(Alert.operator_id == operator_id, *_within(wanted.tab, now))
    if wanted.type:
        rows = rows.where(Alert.type == wanted.type)
    if wanted.severity:
        rows = rows.where(Alert.severity == wanted.severity)
    if wanted.agent_id is not None:
        rows = rows.join(Player, Player.id == Alert.player_id).where(Player.agent_id == wanted.agent_id)
    if wanted.is_assigned is not None:
        rows = rows.where(Alert.assigned_to.is_not(None) == wanted.is_assigned)
    if wanted.assigned_to is not None:
        rows = rows.where(Alert.assigned_to == wanted.assigned_to)
    if wanted.raised_before is not None:
        rows = rows.where(Alert.raised_at < wanted.raised_before)
    if wanted.raised_from is not None:
        rows = rows.where(Alert.raised_at >= wanted.raised_from)
    if wanted.player_id is not None:
        rows = rows.where(Alert.player_id == wanted.player_id)
    return rows


def _within(tab: str, now: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    if tab == Tab.SNOOZED:
        unresolved = Alert.state.in_([AlertState.OPEN, AlertState.ACKNOWLEDGED])
        return unresolved, Alert.snoozed_until > now
    if tab == Tab.RESOLVED:
        return (Alert.state == AlertState.RESOLVED,)
    return Alert.state == tab, is_awake(now)


def _latest_first(operator_id: int, wanted: AlertFilter, now: dt.datetime) -> Rows:
    return _filtered(select(Alert), operator_id, wanted, now).order_by(*(key.desc() for key in _KEY))


def _read(session: Session, rows: Rows) -> list[AlertRow]:
    return [AlertRow(*row) for row in session.execute(rows)]


def _named(chosen: Rows, now: dt.datetime) -> Rows:
    """The chosen alerts with their names, last hit first: first the few alerts, then who they concern."""
    alert = chosen.subquery("alert")
    of = alert.c
    agent, seen, holder, snoozer, resolver = (
        aliased(Login, name=name) for name in ("agent", "seen", "holder", "snoozer", "resolver")
    )
    is_snoozed = and_(of.state != AlertState.RESOLVED, func.coalesce(of.snoozed_until > now, False))
    return (
        select(
            of.id,
            of.player_id,
            Player.name,
            Player.external_id,
            agent.name,
            of.currency,
            of.type,
            of.severity,
            of.state,
            of.hits,
            of.peak,
            of.threshold,
            of.sequence,
            of.raised_at,
            of.last_hit_at,
            seen.name,
            of.acknowledged_at,
            of.note,
            of.assigned_to,
            holder.name,
            of.assigned_at,
            of.taken_at,
            of.snoozed_until,
            of.snooze_reason,
            snoozer.name,
            is_snoozed,
            resolver.name,
            of.resolved_at,
            of.resolution,
        )
        .join(Player, and_(Player.id == of.player_id, Player.operator_id == of.operator_id))
        .outerjoin(agent, agent.id == Player.agent_id)
        .outerjoin(seen, seen.id == of.acknowledged_by)
        .outerjoin(holder, holder.id == of.assigned_to)
        .outerjoin(snoozer, snoozer.id == of.snoozed_by)
        .outerjoin(resolver, of.resolved_by == func.concat("staff:", cast(resolver.id, String)))
        .order_by(of.last_hit_at.desc(), of.player_id.desc(), of.id.desc())
    )
