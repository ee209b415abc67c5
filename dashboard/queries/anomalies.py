"""Odd entries and odd hours, as lists; which model finds them, and how often it was right."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, func, literal, select, text, tuple_
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import Anomaly, AnomalyModel, Login, Player, SeriesAlert, WalletEntry
from dashboard.models.anomaly import Mark
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place
from dashboard.services.anomalies import FIT_DAYS, AnomalyKey

COUNT_MAX = 10_000
AROUND = dt.timedelta(hours=84)
"""An hour is drawn with so much before and after it: its week."""

Rows = Select[*tuple[Any, ...]]


class Tab(StrEnum):
    """A part of the list of anomalies."""

    OPEN = "open"
    """Nobody has looked."""
    AMISS = "amiss"
    """Somebody looked, and something was wrong."""
    IN_ORDER = "in_order"
    ALL = "all"


_MARKED = {Tab.AMISS: Mark.RIGHT, Tab.IN_ORDER: Mark.WRONG}


@dataclass(frozen=True, slots=True)
class AnomalyFilter:
    """Which anomalies are wanted; what is empty does not matter."""

    tab: str = Tab.OPEN
    change_type: str = ""
    least: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Exclusive."""
    player_id: int | None = None


@dataclass(frozen=True, slots=True)
class AnomalyRow:
    """An entry that a model found odd, and what somebody said of it."""

    player_id: int
    currency: str
    sequence: int
    score: int
    happened_at: dt.datetime
    mark: str | None
    marked_at: dt.datetime | None
    note: str | None
    player_name: str
    external_id: str
    change_type: str
    real_delta: int
    bonus_delta: int
    performed_by: str
    marked_by: str | None
    """A name."""
    reasons: tuple[str, ...]
    """Sentences, the leading one first."""

    @property
    def key(self) -> AnomalyKey:
        """Its entry."""
        return AnomalyKey(self.player_id, self.currency, self.sequence)


@dataclass(frozen=True, slots=True)
class ModelRow:
    """The model that scores, and what is known of it."""

    kind: str
    fitted_at: dt.datetime
    entries: int
    marked: int
    threshold: int
    hits_a_day: float | None
    judged_on: int
    """How many marks it was judged on; 0: there were too few."""
    auc: float | None
    """How often what was amiss scored higher than what was in order."""
    precision: float | None
    """The mean precision over all that was amiss, from the highest score down."""


@dataclass(frozen=True, slots=True)
class Precision:
    """What people said of the anomalies of the last FIT_DAYS."""

    amiss: int
    in_order: int

    @property
    def marked(self) -> int:
        """How many somebody looked at."""
        return self.amiss + self.in_order

    @property
    def percent(self) -> int | None:
        """Of those the share with which something was wrong; None of none."""
        return round(100 * self.amiss / self.marked) if self.marked else None


_KEY = (Anomaly.happened_at, Anomaly.player_id, Anomaly.currency, Anomaly.sequence)
_ENTRIES = text("""
SELECT coalesce(sum(entries), 0) FROM daily_totals WHERE operator_id = :operator AND day >= :since
""")


def page_of_anomalies(
    session: Session, *, operator_id: int, wanted: AnomalyFilter, after: str = "", through: str = ""
) -> Page[AnomalyRow]:
    """Anomalies of one tab, the latest entry first; `after`, `through`: see `paging`."""
    chosen = _filtered(select(Anomaly), operator_id, wanted).order_by(*(key.desc() for key in _KEY))
    key = tuple_(*_KEY)

    def fetch(after: Place | None, through: Place | None, limit: int) -> list[AnomalyRow]:
        rows = chosen
        if after is not None:
            rows = rows.where(key < tuple_(*map(literal, after)))
        if through is not None:
            rows = rows.where(key >= tuple_(*map(literal, through)))
        return _read(session, rows.limit(limit))

    kinds = dt.datetime, int, str, int
    return paging.gather(
        fetch,
        lambda row: paging.write(row.happened_at, *row.key),
        after=paging.read(after, *kinds),
        through=paging.read(through, *kinds),
    )


def get_anomaly(session: Session, *, operator_id: int, key: AnomalyKey) -> AnomalyRow:
    """One of them. Raises NotFound."""
    chosen = select(Anomaly).where(
        Anomaly.operator_id == operator_id,
        Anomaly.player_id == key.player_id,
        Anomaly.currency == key.currency,
        Anomaly.sequence == key.sequence,
    )
    rows = _read(session, chosen)
    if not rows:
        raise NotFound("There is no such anomaly.")
    return rows[0]


def count_by_tab(session: Session, *, operator_id: int, wanted: AnomalyFilter) -> dict[str, int]:
    """How many of each tab fit the other filters, up to COUNT_MAX + 1 each. One statement."""
    counts = []
    for tab in Tab:
        ids: Rows = select(Anomaly.sequence)
        some = _filtered(ids, operator_id, replace(wanted, tab=tab)).limit(COUNT_MAX + 1).subquery()
        counts.append(select(func.count()).select_from(some).scalar_subquery())
    return dict(zip(Tab, session.execute(select(*counts)).one(), strict=True))


def find_model(session: Session, *, operator_id: int) -> ModelRow | None:
    """The newest model; None where none has been fitted yet."""
    of = AnomalyModel
    wanted = select(of.kind, of.fitted_at, of.entries, of.marked, of.threshold, of.metrics)
    row = session.execute(wanted.filter_by(operator_id=operator_id).order_by(of.id.desc()).limit(1)).first()
    if row is None:
        return None
    told = json.loads(row.metrics)
    return ModelRow(
        *row[:5],
        hits_a_day=told.get("hits_a_day"),
        judged_on=told.get("judged_on", 0),
        auc=told.get("auc"),
        precision=told.get("average_precision"),
    )


def count_entries(session: Session, *, operator_id: int, today: dt.date) -> int:
    """How many entries of the last FIT_DAYS are counted: what a first model waits for."""
    since = today - dt.timedelta(days=FIT_DAYS)
    return int(session.execute(_ENTRIES, {"operator": operator_id, "since": since}).scalar_one())


def precision(session: Session, *, operator_id: int, now: dt.datetime) -> Precision:
    """How often it was right to point at an entry, of those that somebody looked at."""
    of_mark = [func.count().filter(Anomaly.mark == mark) for mark in (Mark.RIGHT, Mark.WRONG)]
    wanted = select(*of_mark).where(
        Anomaly.operator_id == operator_id, Anomaly.happened_at >= now - dt.timedelta(days=FIT_DAYS)
    )
    row = session.execute(wanted).one()
    return Precision(row[0], row[1])


def find_player_name(session: Session, *, operator_id: int, player_id: int) -> str | None:
    """The name of one player, for the filter that is on; None where there is no such player."""
    wanted = select(Player.name).where(Player.id == player_id, Player.operator_id == operator_id)
    return session.scalar(wanted)


def _filtered(rows: Rows, operator_id: int, wanted: AnomalyFilter) -> Rows:
    rows = rows.where(Anomaly.operator_id == operator_id)
    if wanted.tab == Tab.OPEN:
        rows = rows.where(Anomaly.mark.is_(None))
    elif wanted.tab != Tab.ALL:
        rows = rows.where(Anomaly.mark == _MARKED[Tab(wanted.tab)])
    if wanted.change_type:
        rows = rows.join(WalletEntry, _is_its_entry(Anomaly)).where(
            WalletEntry.change_type == wanted.change_type
        )
    if wanted.least is not None:
        rows = rows.where(Anomaly.score >= wanted.least)
    if wanted.since is not None:
        rows = rows.where(Anomaly.happened_at >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(Anomaly.happened_at < wanted.until)
    if wanted.player_id is not None:
        rows = rows.where(Anomaly.player_id == wanted.player_id)
    return rows


def _is_its_entry(of: Any) -> Any:
    return and_(
        WalletEntry.player_id == of.player_id,
        WalletEntry.currency == of.currency,
        WalletEntry.sequence == of.sequence,
    )


def _read(session: Session, chosen: Rows) -> list[AnomalyRow]:
    """The chosen ones with their entries and names: first the few anomalies, then what they are about."""
    of = chosen.subquery("anomaly").c
    rows = session.execute(
        select(
            of.player_id,
            of.currency,
            of.sequence,
            of.score,
            of.happened_at,
            of.mark,
            of.marked_at,
            of.note,
            Player.name,
            Player.external_id,
            WalletEntry.change_type,
            WalletEntry.real_delta,
            WalletEntry.bonus_delta,
            WalletEntry.performed_by,
            Login.name,
            of.reasons,
        )
        .join(WalletEntry, _is_its_entry(of))
        .join(Player, and_(Player.id == of.player_id, Player.operator_id == of.operator_id))
        .outerjoin(Login, Login.id == of.marked_by)
        .order_by(of.happened_at.desc(), of.player_id.desc(), of.currency.desc(), of.sequence.desc())
    )
    return [_row(list(row)) for row in rows]


def _row(values: list[Any]) -> AnomalyRow:
    values[-1] = tuple(sentence for _name, sentence in json.loads(values[-1]))
    return AnomalyRow(*values)


# Odd hours


@dataclass(frozen=True, slots=True)
class HourFilter:
    """Which odd hours are wanted; what is empty does not matter."""

    series: str = ""
    is_seen: bool | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class HourRow:
    """An odd hour, and who has looked into it. Minor units, or entries."""

    id: int
    series: str
    currency: str
    """Empty for a number of entries over all currencies."""
    hour: dt.datetime
    value: int
    expected: int
    deviation: int
    raised_at: dt.datetime
    seen_at: dt.datetime | None
    note: str | None
    seen_by: str | None
    """A name."""


_HOUR_KEY = (SeriesAlert.hour, SeriesAlert.id)
_AROUND = text("""
SELECT a.id, t.hour, CAST(sum(CASE a.series
  WHEN 'entries' THEN t.entries
  WHEN 'deposits' THEN CASE WHEN t.change_type = 'deposit' THEN t.real ELSE 0 END
  WHEN 'withdrawals' THEN CASE WHEN t.change_type = 'withdrawal' THEN -t.real ELSE 0 END
  WHEN 'stakes' THEN CASE WHEN t.change_type IN ('wager', 'refund') THEN -(t.real + t.bonus) ELSE 0 END
  ELSE CASE WHEN t.change_type = 'settlement' THEN t.real + t.bonus ELSE 0 END END) AS bigint) AS value
FROM series_alerts a JOIN hourly_totals t
  ON t.operator_id = a.operator_id AND t.hour >= a.hour - :around AND t.hour < a.hour + :around
 AND (a.currency = '' OR t.currency = a.currency)
WHERE a.operator_id = :operator AND a.id = ANY (:ids)
GROUP BY a.id, t.hour
""")


def page_of_hours(
    session: Session, *, operator_id: int, wanted: HourFilter, after: str = "", through: str = ""
) -> Page[HourRow]:
    """Odd hours, the latest first; `after`, `through`: see `paging`."""
    chosen = _hours(operator_id, wanted).order_by(*(key.desc() for key in _HOUR_KEY))
    key = tuple_(*_HOUR_KEY)

    def fetch(after: Place | None, through: Place | None, limit: int) -> list[HourRow]:
        rows = chosen
        if after is not None:
            rows = rows.where(key < tuple_(*map(literal, after)))
        if through is not None:
            rows = rows.where(key >= tuple_(*map(literal, through)))
        return [HourRow(*row) for row in session.execute(rows.limit(limit))]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.hour, row.id),
        after=paging.read(after, dt.datetime, int),
        through=paging.read(through, dt.datetime, int),
    )


def get_hour(session: Session, *, operator_id: int, alert_id: int) -> HourRow:
    """One of them. Raises NotFound."""
    chosen = _hours(operator_id, HourFilter()).where(SeriesAlert.id == alert_id)
    row = session.execute(chosen).one_or_none()
    if row is None:
        raise NotFound("There is no such hour.")
    return HourRow(*row)


def weeks_around(
    session: Session, *, operator_id: int, rows: Sequence[HourRow], now: dt.datetime
) -> dict[int, list[int]]:
    """By id of each alert what each hour of the week around it brought, up to now. One statement."""
    named = {"operator": operator_id, "ids": [row.id for row in rows], "around": AROUND}
    values = {(each.id, each.hour): each.value for each in session.execute(_AROUND, named)} if rows else {}
    found = {}
    for row in rows:
        end = min(row.hour + AROUND, max(now, row.hour + dt.timedelta(hours=1)))
        count = int((end - (row.hour - AROUND)) / dt.timedelta(hours=1))
        hours = (row.hour - AROUND + at * dt.timedelta(hours=1) for at in range(count))
        found[row.id] = [values.get((row.id, hour), 0) for hour in hours]
    return found


def _hours(operator_id: int, wanted: HourFilter) -> Rows:
    of = SeriesAlert
    rows: Rows = (
        select(
            of.id,
            of.series,
            of.currency,
            of.hour,
            of.value,
            of.expected,
            of.deviation,
            of.raised_at,
            of.seen_at,
            of.note,
            Login.name,
        )
        .outerjoin(Login, Login.id == of.seen_by)
        .where(of.operator_id == operator_id)
    )
    if wanted.series:
        rows = rows.where(of.series == wanted.series)
    if wanted.is_seen is not None:
        rows = rows.where(of.seen_at.is_not(None) == wanted.is_seen)
    if wanted.since is not None:
        rows = rows.where(of.hour >= wanted.since)
    if wanted.until is not None:
        rows = rows.where(of.hour < wanted.until)
    return rows
