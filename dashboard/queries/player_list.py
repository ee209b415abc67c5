"""The list of players: search, filters, and one row for each."""

import datetime as dt
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, union
from sqlalchemy.orm import Session, aliased

from dashboard.models import Alert, Balance, Player, PlayerHandle, Wallet
from dashboard.models.alert import AlertState
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place

COUNT_MAX = 10_000
"""Counting stops here: more are shown as 10,000+."""


@dataclass(frozen=True, slots=True)
class PlayerFilter:
    """Which players are wanted; what is empty does not matter."""

    search: str = ""
    """The beginning of each word of the name in any order, or of the e-mail, or of the external id."""
    status: str = ""
    level: str = ""
    agent_id: int | None = None
    has_alerts: bool = False
    """Only with an alert that is not resolved."""


@dataclass(frozen=True, slots=True)
class PlayerRow:
    """A player in the list. Amounts in minor units of the home currency."""

    id: int
    name: str
    external_id: str
    email: str | None
    status: str
    level: str
    agent_id: int | None
    real: int
    bonus: int
    last_activity_at: dt.datetime | None
    """Of the last change in any currency; None where there was none."""
    alerts: int
    """How many are not resolved."""


def page_of_players(
    session: Session, *, operator_id: int, currency: str, wanted: PlayerFilter, total: int, after: str = ""
) -> Page[PlayerRow]:
    """The players that fit, newest first; balances in `currency`, `total` as counted by `count_players`."""
    is_broad = total > COUNT_MAX

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PlayerRow]:
        ids = _newest(operator_id, wanted, is_broad=is_broad)
        [number] = ids.selected_columns
        if after is not None:
            ids = ids.where(number < after[0])
        ids = ids.order_by(number.desc()).limit(limit)
        return [PlayerRow(*row) for row in session.execute(_rows(operator_id, currency, ids))]

    return paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))


def count_players(session: Session, *, operator_id: int, wanted: PlayerFilter) -> int:
    """How many fit, up to COUNT_MAX + 1."""
    ids = _found(operator_id, wanted).limit(COUNT_MAX + 1)
    return session.scalar(select(func.count()).select_from(ids.subquery())) or 0


def find_only(session: Session, *, operator_id: int, search: str) -> int | None:
    """The one player whose external id, e-mail or number is exactly that; None for no or several."""
    handle = search.strip().lower()
    if not handle:
        return None
    exact: Any = select(PlayerHandle.player_id).where(
        PlayerHandle.operator_id == operator_id, PlayerHandle.handle == handle
    )
    numbers = select(Player.id).where(Player.operator_id == operator_id, *_by_number(handle))
    if _by_number(handle):
        exact = union(exact, numbers)
    found = set(session.scalars(exact.limit(3)))
    return found.pop() if len(found) == 1 else None


def _newest(operator_id: int, wanted: PlayerFilter, *, is_broad: bool) -> Select[int]:
    """Ids that fit, to be ordered and limited.

    A narrow search collects all that it finds from the indexes and then sorts. A broad one walks the
    players from the newest and looks at each: it has enough soon. The planner cannot tell which is
    which, because it does not know how many words have a beginning; each takes half a second for the other.
    """
    if not wanted.search.strip():
        return _filtered(operator_id, wanted)
    if is_broad:
        return _filtered(operator_id, wanted).where(_looks_like(wanted.search))
    found = _found(operator_id, wanted).limit(COUNT_MAX + 1).cte().prefix_with("MATERIALIZED")
    return select(found.c.id)


def _found(operator_id: int, wanted: PlayerFilter) -> Select[int]:
    """Ids that fit, in no order, each way to be found through its own index."""
    everybody = _filtered(operator_id, wanted)
    if not wanted.search.strip():
        return everybody
    ways = [everybody.where(way).limit(COUNT_MAX + 1).subquery() for way in _ways(operator_id, wanted.search)]
    found = union(*(select(way.c.id) for way in ways)).subquery()
    return select(found.c.id)


def _filtered(operator_id: int, wanted: PlayerFilter) -> Select[int]:
    players = select(Player.id).where(Player.operator_id == operator_id)
    if wanted.status or wanted.level:
        players = players.join(
            Wallet, and_(Wallet.player_id == Player.id, Wallet.operator_id == Player.operator_id)
        )
    if wanted.status:
        players = players.where(Wallet.status == wanted.status)
    if wanted.level:
        players = players.where(Wallet.vip_level == wanted.level)
    if wanted.agent_id is not None:
        players = players.where(Player.agent_id == wanted.agent_id)
    if wanted.has_alerts:
        with_alerts = select(Alert.player_id).where(
            Alert.operator_id == operator_id, Alert.state.in_([AlertState.OPEN, AlertState.ACKNOWLEDGED])
        )
        players = players.where(Player.id.in_(with_alerts))
    return players


def _ways(operator_id: int, search: str) -> list[ColumnElement[bool]]:
    """How a player may be found, of which one is enough; each can use an index of its own."""
    typed = search.strip().lower()
    beginning = PlayerHandle.handle.startswith(typed, autoescape=True)
    handles = select(PlayerHandle.player_id).where(PlayerHandle.operator_id == operator_id, beginning)
    return [Player.id.in_(handles), *_by_name(typed), *_by_number(typed)]


def _looks_like(search: str) -> ColumnElement[bool]:
    """The same as one condition on the player's own row."""
    typed = search.strip().lower()
    return or_(
        func.lower(Player.external_id).startswith(typed, autoescape=True),
        Player.email.startswith(typed, autoescape=True),
        *_by_name(typed),
        *_by_number(typed),
    )


def _by_name(typed: str) -> list[ColumnElement[bool]]:
    words = re.findall(r"[^\W_]+", typed)
    if not words:
        return []
    beginnings = " & ".join(f"'{word}':*" for word in words)
    return [func.to_tsvector("simple", Player.name).op("@@")(func.to_tsquery("simple", beginnings))]


def _by_number(typed: str) -> list[ColumnElement[bool]]:
    return [Player.id == int(typed)] if re.fullmatch(r"[0-9]{1,18}", typed) else []


def _rows(operator_id: int, currency: str, ids: Select[int]) -> Select[*tuple[Any, ...]]:
    wanted = ids.subquery()
    moved = aliased(Balance)
    last_activity = (
        select(func.max(moved.updated_at))
        .where(moved.player_id == Player.id, moved.version > 0)
        .scalar_subquery()
    )
    alerts = (
        select(func.count())
        .where(Alert.player_id == Player.id, Alert.state != AlertState.RESOLVED)
        .scalar_subquery()
    )
    return (
        select(
            Player.id,
            Player.name,
            Player.external_id,
            Player.email,
            Wallet.status,
            Wallet.vip_level,
            Player.agent_id,
            func.coalesce(Balance.real, 0),
            func.coalesce(Balance.bonus, 0),
            last_activity,
            alerts,
        )
        .join(wanted, wanted.c.id == Player.id)
        .join(Wallet, Wallet.player_id == Player.id)
        .outerjoin(Balance, and_(Balance.player_id == Player.id, Balance.currency == currency))
        .where(Player.operator_id == operator_id)
        .order_by(Player.id.desc())
    )
