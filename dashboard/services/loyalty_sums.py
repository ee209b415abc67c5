"""Sums that pages on the programme read: what moved by day, and members by tier.

Whoever moves points or members adds rows of their own in the same transaction, so that the sums are exact at
every instant and nobody waits for a row. The worker makes one row of many.
"""

from collections.abc import Mapping

from sqlalchemy import text
from sqlalchemy.orm import Session

_LOCK = 0x50555253_0008  # "PURS": one folding at a time

DAY_OF = "CAST({0} AT TIME ZONE 'UTC' AS date)"
"""The day under which an entry is counted, by when it was written."""

_COUNT = text("""
INSERT INTO tier_members (operator_id, tier_id, members)
SELECT :operator, tier_id, members
FROM unnest(CAST(:tiers AS bigint[]), CAST(:members AS bigint[])) AS c(tier_id, members)
""")
_ALONE = text("SELECT pg_try_advisory_xact_lock(:lock)")
_WAIT = text("SELECT pg_advisory_xact_lock(:lock)")
# After days without a worker there is a row for each entry.
_PATIENCE = text("SELECT set_config('statement_timeout', '0', true)")
# One row, with the first id, of several that belong together; none where they come to nothing.
_FOLD = (
    text("""
    WITH several AS (
      SELECT operator_id, day, kind FROM loyalty_days GROUP BY operator_id, day, kind HAVING count(*) > 1
    ), taken AS (
      DELETE FROM loyalty_days d USING several s
      WHERE d.operator_id = s.operator_id AND d.day = s.day AND d.kind = s.kind
      RETURNING d.*
    )
    INSERT INTO loyalty_days (operator_id, day, kind, id, entries, points, amount) OVERRIDING SYSTEM VALUE
    SELECT operator_id, day, kind, min(id), sum(entries), sum(points), sum(amount)
    FROM taken GROUP BY operator_id, day, kind
    HAVING sum(entries) <> 0 OR sum(points) <> 0 OR sum(amount) <> 0
    """),
    text("""
    WITH several AS (
      SELECT operator_id, tier_id FROM tier_members GROUP BY operator_id, tier_id HAVING count(*) > 1
    ), taken AS (
      DELETE FROM tier_members m USING several s
      WHERE m.operator_id = s.operator_id AND m.tier_id = s.tier_id
      RETURNING m.*
    )
    INSERT INTO tier_members (operator_id, tier_id, id, members) OVERRIDING SYSTEM VALUE
    SELECT operator_id, tier_id, min(id), sum(members)
    FROM taken GROUP BY operator_id, tier_id HAVING sum(members) <> 0
    """),
)

# What is missing, in one statement: acts that run meanwhile are seen whole, or not at all.
_MEND = (
    text("""
    INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
    SELECT operator_id, day, kind, sum(entries), sum(points), sum(amount) FROM (
      SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date) AS day, kind, 1 AS entries, points,
             coalesce(payment_amount, 0) AS amount
      FROM loyalty_entries
      UNION ALL
      SELECT operator_id, day, kind, -entries, -points, -amount FROM loyalty_days
    ) AS apart
    GROUP BY operator_id, day, kind
    HAVING sum(entries) <> 0 OR sum(points) <> 0 OR sum(amount) <> 0
    RETURNING id
    """),
    text("""
    INSERT INTO tier_members (operator_id, tier_id, members)
    SELECT operator_id, tier_id, sum(members) FROM (
      SELECT operator_id, coalesce(tier_id, 0) AS tier_id, 1 AS members FROM loyalty_wallets
      UNION ALL
      SELECT operator_id, tier_id, -members FROM tier_members
    ) AS apart
    GROUP BY operator_id, tier_id HAVING sum(members) <> 0
    RETURNING id
    """),
)


def count_members(session: Session, operator_id: int, changes: Mapping[int | None, int]) -> None:
    """Count so many members more in each tier (None: in none), or fewer."""
    told = {tier_id or 0: members for tier_id, members in changes.items() if members}
    if told:
        values = {"operator": operator_id, "tiers": list(told), "members": list(told.values())}
        session.execute(_COUNT, values)


def fold(session: Session, *, waits: bool = False) -> None:
    """Make one row of those that belong together: sums stay, and nobody who adds one waits.

    Leaves it to another process that is at it, unless it `waits`.
    """
    session.execute(_PATIENCE)
    if waits:
        session.execute(_WAIT, {"lock": _LOCK})
    elif not session.scalar(_ALONE, {"lock": _LOCK}):
        return
    for statement in _FOLD:
        session.execute(statement)


def mend(session: Session) -> int:
    """Count what nobody has counted, as processes of an older release do not; how many sums were wrong.

    Reads every entry and wallet; nobody who writes some waits.
    """
    session.execute(_PATIENCE)
    session.execute(_WAIT, {"lock": _LOCK})
    return sum(len(session.execute(statement).all()) for statement in _MEND)
