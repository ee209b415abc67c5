"""The list of players: search, filters, and one row for each."""

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, or_, select, tuple_, union
from sqlalchemy.orm import Session, aliased

from dashboard.models import Alert, Balance, Player, PlayerHandle, Wallet
from dashboard.models.alert import AlertState
from dashboard.queries import paging
from dashboard.queries.paging import Listing, Page, Place

COUNT_MAX = 10_000
"""Counting stops here: more are shown as 10,000+."""


class Order(StrEnum):
    """In which order they come, the id deciding between equals.

    The first four walk an index. The others look at one balance of each player that fits, or at all of
    them: an index there would have to be written with every change of a balance.
    """

    NEWEST = "-added"
    OLDEST = "added"
    NAME = "name"
    NAME_BACKWARDS = "-name"
    RICHEST = "-real"
    POOREST = "real"
    LATEST_CHANGE = "-changed"
    EARLIEST_CHANGE = "changed"

    @property
    def is_descending(self) -> bool:
        """Whether it goes down."""
        return self.value.startswith("-")


@dataclass(frozen=True, slots=True)
class PlayerFilter:
    """Which players are wanted, and in which order; what is empty does not matter."""

    search: str = ""
    """The beginning of each word of the name in any order, or of the e-mail, or of the external id."""
    status: str = ""
    level: str = ""
    agent_id: int | None = None
    has_alerts: bool = False
    """Only with an alert that is not resolved."""
    order: Order = Order.NEWEST


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
    """The players that fit; balances in `currency`, `total` as counted by `count_players`."""
    ranked = _ranked(operator_id, currency, wanted, is_broad=total > COUNT_MAX)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[PlayerRow]:
        ids = ranked if after is None else _behind(ranked, wanted.order, after)
        rows = _rows(operator_id, currency, ids.limit(limit), wanted.order)
        return [PlayerRow(*row) for row in session.execute(rows)]

    return paging.gather(
        fetch, lambda row: _place(row, wanted.order), after=paging.read(after, *_KINDS[wanted.order])
    )


def all_players(*, operator_id: int, currency: str, wanted: PlayerFilter, total: int) -> Listing[PlayerRow]:
    """Every player that fits."""
    ranked = _ranked(operator_id, currency, wanted, is_broad=total > COUNT_MAX)
    return Listing(
        _rows(operator_id, currency, ranked.order_by(None), wanted.order), lambda row: PlayerRow(*row)
    )


def count_players(session: Session, *, operator_id: int, wanted: PlayerFilter) -> int:
    """How many fit, up to COUNT_MAX + 1."""
    ids = _found(operator_id, wanted).limit(COUNT_MAX + 1)
    return session.scalar(select(func.count()).select_from(ids.subquery())) or 0


def newest(session: Session, *, operator_id: int, search: str, limit: int) -> list[int]:
    """Ids of the newest players that fit the search."""
    wanted = PlayerFilter(search=search)
    total = count_players(session, operator_id=operator_id, wanted=wanted)
    if not total:
        return []
    ids = _candidates(operator_id, wanted, is_broad=total > COUNT_MAX)
    [number] = ids.selected_columns
    return list(session.scalars(ids.order_by(number.desc()).limit(limit)))


def ids_of(*, operator_id: int, search: str) -> Select[int]:
    """Ids of the players whom the search finds, at most some COUNT_MAX for each way to be found."""
    return _found(operator_id, PlayerFilter(search=search))


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


_NEVER = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Stands for the last change of whoever had none: at the end of the latest first."""
_KINDS: dict[Order, tuple[type, ...]] = {
    Order.NEWEST: (int,),
    Order.OLDEST: (int,),
    Order.NAME: (int,),  # the id alone: the name is looked up, and stands in no URL
    Order.NAME_BACKWARDS: (int,),
    Order.RICHEST: (int, int),
    Order.POOREST: (int, int),
    Order.LATEST_CHANGE: (dt.datetime, int),
    Order.EARLIEST_CHANGE: (dt.datetime, int),
}


def _place(row: PlayerRow, order: Order) -> str:
    if order in {Order.RICHEST, Order.POOREST}:
        return paging.write(row.real, row.id)
    if order in {Order.LATEST_CHANGE, Order.EARLIEST_CHANGE}:
        return paging.write(row.last_activity_at or _NEVER, row.id)
    return paging.write(row.id)


def _ranked(
    operator_id: int, currency: str, wanted: PlayerFilter, *, is_broad: bool
) -> Select[*tuple[Any, ...]]:
    """Ids that fit and `rank`, what they are ordered by; ordered, to be limited."""
    ids: Select[*tuple[Any, ...]] = _candidates(operator_id, wanted, is_broad=is_broad)
    [number] = ids.selected_columns
    rank: ColumnElement[Any] = number
    if wanted.order in {Order.NAME, Order.NAME_BACKWARDS}:
        if wanted.search.strip() and not is_broad:  # what a narrow search has found is ids alone
            ids = ids.join(Player, Player.id == number)
        rank = func.lower(Player.name)
    elif wanted.order in {Order.RICHEST, Order.POOREST}:
        home = aliased(Balance)
        ids = ids.outerjoin(home, and_(home.player_id == number, home.currency == currency))
        rank = func.coalesce(home.real, 0)
    elif wanted.order in {Order.LATEST_CHANGE, Order.EARLIEST_CHANGE}:
        moved = (
            select(Balance.player_id, func.max(Balance.updated_at).label("at"))
            .where(Balance.operator_id == operator_id, Balance.version > 0)
            .group_by(Balance.player_id)
            .subquery()
        )
        ids = ids.outerjoin(moved, moved.c.player_id == number)
        rank = func.coalesce(moved.c.at, _NEVER)
    return ids.add_columns(rank.label("rank")).order_by(*_directed(wanted.order, rank, number))


def _directed(order: Order, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if order.is_descending else column.asc() for column in columns]


def _behind(ranked: Select[*tuple[Any, ...]], order: Order, after: Place) -> Select[*tuple[Any, ...]]:
    """Only what comes after a place."""
    number, rank = ranked.selected_columns
    key: Any = tuple_(rank, number)
    place: Any = tuple_(*map(literal, after))
    if order in {Order.NEWEST, Order.OLDEST}:
        key, place = number, after[0]
    elif order in {Order.NAME, Order.NAME_BACKWARDS}:
        name = select(func.lower(Player.name)).where(Player.id == after[0]).scalar_subquery()
        place = tuple_(name, literal(after[0]))
    return ranked.where(key < place if order.is_descending else key > place)


def _candidates(operator_id: int, wanted: PlayerFilter, *, is_broad: bool) -> Select[int]:
    """Ids that fit, to be ordered and limited.

    A narrow search collects all that it finds from the indexes and then sorts. A broad one walks the
    players in their order and looks at each: it has enough soon. The planner cannot tell which is
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


def _rows(
    operator_id: int, currency: str, ids: Select[*tuple[Any, ...]], order: Order
) -> Select[*tuple[Any, ...]]:
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
        .order_by(*_directed(order, wanted.c.rank, Player.id.expression))
    )
