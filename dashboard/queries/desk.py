"""The home of the desk: what waits, the operator's day in figures, and what changed of late."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from dashboard.clock import Span
from dashboard.models import Alert, Player, Wallet, WalletEntry
from dashboard.models.alert import AlertState, Severity
from dashboard.models.wallet import WalletStatus
from dashboard.queries import paging
from dashboard.queries.alerts import is_awake
from dashboard.queries.paging import Listing, Page, Place

RECENT = dt.timedelta(hours=24)
"""How far back the recent changes go."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One day of the operator. Amounts in minor units of the home currency; counts over all currencies."""

    deposits: int
    withdrawals: int
    """Not negative, as deposits."""
    net: int
    """What cash came in less what went out, reversals of both included."""
    stakes: int
    """Wagers less refunds, real and bonus."""
    payouts: int
    adjustments: int
    """Net, reversals included."""
    changes: int
    players: int
    """Who had at least one change."""
    refusals: int


@dataclass(frozen=True, slots=True)
class CashDay:
    """What cash came and went on one day. Minor units of the home currency, neither negative."""

    deposits: int
    withdrawals: int
    net: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What asks for somebody."""

    alerts: list[tuple[str, str, int]]
    """Open ones: type, severity, how many; critical first, then by number."""
    frozen_wallets: int

    @property
    def open_alerts(self) -> int:
        """How many alerts nobody has seen."""
        return sum(number for _type, _severity, number in self.alerts)

    @property
    def critical_alerts(self) -> int:
        """How many of them are critical."""
        return sum(number for _type, severity, number in self.alerts if severity == Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class RecentRow:
    """A change of some player's balance. Amounts in minor units."""

    created_at: dt.datetime
    player_id: int
    currency: str
    sequence: int
    player_name: str
    external_id: str
    change_type: str
    real_delta: int
    bonus_delta: int
    real_after: int
    reason: str
    performed_by: str
    risk_score: int | None


# One index-only scan per day, grouped by player in a hash: counting them by DISTINCT would sort the day.
_DAYS = text("""
SELECT s.*, (SELECT count(*) FROM refusals r
             WHERE r.operator_id = :operator AND r.refused_at >= d.start AND r.refused_at < d.stop)
FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) WITH ORDINALITY AS d(start, stop, n)
CROSS JOIN LATERAL (
  SELECT coalesce(sum(deposits), 0)::bigint, coalesce(-sum(withdrawals), 0)::bigint,
         coalesce(sum(net), 0)::bigint, coalesce(-sum(stakes), 0)::bigint,
         coalesce(sum(payouts), 0)::bigint, coalesce(sum(adjustments), 0)::bigint,
         coalesce(sum(changes), 0)::bigint, count(*)
  FROM (
    SELECT
      sum(real_delta) FILTER (WHERE change_type = 'deposit' AND currency = :home) AS deposits,
      sum(real_delta) FILTER (WHERE change_type = 'withdrawal' AND currency = :home) AS withdrawals,
      sum(real_delta) FILTER (WHERE contra_account = 'cash' AND currency = :home) AS net,
      sum(real_delta + bonus_delta)
        FILTER (WHERE change_type IN ('wager', 'refund') AND currency = :home) AS stakes,
      sum(real_delta + bonus_delta)
        FILTER (WHERE change_type = 'settlement' AND currency = :home) AS payouts,
      sum(real_delta + bonus_delta)
        FILTER (WHERE contra_account = 'adjustments' AND currency = :home) AS adjustments,
      count(*) AS changes
    FROM wallet_entries
    WHERE operator_id = :operator AND created_at >= d.start AND created_at < d.stop
    GROUP BY player_id
  ) AS players
) AS s
ORDER BY d.n
""")

_CASH = text("""
SELECT s.*
FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[])) WITH ORDINALITY AS d(start, stop, n)
CROSS JOIN LATERAL (
  SELECT
    coalesce(sum(real_delta) FILTER (WHERE change_type = 'deposit'), 0)::bigint,
    coalesce(-sum(real_delta) FILTER (WHERE change_type = 'withdrawal'), 0)::bigint,
    coalesce(sum(real_delta), 0)::bigint
  FROM wallet_entries
  WHERE operator_id = :operator AND currency = :home AND contra_account = 'cash'
    AND created_at >= d.start AND created_at < d.stop
) AS s
ORDER BY d.n
""")


def figures_by_day(
    session: Session, *, operator_id: int, currency: str, days: Sequence[Span]
) -> list[DayFigures]:
    """One DayFigures per span, in their order; `currency` is the home currency."""
    return [DayFigures(*row) for row in session.execute(_DAYS, _over(operator_id, currency, days))]


def cash_by_day(session: Session, *, operator_id: int, currency: str, days: Sequence[Span]) -> list[CashDay]:
    """One CashDay per span, in their order. Reads every entry of these days from the index."""
    return [CashDay(*row) for row in session.execute(_CASH, _over(operator_id, currency, days))]


def _over(operator_id: int, currency: str, days: Sequence[Span]) -> dict[str, object]:
    return {
        "operator": operator_id,
        "home": currency,
        "starts": [day.start for day in days],
        "ends": [day.end for day in days],
    }


def waiting(session: Session, *, operator_id: int, now: dt.datetime) -> Waiting:
    """Open alerts that are not snoozed by type and severity, and how many wallets are frozen."""
    alerts = session.execute(
        select(Alert.type, Alert.severity, func.count())
        .where(Alert.operator_id == operator_id, Alert.state == AlertState.OPEN, is_awake(now))
        .group_by(Alert.type, Alert.severity)
        .order_by(Alert.severity, func.count().desc(), Alert.type)
    )
    frozen = session.scalar(
        select(func.count()).where(Wallet.operator_id == operator_id, Wallet.status == WalletStatus.FROZEN)
    )
    return Waiting([(row[0], row[1], row[2]) for row in alerts], frozen or 0)


@dataclass(frozen=True, slots=True)
class RecentFilter:
    """Which of the recent changes are wanted; what is empty does not matter."""

    since: dt.datetime
    agent_id: int | None = None
    """Who was in charge of the player when it happened."""
    performed_by: str = ""
    change_type: str = ""


def page_of_recent(
    session: Session, *, operator_id: int, wanted: RecentFilter, after: str = "", through: str = ""
) -> Page[RecentRow]:
    """Changes of the operator's players, latest first; `after`, `through`: see `paging`."""
    kinds = (dt.datetime, int, str, int)
    return paging.gather(
        partial(_fetch_recent, session, _recent(operator_id, wanted)),
        lambda row: paging.write(row.created_at, row.player_id, row.currency, row.sequence),
        after=paging.read(after, *kinds),
        through=paging.read(through, *kinds),
    )


def all_recent(*, operator_id: int, wanted: RecentFilter) -> Listing[RecentRow]:
    """Every one of them."""
    return Listing(_named(_recent(operator_id, wanted)), lambda row: RecentRow(*row))


def _recent(operator_id: int, wanted: RecentFilter) -> Select[*tuple[Any, ...]]:
    entries = (
        select(*_RECENT_COLUMNS)
        .where(WalletEntry.operator_id == operator_id, WalletEntry.created_at >= wanted.since)
        .order_by(*(column.desc() for column in _RECENT_KEY))
    )
    if wanted.agent_id is not None:
        entries = entries.where(WalletEntry.agent_id == wanted.agent_id)
    if wanted.performed_by:
        entries = entries.where(WalletEntry.performed_by == wanted.performed_by)
    if wanted.change_type:
        entries = entries.where(WalletEntry.change_type == wanted.change_type)
    return entries


_RECENT_KEY = (WalletEntry.created_at, WalletEntry.player_id, WalletEntry.currency, WalletEntry.sequence)
_RECENT_COLUMNS = (
    *_RECENT_KEY,
    WalletEntry.operator_id,
    WalletEntry.change_type,
    WalletEntry.real_delta,
    WalletEntry.bonus_delta,
    WalletEntry.real_after,
    WalletEntry.reason,
    WalletEntry.performed_by,
    WalletEntry.risk_score,
)


def _fetch_recent(
    session: Session,
    wanted: Select[*tuple[Any, ...]],
    after: Place | None,
    through: Place | None,
    limit: int,
) -> list[RecentRow]:
    key = tuple_(*_RECENT_KEY)
    if after is not None:
        wanted = wanted.where(key < tuple_(*map(literal, after)))
    if through is not None:
        wanted = wanted.where(key >= tuple_(*map(literal, through)))
    return [RecentRow(*row) for row in session.execute(_named(wanted.limit(limit)))]


def _named(entries: Select[*tuple[Any, ...]]) -> Select[*tuple[Any, ...]]:
    """The same with the names of the players.

    The entries come first, from the index in its order, then their players: joined before the limit of a
    page, a planner without fresh statistics goes through every player of the operator.
    """
    entry = entries.subquery("entry")
    columns: list[ColumnElement[Any]] = [
        *(entry.c[column.key] for column in _RECENT_KEY),
        Player.name.expression,
        Player.external_id.expression,
        *(entry.c[column.key] for column in _RECENT_COLUMNS[len(_RECENT_KEY) + 1 :]),
    ]
    return (
        select(*columns)
        .join(Player, and_(Player.id == entry.c.player_id, Player.operator_id == entry.c.operator_id))
        .order_by(*(entry.c[column.key].desc() for column in _RECENT_KEY))
    )
