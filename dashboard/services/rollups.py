"""Rollups follow the journals: each entry is counted into its day once, whoever asks and how often.

A journal has no gap and never changes, so a mark for each balance says exactly what is counted already. A
pass takes what lies behind the marks, adds it up in one statement, and moves the marks in the same
transaction.
"""

import datetime as dt

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = 0x50555253_0006  # "PURS": one pass at a time
IN_FLIGHT = dt.timedelta(minutes=10)
"""An entry is dated when its transaction begins; none takes so long until it is committed."""


def levels(players: str) -> str:
    """The same for all players of a relation at once: each level that they had, from `begins` to `ends`.

    One row of them holds an entry: `begins` is inclusive, `ends` exclusive.
    """
    return f"""
    SELECT c.player_id, c.from_level AS level, c.changed_at AS ends,
           lag(c.changed_at, 1, timestamptz '-infinity') OVER (
             PARTITION BY c.player_id ORDER BY c.changed_at, c.id) AS begins
    FROM vip_level_changes c WHERE c.player_id IN (SELECT player_id FROM {players})
    UNION ALL
    SELECT w.player_id, w.vip_level, timestamptz 'infinity',
           coalesce((SELECT max(c.changed_at) FROM vip_level_changes c WHERE c.player_id = w.player_id),
                    timestamptz '-infinity')
    FROM wallets w WHERE w.player_id IN (SELECT player_id FROM {players})
    """


_SUMS = "sum(entries), sum(real), sum(bonus), sum(credits)"
_ADD = """
entries = t.entries + excluded.entries, real = t.real + excluded.real, bonus = t.bonus + excluded.bonus,
credits = t.credits + excluded.credits
"""
_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_WAIT = text("SELECT pg_advisory_xact_lock(:lock)")
# What is added up stands in memory once; whoever rolls waits for nothing but itself.
_PATIENCE = text("""
SELECT set_config('work_mem', '64MB', true), set_config('statement_timeout', '0', true)
""")
# Hours are UTC's, so that they are the same in every zone. The first and the last of a balance's day are
# found by comparing (sequence, amount) as arrays: that needs no sorting. OFFSET 0 keeps each journal a walk
# of its own along the primary key, however many entries there are elsewhere.
_ROLL = text(f"""
WITH waiting AS (
  SELECT b.player_id, b.currency, o.timezone, coalesce(m.sequence, 0) AS since,
         least(b.version, coalesce(m.sequence, 0) + :each) AS until
  FROM balances b
  JOIN operators o ON o.id = b.operator_id
  LEFT JOIN rollup_marks m ON m.player_id = b.player_id AND m.currency = b.currency
  WHERE b.version > coalesce(m.sequence, 0) AND b.operator_id = ANY (:operators)
  ORDER BY b.player_id, b.currency LIMIT :balances
), behind AS MATERIALIZED (
  SELECT player_id, currency, timezone, since, until FROM (
    SELECT w.*, sum(until - since) OVER (ORDER BY player_id, currency) - (until - since) AS ahead
    FROM waiting w
  ) AS w WHERE ahead < :entries
), held AS (
  {levels("behind")}
), entry AS MATERIALIZED (
  SELECT e.player_id, e.currency, e.sequence, e.operator_id, e.change_type, e.contra_account,
         coalesce(e.agent_id, 0) AS agent_id, l.level, e.real_delta, e.bonus_delta, e.real_before,
         e.real_after, e.bonus_after, CAST(e.created_at AT TIME ZONE h.timezone AS date) AS day,
         date_bin('1 hour', e.created_at, timestamptz 'epoch') AS hour
  FROM behind h
  CROSS JOIN LATERAL (
    SELECT * FROM wallet_entries w
    WHERE w.player_id = h.player_id AND w.currency = h.currency
      AND w.sequence > h.since AND w.sequence <= h.until
    OFFSET 0
  ) AS e
  JOIN held l ON l.player_id = e.player_id AND e.created_at >= l.begins AND e.created_at < l.ends
), cell AS MATERIALIZED (
  SELECT operator_id, currency, day, hour, agent_id, level, change_type, contra_account,
         count(*) AS entries, sum(real_delta) AS real, sum(bonus_delta) AS bonus,
         sum(greatest(real_delta + bonus_delta, 0)) AS credits
  FROM entry GROUP BY operator_id, currency, day, hour, agent_id, level, change_type, contra_account
), totals AS (
  INSERT INTO daily_totals AS t (operator_id, currency, day, change_type, contra_account, entries, real,
                                 bonus, credits)
  SELECT operator_id, currency, day, change_type, contra_account, {_SUMS}
  FROM cell GROUP BY operator_id, currency, day, change_type, contra_account
  ON CONFLICT (operator_id, currency, day, change_type, contra_account) DO UPDATE SET {_ADD}
), hours AS (
  INSERT INTO hourly_totals AS t (operator_id, currency, hour, change_type, contra_account, entries, real,
                                  bonus, credits)
  SELECT operator_id, currency, hour, change_type, contra_account, {_SUMS}
  FROM cell GROUP BY operator_id, currency, hour, change_type, contra_account
  ON CONFLICT (operator_id, currency, hour, change_type, contra_account) DO UPDATE SET {_ADD}
), activity AS (
  INSERT INTO daily_activity AS t (operator_id, currency, day, agent_id, level, change_type, contra_account,
                                   entries, real, bonus, credits)
  SELECT operator_id, currency, day, agent_id, level, change_type, contra_account, {_SUMS}
  FROM cell GROUP BY operator_id, currency, day, agent_id, level, change_type, contra_account
  ON CONFLICT (operator_id, currency, day, agent_id, level, change_type, contra_account)
  DO UPDATE SET {_ADD}
), days AS (
  INSERT INTO daily_balances AS t (player_id, currency, day, operator_id, opening, closing, low, high,
                                   bonus_closing, entries)
  SELECT player_id, currency, day, operator_id, first[2], last[2], least(low, first[2]),
         greatest(high, first[2]), last[3], entries
  FROM (
    SELECT player_id, currency, day, operator_id, min(ARRAY[sequence, real_before]) AS first,
           max(ARRAY[sequence, real_after, bonus_after]) AS last, min(real_after) AS low,
           max(real_after) AS high, count(*) AS entries
    FROM entry GROUP BY player_id, currency, day, operator_id
  ) AS d
  ON CONFLICT (player_id, currency, day) DO UPDATE SET
    closing = excluded.closing, low = least(t.low, excluded.low), high = greatest(t.high, excluded.high),
    bonus_closing = excluded.bonus_closing, entries = t.entries + excluded.entries
), marked AS (
  INSERT INTO rollup_marks (player_id, currency, sequence)
  SELECT player_id, currency, until FROM behind
  ON CONFLICT (player_id, currency) DO UPDATE SET sequence = excluded.sequence
)
SELECT CAST(coalesce(sum(until - since), 0) AS bigint) FROM behind
""")
_READY = text("""
SELECT p.operator_id FROM rollup_passes p JOIN operators o ON o.id = p.operator_id
WHERE p.timezone = o.timezone
""")
_UNREADY = text("""
SELECT o.id FROM operators o
WHERE NOT EXISTS (SELECT FROM rollup_passes p WHERE p.operator_id = o.id AND p.timezone = o.timezone)
""")
_PASSED = text("""
UPDATE rollup_passes p SET passed_at = greatest(p.passed_at, :at)
FROM operators o WHERE o.id = p.operator_id AND o.timezone = p.timezone
""")
_FORGET = (
    text("""
    DELETE FROM rollup_marks m USING balances b
    WHERE b.player_id = m.player_id AND b.currency = m.currency AND b.operator_id = :operator
    """),
    text("DELETE FROM hourly_totals WHERE operator_id = :operator"),
    text("DELETE FROM daily_totals WHERE operator_id = :operator"),
    text("DELETE FROM daily_activity WHERE operator_id = :operator"),
    text("DELETE FROM daily_balances WHERE operator_id = :operator"),
    text("""
    INSERT INTO rollup_passes (operator_id, timezone)
    SELECT id, timezone FROM operators WHERE id = :operator
    ON CONFLICT (operator_id) DO UPDATE SET timezone = excluded.timezone, passed_at = NULL
    """),
)


def roll(
    session: Session, *, balances: int = 5_000, each: int = 50_000, entries: int = 100_000
) -> int | None:
    """Count entries behind the marks; how many it counted.

    At most so many balances, so many entries of each, and about so many entries in all. For a job, again
    until it returns 0; `begin` first. None where another process is at it.
    """
    if not session.scalar(_ALONE, {"lock": _LOCK}):
        return None
    session.execute(_PATIENCE)
    ready = list(session.scalars(_READY))
    named = {"operators": ready, "balances": balances, "each": each, "entries": entries}
    return int(session.execute(_ROLL, named).scalar_one())


def passed(session: Session, *, at: dt.datetime) -> None:
    """Note that what was committed at that moment is counted."""
    session.execute(_PASSED, {"at": at})


def begin(session: Session) -> list[int]:
    """Have operators counted from the first entry on that are new, or whose days have become others.

    Their ids. Takes as long as it takes: figures come from the entries meanwhile.
    """
    if not session.scalar(_ALONE, {"lock": _LOCK}):
        return []
    found = list(session.scalars(_UNREADY))
    for operator_id in found:
        forget(session, operator_id=operator_id)
    return found


def forget(session: Session, *, operator_id: int) -> None:
    """Have all of an operator counted anew, by its present time zone. Waits for a pass to end."""
    session.execute(_WAIT, {"lock": _LOCK})
    session.execute(_PATIENCE)
    for statement in _FORGET:
        session.execute(statement, {"operator": operator_id})
