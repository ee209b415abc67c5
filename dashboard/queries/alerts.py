"""The inbox of alerts: lists by state, counts, and one alert."""

import datetime as dt
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Select, and_, func, literal, select, tuple_
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Alert, Login, Player
from dashboard.models.alert import AlertState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place

COUNT_MAX = 10_000


Rows = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted; what is empty does not matter."""

    state: str = AlertState.OPEN
    type: str = ""
    severity: str = ""
    agent_id: int | None = None
    """Who is in charge of the player now."""
    raised_before: dt.datetime | None = None
    raised_from: dt.datetime | None = None
    player_id: int | None = None


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert as its row shows it. `peak` and `threshold` are in the unit of the type (see the model)."""

    id: int
    player_id: int
    player_name: str
    external_id: str
    agent_id: int | None
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
    """The name of who did."""
    acknowledged_at: dt.datetime | None
    note: str | None
    resolved_by: str | None
    resolved_at: dt.datetime | None


_ROWS: Rows = (
    select(
        Alert.id,
        Alert.player_id,
        Player.name,
        Player.external_id,
        Player.agent_id,
        Alert.currency,
        Alert.type,
        Alert.severity,
        Alert.state,
        Alert.hits,
        Alert.peak,
        Alert.threshold,
        Alert.sequence,
        Alert.raised_at,
        Alert.last_hit_at,
        Login.name,
        Alert.acknowledged_at,
        Alert.note,
        Alert.resolved_by,
        Alert.resolved_at,
    )
    .join(Player, and_(Player.id == Alert.player_id, Player.operator_id == Alert.operator_id))
    .outerjoin(Login, Login.id == Alert.acknowledged_by)
)
_KEY = (Alert.last_hit_at, Alert.player_id, Alert.id)


def page_of_alerts(
    session: Session, *, operator_id: int, wanted: AlertFilter, after: str = "", through: str = ""
) -> Page[AlertRow]:
    """Alerts of one state, last hit first; `after`, `through`: see `paging`."""
    rows = _filtered(_ROWS, operator_id, wanted).order_by(*(column.desc() for column in _KEY))
    return paging.gather(
        partial(_fetch, session, rows),
        lambda row: paging.write(row.last_hit_at, row.player_id, row.id),
        after=paging.read(after, dt.datetime, int, int),
        through=paging.read(through, dt.datetime, int, int),
    )


def count_by_state(session: Session, *, operator_id: int, wanted: AlertFilter) -> dict[str, int]:
    """How many alerts of each state fit the other filters, up to COUNT_MAX + 1 each. One statement."""
    counts = []
    for state in AlertState:
        ids: Rows = select(Alert.id).join(Player, Player.id == Alert.player_id)
        some = _filtered(ids, operator_id, replace(wanted, state=state)).limit(COUNT_MAX + 1).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return dict(zip(AlertState, session.execute(select(*counts)).one(), strict=True))


def get_alert(session: Session, *, operator_id: int, player_id: int, alert_id: int) -> AlertRow:
    """One alert. Raises NotFound."""
    row = session.execute(
        _ROWS.where(Alert.operator_id == operator_id, Alert.player_id == player_id, Alert.id == alert_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such alert.")
    return AlertRow(*row)


def find_player_name(session: Session, *, operator_id: int, player_id: int) -> str | None:
    """The name of one player, for the filter that is on; None where there is no such player."""
    return session.scalar(
        select(Player.name).where(Player.id == player_id, Player.operator_id == operator_id)
    )


def _filtered(rows: Rows, operator_id: int, wanted: AlertFilter) -> Rows:
    rows = rows.where(Alert.operator_id == operator_id, Alert.state == wanted.state)
    if wanted.type:
        rows = rows.where(Alert.type == wanted.type)
    if wanted.severity:
        rows = rows.where(Alert.severity == wanted.severity)
    if wanted.agent_id is not None:
        rows = rows.where(Player.agent_id == wanted.agent_id)
    if wanted.raised_before is not None:
        rows = rows.where(Alert.raised_at < wanted.raised_before)
    if wanted.raised_from is not None:
        rows = rows.where(Alert.raised_at >= wanted.raised_from)
    if wanted.player_id is not None:
        rows = rows.where(Alert.player_id == wanted.player_id)
    return rows


def _fetch(
    session: Session, rows: Rows, after: Place | None, through: Place | None, limit: int
) -> list[AlertRow]:
    key = tuple_(*_KEY)
    if after is not None:
        rows = rows.where(key < tuple_(*map(literal, after)))
    if through is not None:
        rows = rows.where(key >= tuple_(*map(literal, through)))
    return [AlertRow(*row) for row in session.execute(rows.limit(limit))]
