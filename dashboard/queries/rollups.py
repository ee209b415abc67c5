"""Sums over journals by bucket: from the rollups, with what is younger than they are added from the entries.

Days are the operator's, hours are UTC's. A figure is that of the entries of the moment, whenever the worker
came by last.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.models.vip import Level
from dashboard.services import rollups
from dashboard.services.periods import Unit


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose entries: an operator's, in one currency, perhaps of one agent's players or of one level."""

    operator_id: int
    timezone: str
    currency: str
    agent_id: int | None = None
    """0: players of whom nobody is in charge."""
    level: Level | None = None


class Part(StrEnum):
    """What a scope is divided by."""

    AGENT = "agent_id"
    """Who was in charge of the player, by login id; 0 is nobody."""
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class BucketSum:
    """What the entries of one kind come to in one bucket. Minor units."""

    bucket: int
    """Its place among those asked for, from 0."""
    change_type: str
    contra_account: str
    entries: int
    real: int
    bonus: int
    credits: int
    """What raised balances, real and bonus."""
    part: str = ""
    """Whose: an agent's id or a level, where the scope was divided."""


@dataclass(frozen=True, slots=True)
class CurrencySum:
    """What the entries of one kind come to in one currency on one day, or in a quarter of an hour.

    Minor units. An hour of any zone begins with a quarter.
    """

    currency: str
    at: dt.datetime
    """The quarter's beginning; for a day its midnight, by the operator's wall, without a zone."""
    change_type: str
    contra_account: str
    entries: int
    real: int
    bonus: int
    credits: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What all balances of a scope held at a moment. Minor units."""

    real: int
    bonus: int


def sums(
    session: Session, scope: Scope, buckets: Sequence[Span], unit: Unit, *, by: Part | None = None
) -> list[BucketSum]:
    """The sums of each kind of entry by bucket, of adjoining buckets of that unit; empty ones have no row.

    `by` divides each of them further.
    """
    by_hour = unit == Unit.HOUR
    parameters = _named(session, scope, buckets[0].start, buckets[-1].end) | {
        "starts": [bucket.start if by_hour else _day(bucket.start, scope) for bucket in buckets],
        "ends": [bucket.end if by_hour else _day(bucket.end, scope) for bucket in buckets],
        "live_starts": [bucket.start for bucket in buckets],
        "live_ends": [bucket.end for bucket in buckets],
    }
    is_divided = by is not None or not _is_whole(scope)
    statement = _summing(
        by_hour=by_hour,
        is_divided=is_divided,
        is_held=not by_hour or (not is_divided and _is_of_hours(buckets)),
        is_whole=_is_whole(scope),
        has_level=by == Part.LEVEL or scope.level is not None,
        by=by,
    )
    return [BucketSum(*row) for row in session.execute(statement, parameters)]


def opening(session: Session, scope: Scope, at: dt.datetime) -> Opening:
    """What the balances of a scope held at a moment: all that moved before."""
    midnight = clock.day(at, scope.timezone).start
    parameters = _named(session, scope, dt.datetime.min.replace(tzinfo=dt.UTC), midnight)
    parameters |= {"day": _day(at, scope), "at": at}
    statement = _opening(is_whole=_is_whole(scope), has_level=scope.level is not None)
    row = session.execute(statement, parameters).one()
    return Opening(int(row.real), int(row.bonus))


def sums_by_currency(session: Session, scope: Scope, span: Span, unit: Unit) -> list[CurrencySum]:
    """As `sums`, of all currencies, by day, or by quarter for hours; that of the scope says nothing."""
    by_hour = unit == Unit.HOUR
    parameters = _named(session, scope, span.start, span.end)
    parameters |= {"first": _day(span.start, scope), "last": _day(span.end, scope), "zone": scope.timezone}
    statement = _by_currency(by_hour=by_hour, has_level=scope.level is not None)
    return [CurrencySum(*row) for row in session.execute(statement, parameters)]


def openings(session: Session, scope: Scope, at: dt.datetime) -> dict[str, Opening]:
    """As `opening`, by currency."""
    midnight = clock.day(at, scope.timezone).start
    parameters = _named(session, scope, dt.datetime.min.replace(tzinfo=dt.UTC), midnight)
    parameters |= {"day": _day(at, scope), "at": at}
    has_level = scope.level is not None
    statement = _opening(is_whole=_is_whole(scope), has_level=has_level, by_currency=True)
    rows = session.execute(statement, parameters)
    return {row.currency: Opening(int(row.real), int(row.bonus)) for row in rows}


def passed_at(session: Session, scope: Scope) -> dt.datetime | None:
    """When the rollups last held all of an operator's entries; None where its days are counted anew."""
    named = {"operator": scope.operator_id, "timezone": scope.timezone}
    found: dt.datetime | None = session.scalar(_PASSED, named)
    return found


_PASSED = text("SELECT passed_at FROM rollup_passes WHERE operator_id = :operator AND timezone = :timezone")
_ENTRIES = """
SELECT e.created_at, e.change_type, e.contra_account, e.real_delta, e.bonus_delta, e.currency,
       coalesce(e.agent_id, 0) AS agent_id {level}
FROM wallet_entries e {wallets}
WHERE e.operator_id = :operator AND {currency}
  AND e.created_at >= :{start} AND e.created_at < :{end}
  AND (CAST(:agent AS bigint) IS NULL OR coalesce(e.agent_id, 0) = :agent)
"""
# What is younger than the marks; all, where an operator's days are being counted anew. An entry is dated when
# its transaction begins, so one that the last pass could not see is not much older than that pass.
_YOUNGER = """
  AND e.created_at >= :horizon
  AND (NOT :is_held OR e.sequence > coalesce(
    (SELECT m.sequence FROM rollup_marks m WHERE m.player_id = e.player_id AND m.currency = e.currency), 0))
"""
# The level as of an entry is what the next change left. Few have changed since the first of the entries: of
# the others the present level was theirs all the time, and nothing is looked up.
_LEVEL = """
, CASE WHEN e.player_id IN (SELECT c.player_id FROM vip_level_changes c
                            WHERE c.operator_id = :operator AND c.changed_at >= :{start})
  THEN coalesce((SELECT c.from_level FROM vip_level_changes c
                 WHERE c.player_id = e.player_id AND c.changed_at > e.created_at
                 ORDER BY c.changed_at, c.id LIMIT 1), w.vip_level)
  ELSE w.vip_level END AS level
"""
_WALLETS = "JOIN wallets w ON w.player_id = e.player_id"
_OF_LEVEL = "SELECT * FROM ({entries}) AS e WHERE CAST(:level AS text) IS NULL OR e.level = :level"
_OF_SCOPE = """
  AND (CAST(:agent AS bigint) IS NULL OR t.agent_id = :agent)
  AND (CAST(:level AS text) IS NULL OR t.level = :level)
"""


@lru_cache
def _summing(
    *, by_hour: bool, is_divided: bool, is_held: bool, is_whole: bool, has_level: bool, by: Part | None
) -> TextClause:
    # There is no rollup of an agent's hours, nor of hours that begin at half past: some days of entries.
    live = _entries(has_level=has_level, younger=is_held)
    part = f"CAST({{0}}.{by} AS text)" if by else "''"
    if not is_held:
        held = (
            "SELECT NULL::int, NULL::text, NULL::text, 0::bigint, 0::bigint, 0::bigint, 0::bigint, NULL::text"
            " WHERE false"
        )
    else:
        table, column = ("hourly_totals", "hour") if by_hour else ("daily_totals", "day")
        table = "daily_activity" if is_divided else table
        scoped = "" if is_whole else _OF_SCOPE
        kind = "timestamptz" if by_hour else "date"
        held = f"""
        SELECT b.n, t.change_type, t.contra_account, t.entries, t.real, t.bonus, t.credits, {part.format("t")}
        FROM unnest(CAST(:starts AS {kind}[]), CAST(:ends AS {kind}[])) WITH ORDINALITY AS b(first, last, n)
        JOIN {table} t ON t.operator_id = :operator AND t.currency = :currency
         AND t.{column} >= b.first AND t.{column} < b.last {scoped}
        WHERE :is_held
        """
    return text(f"""
    SELECT CAST(n - 1 AS int), change_type, contra_account, CAST(sum(entries) AS bigint),
           CAST(sum(real) AS bigint), CAST(sum(bonus) AS bigint), CAST(sum(credits) AS bigint), part
    FROM (
      {held}
      UNION ALL
      SELECT b.n, l.change_type, l.contra_account, 1, l.real_delta, l.bonus_delta,
             greatest(l.real_delta + l.bonus_delta, 0), {part.format("l")}
      FROM ({live}) AS l
      JOIN unnest(CAST(:live_starts AS timestamptz[]), CAST(:live_ends AS timestamptz[]))
        WITH ORDINALITY AS b(first, last, n) ON l.created_at >= b.first AND l.created_at < b.last
    ) AS parts(n, change_type, contra_account, entries, real, bonus, credits, part)
    GROUP BY 1, 2, 3, part ORDER BY 1, 2, 3, part
    """)


@lru_cache
def _opening(*, is_whole: bool, has_level: bool, by_currency: bool = False) -> TextClause:
    table = "daily_totals" if is_whole else "daily_activity"
    held = "" if is_whole else _OF_SCOPE
    held += "" if by_currency else " AND t.currency = :currency"
    live = _entries(has_level=has_level, younger=True, by_currency=by_currency)
    # Of the day that has begun before that moment nothing is asked of the rollups.
    begun = _entries(has_level=has_level, younger=False, start="end", end="at", by_currency=by_currency)
    grouped = "GROUP BY currency" if by_currency else ""
    return text(f"""
    SELECT coalesce(sum(real), 0) AS real, coalesce(sum(bonus), 0) AS bonus, min(currency) AS currency FROM (
      SELECT t.real, t.bonus, t.currency FROM {table} t
      WHERE t.operator_id = :operator AND t.day < :day AND :is_held {held}
      UNION ALL
      SELECT real_delta, bonus_delta, currency FROM ({live}) AS l
      UNION ALL
      SELECT real_delta, bonus_delta, currency FROM ({begun}) AS d
    ) AS parts {grouped}
    """)


@lru_cache
def _by_currency(*, by_hour: bool, has_level: bool) -> TextClause:
    live = _entries(has_level=has_level, younger=not by_hour, by_currency=True)
    place = "date_bin('15 minutes', l.created_at, timestamptz 'epoch')"
    held = ""
    if not by_hour:
        place = "date_trunc('day', l.created_at AT TIME ZONE :zone)"
        held = f"""
        SELECT t.currency, CAST(t.day AS timestamp), t.change_type, t.contra_account, t.entries, t.real,
               t.bonus, t.credits
        FROM daily_activity t
        WHERE t.operator_id = :operator AND t.day >= :first AND t.day < :last AND :is_held {_OF_SCOPE}
        UNION ALL
        """
    return text(f"""
    SELECT currency, at, change_type, contra_account, CAST(sum(entries) AS bigint),
           CAST(sum(real) AS bigint), CAST(sum(bonus) AS bigint), CAST(sum(credits) AS bigint)
    FROM (
      {held}
      SELECT l.currency, {place}, l.change_type, l.contra_account, 1, l.real_delta, l.bonus_delta,
             greatest(l.real_delta + l.bonus_delta, 0)
      FROM ({live}) AS l
    ) AS parts(currency, at, change_type, contra_account, entries, real, bonus, credits)
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    """)


def _entries(
    *, has_level: bool, younger: bool, start: str = "start", end: str = "end", by_currency: bool = False
) -> str:
    """Entries of the scope between the instants that these parameters name, with the level if asked for."""
    found = _ENTRIES.format(
        level=_LEVEL.format(start=start) if has_level else "",
        wallets=_WALLETS if has_level else "",
        currency="true" if by_currency else "e.currency = :currency",
        start=start,
        end=end,
    )
    found += _YOUNGER if younger else ""
    return _OF_LEVEL.format(entries=found) if has_level else found


def _named(session: Session, scope: Scope, start: dt.datetime, end: dt.datetime) -> dict[str, object]:
    passed = passed_at(session, scope)
    return {
        "operator": scope.operator_id,
        "currency": scope.currency,
        "agent": scope.agent_id,
        "level": scope.level,
        "start": start,
        "end": end,
        "horizon": start if passed is None else max(start, passed - rollups.IN_FLIGHT),
        "is_held": passed is not None,
    }


def _is_of_hours(buckets: Sequence[Span]) -> bool:
    """Whether they begin and end on whole hours of UTC; those of a zone half an hour beside it do not."""
    return not any(at.timestamp() % 3600 for bucket in buckets for at in bucket)


def _is_whole(scope: Scope) -> bool:
    return scope.agent_id is None and scope.level is None


def _day(at: dt.datetime, scope: Scope) -> dt.date:
    return clock.local(at, scope.timezone).date()
