"""The proof of rollups a second way: every entry up to its mark, added up in Python, sharing no SQL.

Plain columns are all that it asks of the database. Days and hours of an operator are kept in memory; those
of balances, of which there are many more, pass by beside the journals.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.services import rollup_wording, rollups
from dashboard.services.findings import Check, Found
from dashboard.services.rollup_wording import DAY_FIGURES, FIGURES

_CHUNK = 2000
_ENTRIES = text("""
SELECT player_id, currency, sequence, operator_id, change_type, contra_account, agent_id, real_delta,
       bonus_delta, real_before, real_after, bonus_after, created_at
FROM wallet_entries ORDER BY player_id, currency, sequence
""")
_DAYS = text("""
SELECT player_id, currency, day, operator_id, opening, closing, low, high, bonus_closing, entries
FROM daily_balances ORDER BY player_id, currency, day
""")
_MARKS = text("SELECT player_id, currency, sequence FROM rollup_marks")
_PASSES = text("SELECT operator_id, timezone FROM rollup_passes")
_LEVELS = text("SELECT player_id, vip_level FROM wallets")
_CHANGES = text("SELECT player_id, from_level, changed_at FROM vip_level_changes ORDER BY changed_at, id")
_TOTALS = text(
    "SELECT operator_id, currency, day, change_type, contra_account, entries, real, bonus, credits"
    " FROM daily_totals"
)
_HOURS = text(
    "SELECT operator_id, currency, hour, change_type, contra_account, entries, real, bonus, credits"
    " FROM hourly_totals"
)
_ACTIVITY = text(
    "SELECT operator_id, currency, day, agent_id, change_type, contra_account, level, entries, real, bonus,"
    " credits FROM daily_activity"
)

_Key = tuple[Any, ...]
_Figures = list[int]


def check(session: Session, found: Found) -> None:
    """Every day and hour that is rolled up, beside its entries."""
    book = _Book(session)
    stored = _Stored(_stream(session, _DAYS))
    for whose, rows in groupby(_stream(session, _ENTRIES), lambda row: (row.player_id, row.currency)):
        due = book.read(whose, rows)
        for passed_by, days in stored.before(whose):
            _compare_days(passed_by, days, {}, found)
        _compare_days(whose, stored.take(whose), due, found)
    for passed_by, days in stored.before(None):
        _compare_days(passed_by, days, {}, found)
    book.compare(session, found)


class _Levels:
    """Which level a player had when."""

    def __init__(self, session: Session) -> None:
        self._present = {row.player_id: row.vip_level for row in session.execute(_LEVELS)}
        self._changes: dict[int, list[tuple[dt.datetime, str]]] = defaultdict(list)
        for row in session.execute(_CHANGES):
            self._changes[row.player_id].append((row.changed_at, row.from_level))

    def at(self, player_id: int, at: dt.datetime) -> tuple[str | None, bool]:
        """The level at that moment, and whether it had changed just before. None: there is no wallet."""
        if player_id not in self._present:
            return None, False
        is_near = False
        for changed_at, left in self._changes.get(player_id, ()):
            if changed_at > at:
                return left, is_near
            is_near = at < changed_at + rollups.IN_FLIGHT
        return self._present[player_id], is_near


class _Book:
    """What the entries up to their marks come to, while they pass by."""

    def __init__(self, session: Session) -> None:
        self._zones = {row.operator_id: row.timezone for row in session.execute(_PASSES)}
        self._marks = {(row.player_id, row.currency): row.sequence for row in session.execute(_MARKS)}
        self._levels = _Levels(session)
        self._totals: dict[_Key, _Figures] = defaultdict(lambda: [0, 0, 0, 0])
        self._hours: dict[_Key, _Figures] = defaultdict(lambda: [0, 0, 0, 0])
        self._activity: dict[_Key, _Figures] = defaultdict(lambda: [0, 0, 0, 0])
        self._near: set[_Key] = set()
        """Kinds of which an entry came just after its player's level had changed."""

    def read(self, whose: tuple[int, str], rows: Iterable[Row[Any]]) -> dict[dt.date, dict[str, int]]:
        """Count one journal; its days by their figures."""
        days: dict[dt.date, dict[str, int]] = {}
        mark = self._marks.get(whose, 0)
        for row in rows:
            if row.sequence > mark or row.operator_id not in self._zones:
                continue
            day = clock.local(row.created_at, self._zones[row.operator_id]).date()
            self._count(row, day)
            _move(days, day, row)
        return days

    def _count(self, row: Row[Any], day: dt.date) -> None:
        house, kind = (row.operator_id, row.currency), (row.change_type, row.contra_account)
        hour = row.created_at.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
        _add(self._totals[*house, day, *kind], row)
        _add(self._hours[*house, hour, *kind], row)
        level, is_near = self._levels.at(row.player_id, row.created_at)
        if level is None:
            return
        group = (*house, day, row.agent_id or 0, *kind)
        _add(self._activity[*group, level], row)
        if is_near:
            self._near.add(group)

    def compare(self, session: Session, found: Found) -> None:
        """What is stored beside what was counted."""
        for check, statement, due in (
            (Check.DAILY_TOTALS, _TOTALS, self._totals),
            (Check.HOURLY_TOTALS, _HOURS, self._hours),
        ):
            stored = {tuple(row[:5]): list(row[5:]) for row in session.execute(statement)}
            _compare(check, stored, due, found)
        activity = {tuple(row[:7]): list(row[7:]) for row in session.execute(_ACTIVITY)}
        _compare(Check.DAILY_ACTIVITY, self._blurred(activity), self._blurred(self._activity), found)

    def _blurred(self, figures: Mapping[_Key, _Figures]) -> dict[_Key, _Figures]:
        """Over all levels, where it cannot be said which of them an entry was counted for."""
        made: dict[_Key, _Figures] = defaultdict(lambda: [0, 0, 0, 0])
        for (*group, level), values in figures.items():
            kept = made[*group, "" if tuple(group) in self._near else level]
            for place, value in enumerate(values):
                kept[place] += value
        return made


def _add(figures: _Figures, row: Row[Any]) -> None:
    figures[0] += 1
    figures[1] += row.real_delta
    figures[2] += row.bonus_delta
    figures[3] += max(row.real_delta + row.bonus_delta, 0)


def _move(days: dict[dt.date, dict[str, int]], day: dt.date, row: Row[Any]) -> None:
    if day not in days:
        days[day] = {
            "operator_id": row.operator_id,
            "opening": row.real_before,
            "closing": row.real_before,
            "low": row.real_before,
            "high": row.real_before,
            "bonus_closing": 0,
            "entries": 0,
        }
    figures = days[day]
    figures["operator_id"] = max(figures["operator_id"], row.operator_id)
    figures["closing"], figures["bonus_closing"] = row.real_after, row.bonus_after
    figures["low"] = min(figures["low"], row.real_after)
    figures["high"] = max(figures["high"], row.real_after)
    figures["entries"] += 1


@dataclass
class _Stored:
    """The days of balances as they stand, taken journal by journal in the order of the journals."""

    rows: Iterator[Row[Any]]
    _next: Row[Any] | None = None
    _is_begun: bool = False

    def before(self, whose: tuple[int, str] | None) -> Iterator[tuple[tuple[int, str], list[Row[Any]]]]:
        """The days of all balances that come before this one; all that are left, of None."""
        while (first := self._look()) is not None and (whose is None or _owner(first) < whose):
            yield _owner(first), self.take(_owner(first))

    def take(self, whose: tuple[int, str]) -> list[Row[Any]]:
        """The days of this balance."""
        taken = []
        while (row := self._look()) is not None and _owner(row) == whose:
            taken.append(row)
            self._next = next(self.rows, None)
        return taken

    def _look(self) -> Row[Any] | None:
        if not self._is_begun:
            self._next, self._is_begun = next(self.rows, None), True
        return self._next


def _owner(row: Row[Any]) -> tuple[int, str]:
    return row.player_id, row.currency


def _compare_days(
    whose: tuple[int, str], rows: list[Row[Any]], due: Mapping[dt.date, dict[str, int]], found: Found
) -> None:
    stored = {row.day: {name: row._mapping[name] for name in DAY_FIGURES} for row in rows}
    nothing = dict.fromkeys(DAY_FIGURES, 0)
    for day in sorted(stored.keys() | due.keys()):
        kept, right = stored.get(day, nothing), due.get(day, nothing)
        if kept != right:
            found.add(rollup_wording.day(*whose, day, stored=kept, due=right))


def _compare(
    check: Check, stored: Mapping[_Key, _Figures], due: Mapping[_Key, _Figures], found: Found
) -> None:
    for key in sorted(stored.keys() | due.keys()):
        kept, right = list(stored.get(key, [0] * 4)), list(due.get(key, [0] * 4))
        if kept == right:
            continue
        operator_id, currency, when, *kind = key
        if check == Check.DAILY_ACTIVITY:
            agent_id, *of_entry, level = kind
            kind = [f"agent {agent_id}", level or "all levels", *of_entry]
        found.add(
            rollup_wording.total(
                check,
                operator_id,
                currency,
                when,
                tuple(kind),
                stored=dict(zip(FIGURES, kept, strict=True)),
                due=dict(zip(FIGURES, right, strict=True)),
            )
        )


def _stream(session: Session, statement: TextClause) -> Iterator[Row[Any]]:
    return iter(session.execute(statement, execution_options={"yield_per": _CHUNK}))
