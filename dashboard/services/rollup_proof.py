"""The proof of rollups: each day and hour is what the entries up to the marks come to.

Each check is one statement over everything that returns what differs, as in `verification`. Days are
counted by the time zone that the rollups were made by, which is the operator's or was until a moment ago.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, TextClause, text

from dashboard.services import rollup_wording, rollups
from dashboard.services.findings import Check, Finding, Words
from dashboard.services.rollup_wording import DAY_FIGURES, FIGURES

_DAY = "CAST(e.created_at AT TIME ZONE p.timezone AS date)"
_HOUR = "date_trunc('hour', e.created_at, 'UTC')"
_HELD = """
wallet_entries e
JOIN rollup_marks m ON m.player_id = e.player_id AND m.currency = e.currency AND e.sequence <= m.sequence
JOIN rollup_passes p ON p.operator_id = e.operator_id
"""
_SUMS = """
count(*) AS entries, sum(e.real_delta) AS real, sum(e.bonus_delta) AS bonus,
sum(greatest(e.real_delta + e.bonus_delta, 0)) AS credits
"""
_KIND = ("change_type", "contra_account")


def _totals(check: Check, when: str, counted: str) -> TextClause:
    """Both ways round: a row without its entries, and entries without their row."""
    keys = ", ".join(("operator_id", "currency", when, *_KIND))
    return text(f"""
    WITH due AS (
      SELECT e.operator_id, e.currency, {counted} AS {when}, e.change_type, e.contra_account, {_SUMS}
      FROM {_HELD} GROUP BY 1, 2, 3, 4, 5
    ), compared AS (
      SELECT {keys}, {_both(FIGURES)}
      FROM {check} t FULL JOIN due d USING ({keys})
    )
    {_differing(check, FIGURES, keys)}
    """)


def _both(names: Sequence[str]) -> str:
    return ", ".join(
        f"coalesce(t.{name}, 0) AS stored_{name}, coalesce(d.{name}, 0) AS due_{name}" for name in names
    )


def _differing(check: Check, names: Sequence[str], keys: str) -> str:
    return f"""
    SELECT c.*, '{check}' AS failed, count(*) OVER () AS total
    FROM compared c
    WHERE ({", ".join(f"stored_{name}" for name in names)}) <> ({", ".join(f"due_{name}" for name in names)})
    ORDER BY {keys} LIMIT :cap
    """


_OF_ACTIVITY = "operator_id, currency, day, agent_id, change_type, contra_account"
_SUMMED = ", ".join(f"sum({name}) AS {name}" for name in FIGURES)
_BEFORE = f"interval '{int(rollups.IN_FLIGHT.total_seconds())} seconds'"
# A change of level may be dated before an entry and be committed only after that entry was counted. Where a
# change is so near before an entry, the kind is compared over all levels of its day together.
_ACTIVITY = text(f"""
WITH held AS (
  {rollups.levels("wallets")}
), cell AS (
  SELECT e.operator_id, e.currency, {_DAY} AS day, coalesce(e.agent_id, 0) AS agent_id, l.level,
         e.change_type, e.contra_account, {_SUMS}, bool_or(e.created_at < l.begins + {_BEFORE}) AS is_near
  FROM {_HELD}
  JOIN held l ON l.player_id = e.player_id AND e.created_at >= l.begins AND e.created_at < l.ends
  GROUP BY 1, 2, 3, 4, 5, 6, 7
), blurred AS (
  SELECT DISTINCT {_OF_ACTIVITY}, true AS is_blurred FROM cell WHERE is_near
), due AS (
  SELECT {_OF_ACTIVITY}, CASE WHEN is_blurred THEN '' ELSE level END AS level, {_SUMMED}
  FROM cell LEFT JOIN blurred USING ({_OF_ACTIVITY}) GROUP BY {_OF_ACTIVITY}, 7
), stored AS (
  SELECT {_OF_ACTIVITY}, CASE WHEN is_blurred THEN '' ELSE level END AS level, {_SUMMED}
  FROM daily_activity LEFT JOIN blurred USING ({_OF_ACTIVITY}) GROUP BY {_OF_ACTIVITY}, 7
), compared AS (
  SELECT {_OF_ACTIVITY}, level, {_both(FIGURES)}
  FROM stored t FULL JOIN due d USING ({_OF_ACTIVITY}, level)
)
{_differing(Check.DAILY_ACTIVITY, FIGURES, f"{_OF_ACTIVITY}, level")}
""")

_BALANCES = text(f"""
WITH moved AS (
  SELECT e.player_id, e.currency, {_DAY} AS day, max(e.operator_id) AS operator_id,
         (array_agg(e.real_before ORDER BY e.sequence))[1] AS opening,
         (array_agg(e.real_after ORDER BY e.sequence DESC))[1] AS closing,
         min(e.real_after) AS lowest, max(e.real_after) AS highest,
         (array_agg(e.bonus_after ORDER BY e.sequence DESC))[1] AS bonus_closing, count(*) AS entries
  FROM {_HELD} GROUP BY 1, 2, 3
), due AS (
  SELECT *, least(lowest, opening) AS low, greatest(highest, opening) AS high FROM moved
), compared AS (
  SELECT player_id, currency, day, {_both(DAY_FIGURES)}
  FROM daily_balances t FULL JOIN due d USING (player_id, currency, day)
)
{_differing(Check.DAILY_BALANCES, DAY_FIGURES, "player_id, currency, day")}
""")

STATEMENTS = (
    _totals(Check.DAILY_TOTALS, "day", _DAY),
    _totals(Check.HOURLY_TOTALS, "hour", _HOUR),
    _ACTIVITY,
    _BALANCES,
)


def _figures(row: Row[Any], which: str, names: Sequence[str]) -> dict[str, int]:
    return {name: int(row._mapping[f"{which}_{name}"]) for name in names}


def _total(row: Row[Any]) -> Finding:
    check = Check(row.failed)
    kind: tuple[str | int, ...] = (row.change_type, row.contra_account)
    if check == Check.DAILY_ACTIVITY:
        kind = (f"agent {row.agent_id}", row.level or "all levels", *kind)
    return rollup_wording.total(
        check,
        row.operator_id,
        row.currency,
        row.hour if check == Check.HOURLY_TOTALS else row.day,
        kind,
        stored=_figures(row, "stored", FIGURES),
        due=_figures(row, "due", FIGURES),
    )


WORDS: Words = {
    Check.DAILY_TOTALS: _total,
    Check.HOURLY_TOTALS: _total,
    Check.DAILY_ACTIVITY: _total,
    Check.DAILY_BALANCES: lambda row: rollup_wording.day(
        row.player_id,
        row.currency,
        row.day,
        stored=_figures(row, "stored", DAY_FIGURES),
        due=_figures(row, "due", DAY_FIGURES),
    ),
}
