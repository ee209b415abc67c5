"""The proof that nothing was edited, deleted, inserted or moved: every journal, balance, sum and anchor.

Each check is one statement over everything that returns the rows that differ. `independent` proves
the same without a line of this SQL. It never writes: `record` is for the caller, afterwards.
"""

import datetime as dt
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Row, bindparam, insert, text
from sqlalchemy.orm import Session

from dashboard.models import Verification
from dashboard.services import (
    anchors,
    chain,
    independent,
    partner_proof,
    play_proof,
    points_proof,
    rollup_proof,
    wording,
)
from dashboard.services.findings import CAP, LIFETIME, Check, Covered, Finding, Found, Proof, Words, fold

LANES = min(4, (os.cpu_count() or 1) + 1)
"""The journals are walked on so many connections at once, because a session's window functions use one core.

One more than there are cores: no core idles when one lane ends early, or while it waits for a page.
"""

# The application's role has 5 s per statement and per pause; a proof of everything takes what it takes.
_PATIENCE = text("""
SELECT set_config('statement_timeout', '0', true), set_config('work_mem', '64MB', true),
       set_config('idle_in_transaction_session_timeout', '0', true)
""")

_GENESIS = rf"'\x{chain.GENESIS.hex()}'::bytea"
_HASH = chain.sql({name: f"e.{name}" for name, _ in chain.FIELDS}, before="e.hash_before")

# One pass in the order of the primary key: each entry beside the one before it.
_WALK = text(f"""
WITH walked AS (
  SELECT *, lag(sequence, 1, 0::bigint) OVER journal AS sequence_before,
         lag(hash, 1, {_GENESIS}) OVER journal AS hash_before,
         lag(real_after, 1, 0::bigint) OVER journal AS left_real,
         lag(bonus_after, 1, 0::bigint) OVER journal AS left_bonus
  FROM wallet_entries
  WHERE player_id BETWEEN :first AND :last
  WINDOW journal AS (PARTITION BY player_id, currency ORDER BY sequence)
), differing AS (
  SELECT e.operator_id, e.player_id, e.currency, e.sequence, e.sequence_before, e.real_before,
         e.bonus_before, e.left_real, e.left_bonus, e.hash <> {_HASH} AS differs
  FROM walked e
  WHERE e.sequence <> e.sequence_before + 1
     OR e.real_before <> e.left_real OR e.bonus_before <> e.left_bonus
     OR e.hash <> {_HASH}
), told AS (
  SELECT d.*, c.failed, count(*) OVER (PARTITION BY c.failed) AS total,
         row_number() OVER (PARTITION BY c.failed ORDER BY player_id, currency, sequence) AS nth
  FROM differing d
  CROSS JOIN LATERAL (VALUES
    ('sequence', d.sequence <> d.sequence_before + 1),
    ('hash', d.differs),
    ('continuity', d.real_before <> d.left_real OR d.bonus_before <> d.left_bonus)
  ) AS c(failed, holds)
  WHERE c.holds
)
SELECT * FROM told WHERE nth <= :cap
""")

# Where to cut so that each lane has about as many entries to walk.
_CUTS = text("""
SELECT max(player_id) AS last FROM (
  SELECT player_id, ceil(sum(version) OVER (ORDER BY player_id, currency) * :lanes
                         / nullif(sum(version) OVER (), 0)) AS lane
  FROM balances) AS b
WHERE lane IS NOT NULL GROUP BY lane ORDER BY 1
""")

# A reversal takes back from the lifetime sums what its original added to them.
_SUMS = """
WITH counted AS (
  SELECT player_id, currency, change_type AS counts_as, count(*) AS entries,
         sum(real_delta) AS real, sum(bonus_delta) AS bonus,
         max(abs(real_delta)) AS largest
  FROM wallet_entries GROUP BY player_id, currency, change_type
), undone AS (
  SELECT r.player_id, r.currency, o.change_type AS counts_as, 0 AS entries,
         sum(r.real_delta) AS real, sum(r.bonus_delta) AS bonus, 0 AS largest
  FROM wallet_entries r
  JOIN wallet_entries o ON o.player_id = r.player_id AND o.currency = r.currency AND o.sequence = r.reverses
  WHERE r.reverses IS NOT NULL
  GROUP BY r.player_id, r.currency, o.change_type
), sums AS (
  SELECT player_id, currency, sum(entries) AS entries,
    coalesce(sum(real) FILTER (WHERE counts_as = 'deposit'), 0) AS deposited,
    -coalesce(sum(real) FILTER (WHERE counts_as = 'withdrawal'), 0) AS withdrawn,
    -coalesce(sum(real + bonus) FILTER (WHERE counts_as = 'wager'), 0) AS wagered,
    -coalesce(sum(real + bonus) FILTER (WHERE counts_as IN ('wager', 'refund')), 0) AS turnover,
    coalesce(sum(real + bonus) FILTER (WHERE counts_as = 'settlement'), 0) AS won,
    -coalesce(sum(real) FILTER (WHERE counts_as IN ('wager', 'settlement', 'refund')), 0) AS real_losses,
    -coalesce(sum(bonus) FILTER (WHERE counts_as IN ('wager', 'settlement', 'refund')), 0) AS bonus_losses,
    max(largest) AS largest
  FROM (SELECT * FROM counted UNION ALL SELECT * FROM undone) AS c
  GROUP BY player_id, currency
)
"""
_OF_BALANCE = ("real", "bonus", "version", "head")

# Both ways round: a balance whose journal is gone, and a journal whose balance is gone.
_BALANCES = text(f"""
{_SUMS}, compared AS (
  SELECT player_id, currency, b.operator_id,
    {", ".join(f"b.{name}" for name in (*_OF_BALANCE, *LIFETIME))},
    coalesce(l.real_after, 0) AS entries_real, coalesce(l.bonus_after, 0) AS entries_bonus,
    coalesce(l.hash, {_GENESIS}) AS entries_head, coalesce(s.entries, 0) AS entries_version,
    {", ".join(f"coalesce(s.{name}, 0) AS entries_{name}" for name in LIFETIME)}
  FROM balances b
  FULL JOIN sums s USING (player_id, currency)
  LEFT JOIN LATERAL (
    SELECT e.real_after, e.bonus_after, e.hash FROM wallet_entries e
    WHERE (e.player_id, e.currency) = (b.player_id, b.currency) ORDER BY e.sequence DESC LIMIT 1) AS l ON true
), told AS (
  SELECT d.*, c.failed, count(*) OVER (PARTITION BY c.failed) AS total,
         row_number() OVER (PARTITION BY c.failed ORDER BY player_id, currency) AS nth
  FROM compared d
  CROSS JOIN LATERAL (VALUES
    ('balance', ({", ".join(_OF_BALANCE)})
       IS DISTINCT FROM ({", ".join(f"entries_{name}" for name in _OF_BALANCE)})),
    ('lifetime', operator_id IS NOT NULL AND ({", ".join(LIFETIME)})
       IS DISTINCT FROM ({", ".join(f"entries_{name}" for name in LIFETIME)}))
  ) AS c(failed, holds)
  WHERE c.holds
)
SELECT * FROM told WHERE nth <= :cap
""")

_REVERSALS = text("""
SELECT r.operator_id, r.player_id, r.currency, r.sequence, r.reverses, 'reversal' AS failed,
       o.change_type AS reversed_type, count(*) OVER () AS total
FROM wallet_entries r
LEFT JOIN wallet_entries o
  ON o.player_id = r.player_id AND o.currency = r.currency AND o.sequence = r.reverses
WHERE r.reverses IS NOT NULL AND (
  (-r.real_delta, -r.bonus_delta, r.contra_account)
    IS DISTINCT FROM (o.real_delta, o.bonus_delta, o.contra_account)
  OR o.change_type = 'reversal')
ORDER BY r.player_id, r.currency, r.sequence LIMIT :cap
""")

# Pending is what withdrawals that are requested and debits that are held have set aside, and nothing else.
_PENDING = text("""
SELECT b.operator_id, b.player_id, b.currency, b.pending, coalesce(s.amount, 0) AS due,
       'pending' AS failed, count(*) OVER () AS total
FROM balances b
LEFT JOIN (
  SELECT player_id, currency, sum(amount) AS amount FROM (
    SELECT player_id, currency, amount FROM withdrawals WHERE state = 'requested'
    UNION ALL
    SELECT player_id, currency, -real_delta FROM change_requests WHERE state = 'held' AND real_delta < 0
  ) AS set_aside GROUP BY player_id, currency
) AS s ON s.player_id = b.player_id AND s.currency = b.currency
WHERE b.pending <> coalesce(s.amount, 0)
ORDER BY b.player_id, b.currency LIMIT :cap
""")

# What became an entry is that entry: same key, same amounts; a payment, the whole of its withdrawal.
_REQUESTS = text("""
SELECT r.operator_id, r.player_id, r.currency, r.sequence, r.kind, r.id, 'request' AS failed,
       count(*) OVER () AS total
FROM (
  SELECT operator_id, player_id, currency, sequence, kind, id, real_delta, bonus_delta,
         CASE WHEN kind <> 'payment' THEN idempotency_key END AS key
  FROM change_requests WHERE sequence IS NOT NULL
  UNION ALL
  SELECT operator_id, player_id, currency, sequence, 'withdrawal', id, -amount, 0, NULL
  FROM withdrawals WHERE sequence IS NOT NULL
) AS r
LEFT JOIN wallet_entries e
  ON e.player_id = r.player_id AND e.currency = r.currency AND e.sequence = r.sequence
WHERE (r.real_delta, r.bonus_delta, coalesce(r.key, e.idempotency_key))
  IS DISTINCT FROM (e.real_delta, e.bonus_delta, e.idempotency_key)
ORDER BY r.player_id, r.currency, r.sequence LIMIT :cap
""")

_TRIAL_BALANCE = text("""
SELECT operator_id, currency, coalesce(b.held, 0) AS held, coalesce(h.moved, 0) AS moved,
       coalesce(b.balances, 0) AS balances, coalesce(h.entries, 0) AS entries
FROM (SELECT operator_id, currency, sum(real::numeric + bonus) AS held, count(*) AS balances
      FROM balances GROUP BY operator_id, currency) AS b
FULL JOIN (SELECT operator_id, currency, sum(real_delta::numeric + bonus_delta) AS moved, count(*) AS entries
           FROM wallet_entries GROUP BY operator_id, currency) AS h USING (operator_id, currency)
ORDER BY operator_id, currency
""")

_NAMES = text("SELECT id, external_id, operator_id FROM players WHERE id IN :ids").bindparams(
    bindparam("ids", expanding=True)
)

_ID_MIN, _ID_MAX = -(2**63), 2**63 - 1


def prove(
    session: Session, *, key: bytes, folder: Path, now: dt.datetime, independently: bool = False
) -> Proof:
    """Prove everything, of all operators, as of one instant; never writes, locks nothing.

    `session` must be of `db.reading()` and not have been used yet. `key` is the one that seals
    anchors, `folder` where they stand as files. Uses LANES further connections of the session's
    engine, on its snapshot; `independently` streams all entries through this process instead.
    """
    begun = time.monotonic()
    files = anchors.read_files(folder)  # before the snapshot: whoever wrote a file had committed its row
    session.execute(_PATIENCE)
    found = Found()
    if independently:
        covered = independent.check(session, found)
        roots = independent.roots(session)
    else:
        covered = _check(session, found)
        roots = anchors.roots(session)
    anchored = anchors.check(session, found, roots=roots, key=key, folder=folder, files=files)
    return Proof(
        started_at=now,
        seconds=time.monotonic() - begun,
        covered=covered,
        anchors=anchored,
        findings=fold(_named(session, found.first())),
        totals=dict(found.totals),
    )


def record(session: Session, proof: Proof) -> None:
    """Keep the outcome of a proof, for the audit page."""
    session.execute(
        insert(Verification).values(
            started_at=proof.started_at,
            finished_at=proof.started_at + dt.timedelta(seconds=proof.seconds),
            ok=proof.ok,
            entries=proof.covered.entries,
            balances=proof.covered.balances,
            points_entries=proof.covered.points_entries,
            loyalty_wallets=proof.covered.loyalty_wallets,
            anchors=proof.anchors,
            findings=json.dumps([finding.as_json() for finding in proof.findings], ensure_ascii=False),
        )
    )


def _check(session: Session, found: Found) -> Covered:
    """All checks but the anchors'; what there is."""
    with ThreadPoolExecutor(LANES) as pool:
        walks = [pool.submit(_walk, lane) for lane in _lanes(session)]
        counts = _check_trial_balance(session, found)
        found.take(session.execute(_REVERSALS, {"cap": CAP}).all(), _WORDS)
        found.take(session.execute(_BALANCES, {"cap": CAP}).all(), _WORDS)
        found.take(session.execute(_PENDING, {"cap": CAP}).all(), _WORDS)
        found.take(session.execute(_REQUESTS, {"cap": CAP}).all(), _WORDS)
        for statement in (*play_proof.STATEMENTS, *partner_proof.STATEMENTS):
            found.take(session.execute(statement, {"cap": CAP}).all(), _WORDS)
        for statement in points_proof.STATEMENTS:
            found.take(session.execute(statement, {"cap": CAP}).all(), points_proof.WORDS)
        for statement in rollup_proof.STATEMENTS:
            found.take(session.execute(statement, {"cap": CAP}).all(), rollup_proof.WORDS)
        counted = session.execute(points_proof.COUNT).one()
        for walk in walks:
            of_money, of_points = walk.result()
            found.take(of_money, _WORDS)
            found.take(of_points, points_proof.WORDS)
    return Covered(*counts, counted.entries, counted.wallets)


@dataclass(frozen=True, slots=True)
class _Lane:
    """A range of players, both ends inclusive, to be walked on a connection and snapshot."""

    engine: Engine
    snapshot: str
    first: int
    last: int


def _lanes(session: Session) -> list[_Lane]:
    engine = session.get_bind().engine
    snapshot = session.execute(text("SELECT pg_export_snapshot()")).scalar_one()
    lasts = sorted(set(session.scalars(_CUTS, {"lanes": LANES})))[:-1]
    firsts = [_ID_MIN, *(last + 1 for last in lasts)]
    # The outer lanes are open: entries of players who have no balance are walked too.
    return [
        _Lane(engine, snapshot, first, last) for first, last in zip(firsts, [*lasts, _ID_MAX], strict=True)
    ]


def _walk(lane: _Lane) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]]]:
    """What differs in the journals of a lane's players: of money, and of points."""
    with lane.engine.connect() as connection:
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        # A snapshot is taken up by the first statement or not at all; its name comes from the server.
        connection.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{lane.snapshot}'")
        connection.execute(_PATIENCE)
        named = {"first": lane.first, "last": lane.last, "cap": CAP}
        return connection.execute(_WALK, named).all(), connection.execute(points_proof.WALK, named).all()


def _check_trial_balance(session: Session, found: Found) -> tuple[int, int]:
    rows = session.execute(_TRIAL_BALANCE).all()
    for row in rows:
        if row.held != row.moved:
            found.add(wording.trial_balance(row.operator_id, row.currency, int(row.held), int(row.moved)))
    return sum(row.entries for row in rows), sum(row.balances for row in rows)


def _balance(row: Row[Any]) -> Finding:
    if row.operator_id is None:
        return wording.no_balance(row.player_id, row.currency, int(row.entries_version))
    return wording.balance(row.player_id, row.currency, _stored(row, _OF_BALANCE), _due(row, _OF_BALANCE))


def _lifetime(row: Row[Any]) -> Finding:
    return wording.lifetime(row.player_id, row.currency, _stored(row, LIFETIME), _due(row, LIFETIME))


def _stored(row: Row[Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row._mapping[name] for name in names}


def _due(row: Row[Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row._mapping[f"entries_{name}"] for name in names}


_WORDS: Words = {
    Check.SEQUENCE: lambda row: wording.gap(row.player_id, row.currency, row.sequence, row.sequence_before),
    Check.HASH: lambda row: wording.content(row.player_id, row.currency, row.sequence),
    Check.CONTINUITY: lambda row: wording.continuity(
        row.player_id,
        row.currency,
        row.sequence,
        before=(row.real_before, row.bonus_before),
        left=(row.left_real, row.left_bonus),
    ),
    Check.REVERSAL: lambda row: wording.reversal(row.player_id, row.currency, row.sequence, row.reverses),
    Check.BALANCE: _balance,
    Check.LIFETIME: _lifetime,
    Check.PENDING: lambda row: wording.pending(row.player_id, row.currency, row.pending, int(row.due)),
    Check.REQUEST: lambda row: wording.request(row.player_id, row.currency, row.sequence, row.kind, row.id),
    **play_proof.WORDS,
    **partner_proof.WORDS,
}


def _named(session: Session, findings: Sequence[Finding]) -> list[Finding]:
    """The findings with the external id and the operator of their players."""
    ids = {finding.player_id for finding in findings if finding.player_id is not None}
    players = {row.id: row for row in session.execute(_NAMES, {"ids": sorted(ids)})} if ids else {}
    return [
        replace(finding, external_id=player.external_id, operator_id=player.operator_id)
        if (player := players.get(finding.player_id or 0))
        else finding
        for finding in findings
    ]
