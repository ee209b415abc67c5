"""Lists over all members of the loyalty programme: the members, and what expires next."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Date,
    Select,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.orm import Session

from dashboard.models import LoyaltyTier, LoyaltyWallet, Player, PointsBatch
from dashboard.queries import paging, player_list
from dashboard.queries.paging import Listing, Page, Place

COUNT_MAX = 10_000
"""Counting stops here: more are shown as 10,000+."""
WINDOWS = (1, 7, 30, 90)
"""Days ahead for which expiries can be asked."""
SOON = WINDOWS[:-1]
"""The same for members with such points: within the widest one, most members have some."""
_NEVER = dt.date(9999, 12, 31)
"""Stands for the end of a tier where there is none."""
_NEVER_AS_INDEXED: ColumnElement[dt.date] = literal_column(f"DATE '{_NEVER}'", Date)
_POINTS = cast(func.sum(PointsBatch.remaining), BigInteger)


class Order(StrEnum):
    """In which order members come, the player's id deciding between equals. Each walks an index."""

    NEWEST = "-added"
    OLDEST = "added"
    MOST = "-points"
    FEWEST = "points"
    TIER_ENDS = "ends"
    TIER_LASTS = "-ends"

    @property
    def is_descending(self) -> bool:
        """Whether it goes down."""
        return self.value.startswith("-")


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Which members are wanted, and in which order; what is empty does not matter."""

    search: str = ""
    """As in the list of players."""
    tier_id: int | None = None
    has_no_tier: bool = False
    status: str = ""
    owes: bool = False
    """Only those whose next points are owed already."""
    expires_within: int | None = None
    """Only those with points whose last day is within so many days."""
    order: Order = Order.NEWEST


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A member in the list; the amount in minor units of the home currency."""

    player_id: int
    name: str
    external_id: str
    status: str
    tier: str | None
    tier_valid_until: dt.date | None
    balance: int
    owed: int
    amount_paid: int
    next_day: dt.date | None
    """The last day of what expires next."""
    next_points: int | None


@dataclass(frozen=True, slots=True)
class ExpiryRow:
    """What a member has that expires at the end of one day."""

    day: dt.date
    player_id: int
    name: str
    external_id: str
    tier: str | None
    status: str
    points: int
    batches: int


@dataclass(frozen=True, slots=True)
class DayRow:
    """What expires at the end of a day, over all members."""

    day: dt.date
    points: int
    batches: int


def page_of_members(
    session: Session, *, operator_id: int, wanted: MemberFilter, today: dt.date, after: str = ""
) -> Page[MemberRow]:
    """The members that fit."""
    ranked = _ranked(operator_id, wanted, today)

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[MemberRow]:
        ids = ranked if after is None else _behind(ranked, wanted.order, after)
        rows = _member_rows(operator_id, ids.limit(limit), wanted.order, today)
        return [MemberRow(*row) for row in session.execute(rows)]

    return paging.gather(
        fetch, lambda row: _place(row, wanted.order), after=paging.read(after, *_KINDS[wanted.order])
    )


def all_members(*, operator_id: int, wanted: MemberFilter, today: dt.date) -> Listing[MemberRow]:
    """Every member that fits."""
    ids = _ranked(operator_id, wanted, today).order_by(None)
    return Listing(_member_rows(operator_id, ids, wanted.order, today), lambda row: MemberRow(*row))


def count_members(session: Session, *, operator_id: int, wanted: MemberFilter, today: dt.date) -> int:
    """How many fit, up to COUNT_MAX + 1."""
    ids = _filtered(operator_id, wanted, today)
    days = wanted.expires_within
    if days is not None and wanted == MemberFilter(expires_within=days, order=wanted.order):
        # Whoever has points is a member: no wallet needs to be looked at.
        ids = select(PointsBatch.player_id).where(_expires(operator_id, today, days)).distinct()
    ids = ids.limit(COUNT_MAX + 1)
    return session.scalar(select(func.count()).select_from(ids.subquery())) or 0


def page_of_expiries(
    session: Session, *, operator_id: int, today: dt.date, days: int, after: str = ""
) -> Page[ExpiryRow]:
    """What expires from today on within so many days, by day and member."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[ExpiryRow]:
        rows = _expiry_rows(operator_id, today, days, after, limit)
        return [ExpiryRow(*row) for row in session.execute(rows)]

    return paging.gather(
        fetch, lambda row: paging.write(row.day, row.player_id), after=paging.read(after, dt.date, int)
    )


def all_expiries(*, operator_id: int, today: dt.date, days: int) -> Listing[ExpiryRow]:
    """All that expires within so many days."""
    return Listing(_expiry_rows(operator_id, today, days, None, None), lambda row: ExpiryRow(*row))


def list_days(session: Session, *, operator_id: int, today: dt.date) -> list[DayRow]:
    """What expires on each day of the widest window, the next day first; days without points are left out."""
    given = {"operator": operator_id, "first": today, "last": today + dt.timedelta(days=WINDOWS[-1])}
    return [DayRow(*row) for row in session.execute(_DAYS, given)]


def within(days: Sequence[DayRow], today: dt.date, window: int) -> tuple[int, int]:
    """Points and batches that expire within so many days. Pure."""
    last = today + dt.timedelta(days=window)
    some = [row for row in days if row.day <= last]
    return sum(row.points for row in some), sum(row.batches for row in some)


_DAYS = text("""
SELECT expires_on, sum(remaining)::bigint, count(*) FROM points_batches
WHERE operator_id = :operator AND remaining > 0 AND expires_on BETWEEN :first AND :last
GROUP BY expires_on ORDER BY expires_on
""")
_KINDS: dict[Order, tuple[type, ...]] = {
    Order.NEWEST: (int,),
    Order.OLDEST: (int,),
    Order.MOST: (int, int),
    Order.FEWEST: (int, int),
    Order.TIER_ENDS: (dt.date, int),
    Order.TIER_LASTS: (dt.date, int),
}


def _place(row: MemberRow, order: Order) -> str:
    if order in {Order.MOST, Order.FEWEST}:
        return paging.write(row.balance, row.player_id)
    if order in {Order.TIER_ENDS, Order.TIER_LASTS}:
        return paging.write(row.tier_valid_until or _NEVER, row.player_id)
    return paging.write(row.player_id)


def _filtered(operator_id: int, wanted: MemberFilter, today: dt.date) -> Select[int]:
    """Player ids of the members that fit."""
    ids = select(LoyaltyWallet.player_id).where(LoyaltyWallet.operator_id == operator_id)
    if wanted.status:
        ids = ids.where(LoyaltyWallet.status == wanted.status)
        if wanted.status != "active":  # as the partial index says it
            ids = ids.where(LoyaltyWallet.status != "active")
    if wanted.tier_id is not None:
        ids = ids.where(LoyaltyWallet.tier_id == wanted.tier_id)
    if wanted.has_no_tier:
        ids = ids.where(LoyaltyWallet.tier_id.is_(None))
    if wanted.owes:
        ids = ids.where(LoyaltyWallet.owed > 0)
    if wanted.expires_within is not None:
        expiring = select(PointsBatch.player_id).where(
            _expires(operator_id, today, wanted.expires_within),
            PointsBatch.player_id == LoyaltyWallet.player_id,
        )
        ids = ids.where(expiring.exists())
    if wanted.search.strip():
        found = player_list.ids_of(operator_id=operator_id, search=wanted.search)
        ids = ids.where(LoyaltyWallet.player_id.in_(found))
    return ids


def _expires(operator_id: int, today: dt.date, days: int) -> ColumnElement[bool]:
    return and_(
        PointsBatch.operator_id == operator_id,
        PointsBatch.remaining > 0,
        PointsBatch.expires_on.between(today, today + dt.timedelta(days=days)),
    )


def _ranked(operator_id: int, wanted: MemberFilter, today: dt.date) -> Select[*tuple[Any, ...]]:
    """Ids that fit and `rank`, what they are ordered by; ordered, to be limited."""
    rank: ColumnElement[Any] = LoyaltyWallet.player_id.expression
    if wanted.order in {Order.MOST, Order.FEWEST}:
        rank = LoyaltyWallet.balance.expression
    elif wanted.order in {Order.TIER_ENDS, Order.TIER_LASTS}:
        rank = func.coalesce(LoyaltyWallet.tier_valid_until, _NEVER_AS_INDEXED)
    ids = _filtered(operator_id, wanted, today).add_columns(rank.label("rank"))
    return ids.order_by(*_directed(wanted.order, rank, LoyaltyWallet.player_id.expression))


def _directed(order: Order, *columns: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return [column.desc() if order.is_descending else column.asc() for column in columns]


def _behind(ranked: Select[*tuple[Any, ...]], order: Order, after: Place) -> Select[*tuple[Any, ...]]:
    """Only what comes after a place."""
    number, rank = ranked.selected_columns
    key: Any = number if len(after) == 1 else tuple_(rank, number)
    place: Any = after[0] if len(after) == 1 else tuple_(*map(literal, after))
    return ranked.where(key < place if order.is_descending else key > place)


def _member_rows(
    operator_id: int, ids: Select[*tuple[Any, ...]], order: Order, today: dt.date
) -> Select[*tuple[Any, ...]]:
    wanted = ids.subquery()
    following = (
        select(PointsBatch.expires_on, _POINTS.label("points"))
        .where(
            PointsBatch.player_id == wanted.c.player_id,
            PointsBatch.remaining > 0,
            PointsBatch.expires_on >= today,
        )
        .group_by(PointsBatch.expires_on)
        .order_by(PointsBatch.expires_on)
        .limit(1)
        .lateral()
    )
    return (
        select(
            LoyaltyWallet.player_id,
            Player.name,
            Player.external_id,
            LoyaltyWallet.status,
            LoyaltyTier.name,
            LoyaltyWallet.tier_valid_until,
            LoyaltyWallet.balance,
            LoyaltyWallet.owed,
            LoyaltyWallet.amount_paid,
            following.c.expires_on,
            following.c.points,
        )
        .select_from(wanted)
        .join(LoyaltyWallet, LoyaltyWallet.player_id == wanted.c.player_id)
        .join(Player, Player.id == LoyaltyWallet.player_id)
        .outerjoin(LoyaltyTier, LoyaltyTier.id == LoyaltyWallet.tier_id)
        .outerjoin(following, true())
        .where(LoyaltyWallet.operator_id == operator_id)
        .order_by(*_directed(order, wanted.c.rank, LoyaltyWallet.player_id.expression))
    )


def _expiry_rows(
    operator_id: int, today: dt.date, days: int, after: Place | None, limit: int | None
) -> Select[*tuple[Any, ...]]:
    """By day and member; the index has them in this order, so that a page reads no more than it shows."""
    place: Any = tuple_(PointsBatch.expires_on, PointsBatch.player_id)
    due = (
        select(
            PointsBatch.expires_on,
            PointsBatch.player_id,
            _POINTS.label("points"),
            func.count().label("batches"),
        )
        .where(_expires(operator_id, today, days))
        .group_by(PointsBatch.expires_on, PointsBatch.player_id)
        .order_by(PointsBatch.expires_on, PointsBatch.player_id)
        .limit(limit)
    )
    if after is not None:
        due = due.where(place > tuple_(*map(literal, after)))
    wanted = due.subquery()
    return (
        select(
            wanted.c.expires_on,
            wanted.c.player_id,
            Player.name,
            Player.external_id,
            LoyaltyTier.name,
            LoyaltyWallet.status,
            wanted.c.points,
            wanted.c.batches,
        )
        .select_from(wanted)
        .join(Player, Player.id == wanted.c.player_id)
        .join(LoyaltyWallet, LoyaltyWallet.player_id == wanted.c.player_id)
        .outerjoin(LoyaltyTier, LoyaltyTier.id == LoyaltyWallet.tier_id)
        .order_by(wanted.c.expires_on, wanted.c.player_id)
    )
