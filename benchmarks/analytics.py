"""How long pages of analytics and reports take, at 10⁴, at 10⁶ and, where it is asked for, at 10⁷ entries.

Entries of a year are written in sets by the owner (amounts and types follow from their number, sums and
balances fit), with the alerts, refusals, odd entries and sums of games that such a year brings; then they are
rolled up by the worker's own job. The baseline of rolling up is one plain aggregate over the same entries by
day, type and house account, in the same run. After a warm-up, up to 100 requests a page by one client, in
this process, so that only the server's own time counts. Arguments: the sizes, each on a scratch server of its
own; the last is compared with the one before. The disk is asked first.
"""

import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import click
import psycopg
from flask import Flask
from flask.testing import FlaskClient
from psycopg import sql
from sqlalchemy import text

from benchmarks.pages import EMAIL, PASSWORD, count_queries, percentile, sign_in
from benchmarks.scratch import application, as_owner, make_operator, vacuum
from dashboard import clock, db
from dashboard.jobs import rollups
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from dashboard.queries import report_subjects
from dashboard.services import games, players, staff
from dashboard.services.actors import SYSTEM

SIZES = (10_000, 1_000_000)
PLAYERS, DAYS, AGENTS, GAMES = 2_000, 365, 4, 3
FILLED_AT_ONCE = 200
"""Players whose entries are written by one statement."""
REQUESTS, WARM_UP, REQUESTS_LEAST = 100, 5, 5
PATIENCE_SECONDS = 12.0
"""A page that takes so long in all is asked no further."""
P95_MS, RATIO_MOST, QUERIES_MOST = 150, 1.5, 12
OVERVIEW = tuple(f"/analytics?period={each}" for each in ("monthly", "daily", "weekly", "yearly"))
_BYTES_EACH, _BYTES_BESIDE = 1_500, 3 * 1024**3
"""What an entry takes with its indexes, its log and the sorting of them; and everything else."""

# One deposit in ten, a withdrawal or an adjustment by staff now and then, the rest stakes and what they pay.
# Each player's entries lie evenly over the year, the last of them within the last two hours.
_ENTRIES = """
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
  real_delta, bonus_delta, real_after, bonus_after, reason, performed_by, agent_id, idempotency_key,
  fingerprint, created_at, hash)
SELECT player_id, 'USD', n, operator_id, change_type,
       CASE change_type WHEN 'deposit' THEN 'cash' WHEN 'withdrawal' THEN 'cash'
         WHEN 'adjustment' THEN 'adjustments' ELSE 'gaming' END, delta, 0,
       sum(delta) OVER (PARTITION BY player_id ORDER BY n), 0, 'Andar Bahar',
       CASE change_type WHEN 'adjustment' THEN 'staff:' || 1 + mod(player_id, %(agents)s) ELSE 'system' END,
       agent_id, 'b' || n, decode(repeat('00', 32), 'hex'), at, decode(repeat('00', 32), 'hex')
FROM (
  SELECT p.id AS player_id, p.operator_id, n, k.change_type,
         CASE k.change_type WHEN 'deposit' THEN 20000 + mod(p.id * 31 + n * 17, 20000)
           WHEN 'withdrawal' THEN -2000 - mod(p.id * 7 + n, 1000)
           WHEN 'wager' THEN -500 - mod(p.id * 13 + n * 7, 1500)
           WHEN 'adjustment' THEN 300 * sign(mod(n, 4) - 1.5) + mod(p.id, 100)
           ELSE 400 + mod(p.id * 11 + n * 5, 1600) END AS delta,
         nullif(mod(p.id, %(agents)s + 1), 0) AS agent_id,
         now() - interval '5 minutes' - make_interval(days => %(days)s) * (1 - n::float / %(each)s)
           - make_interval(secs => mod(p.id * 7919, 7200)) AS at
  FROM (SELECT id, operator_id FROM players ORDER BY id LIMIT %(count)s OFFSET %(first)s) AS p
  CROSS JOIN generate_series(1, %(each)s) AS n
  CROSS JOIN LATERAL (
    SELECT CASE WHEN mod(n, 10) = 1 THEN 'deposit' WHEN mod(n, 40) = 20 THEN 'withdrawal'
             WHEN mod(p.id + n, 100) = 7 THEN 'adjustment' WHEN mod(n, 2) = 0 THEN 'wager'
             ELSE 'settlement' END AS change_type
  ) AS k
) AS e
"""
_BALANCES = """
UPDATE balances b SET real = s.real, version = s.entries, deposited = s.deposited, withdrawn = s.withdrawn,
  wagered = s.wagered, turnover = s.wagered, won = s.won, real_losses = s.wagered - s.won, largest = s.largest
FROM (
  SELECT player_id, currency, sum(real_delta) AS real, count(*) AS entries, max(abs(real_delta)) AS largest,
         coalesce(sum(real_delta) FILTER (WHERE change_type = 'deposit'), 0) AS deposited,
         coalesce(-sum(real_delta) FILTER (WHERE change_type = 'withdrawal'), 0) AS withdrawn,
         coalesce(-sum(real_delta) FILTER (WHERE change_type = 'wager'), 0) AS wagered,
         coalesce(sum(real_delta) FILTER (WHERE change_type = 'settlement'), 0) AS won
  FROM wallet_entries GROUP BY player_id, currency
) AS s
WHERE s.player_id = b.player_id AND s.currency = b.currency
"""
_LEVELS = """
UPDATE wallets SET vip_level = (ARRAY['default', 'bronze', 'silver', 'gold'])[1 + mod(player_id, 4)]
"""
# What else such a year brings.
_BESIDE = (
    """
    INSERT INTO alerts (player_id, operator_id, currency, type, severity, state, peak, threshold, sequence,
      raised_at, last_hit_at, acknowledged_by, acknowledged_at, resolved_by, resolved_at)
    SELECT player_id, operator_id, currency, CASE mod(player_id, 3) WHEN 0 THEN 'critical' ELSE 'warning' END,
           CASE mod(player_id, 3) WHEN 0 THEN 'critical' ELSE 'warning' END, 'resolved', 5000, 10000,
           sequence, created_at, created_at, 1 + mod(player_id, %(agents)s),
           created_at + make_interval(mins => 1 + mod(sequence, 50)::int), 'system',
           created_at + interval '1 hour'
    FROM wallet_entries WHERE mod(sequence * 31 + player_id, 500) = 0
    """,
    """
    INSERT INTO refusals (player_id, operator_id, currency, change_type, real_delta, bonus_delta, reason,
      performed_by, idempotency_key, errors, refused_at)
    SELECT player_id, operator_id, currency, 'adjustment', -real_after - 1, 0, 'Correction',
           'staff:' || 1 + mod(player_id, %(agents)s), 'r' || sequence,
           '[["insufficient_funds", "There is not enough money."]]', created_at
    FROM wallet_entries WHERE mod(sequence * 37 + player_id, 1000) = 0
    """,
    """
    INSERT INTO anomaly_models (operator_id, kind, fitted_at, entries, marked, threshold, content)
    SELECT id, 'unlabelled', now(), 1000, 0, 70, '' FROM operators
    """,
    """
    INSERT INTO anomalies (player_id, currency, sequence, operator_id, model_id, score, reasons, happened_at,
      found_at, mark, marked_by, marked_at)
    SELECT e.player_id, e.currency, e.sequence, e.operator_id, m.id, 70 + mod(e.player_id, 30),
           '[["amount", "The amount is 8 times as large as usual."]]', e.created_at,
           e.created_at + interval '30 seconds', CASE mod(e.player_id, 2) WHEN 0 THEN 'right' END,
           CASE mod(e.player_id, 2) WHEN 0 THEN 1 END,
           CASE mod(e.player_id, 2) WHEN 0 THEN e.created_at + interval '1 day' END
    FROM wallet_entries e JOIN anomaly_models m ON m.operator_id = e.operator_id
    WHERE mod(e.sequence * 17 + e.player_id, 1000) = 0
    """,
    """
    INSERT INTO game_statistics (game_id, month, rounds, voided, bets, wagered, paid, expected)
    SELECT g.id, m::date, 9000, 3, 50000, 9000000, 8700000, 8710000
    FROM games g, generate_series(date_trunc('month', now()) - interval '2 years', now(), '1 month') AS m
    """,
    """
    INSERT INTO deal_statistics (game_id, month, cards_dealt, rounds)
    SELECT game_id, month, c, 200 FROM game_statistics, generate_series(1, 45) AS c
    """,
    """
    INSERT INTO player_game_statistics (player_id, game_id, month, operator_id, rounds, bets, wagered, paid)
    SELECT p.id, s.game_id, s.month, p.operator_id, 4, 25, 4500, 4300 FROM players p, game_statistics s
    """,
)
_AGGREGATE = """
SELECT operator_id, currency, CAST(created_at AT TIME ZONE 'Europe/Prague' AS date), change_type,
       contra_account, count(*), sum(real_delta), sum(bonus_delta),
       sum(greatest(real_delta + bonus_delta, 0))
FROM wallet_entries GROUP BY 1, 2, 3, 4, 5
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i
WHERE i.indrelid = 'wallet_entries'::regclass
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)
"""
_STANDARD = text("SELECT operator_id, id FROM rule_sets WHERE name = 'standard' AND state = 'active'")
_CONSTRAINTS = """
SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE conrelid = 'wallet_entries'::regclass AND contype IN ('f', 'u') ORDER BY contype DESC
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: by path the milliseconds in order and the queries; and how fast rolling up was."""

    entries: int
    pages: dict[str, tuple[list[float], int]]
    rolling_seconds: float
    aggregate_seconds: float


def main() -> None:
    """Measure each size; print all of it and the ratios."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    # Whoever is told to stop throws the scratch server away, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    refuse_without_room(max(sizes))
    measured = []
    for entries in sizes:
        with application() as app:
            measured.append(look_at(app, entries))
    sizes_named = "".join(f"{f'{each.entries:,}':>12} p50      p95" for each in measured)
    click.echo(f"{'page':<48}{sizes_named}  ratio  queries")
    fine = True
    for path, (_, queries) in measured[-1].pages.items():
        of_sizes = [each.pages[path][0] for each in measured]
        p95s = [percentile(taken, 95) for taken in of_sizes]
        is_fine = queries <= QUERIES_MOST and (path not in OVERVIEW or _is_fast(sizes, p95s))
        fine &= is_fine
        cells = "".join(
            f"{statistics.median(taken):>13.1f} ms {p95:>5.1f} ms"
            for taken, p95 in zip(of_sizes, p95s, strict=True)
        )
        ratio = p95s[-1] / p95s[max(0, len(p95s) - 2)]
        click.echo(f"{path[:48]:<48}{cells} {ratio:>6.2f} {queries:>8}{'' if is_fine else '  NO'}")
    for each in measured:
        ratio = each.rolling_seconds / each.aggregate_seconds
        click.echo(
            f"rolling up {each.entries:,} entries: {each.rolling_seconds:.1f} s,"
            f" {each.entries / each.rolling_seconds:,.0f} a second; one plain aggregate"
            f" {each.aggregate_seconds:.2f} s; ratio {ratio:.1f}"
        )
    click.echo(
        f"overview p95 < {P95_MS} ms up to 10^6, <= {RATIO_MOST} x of that beyond, queries <= {QUERIES_MOST}:"
        f" {'yes' if fine else 'NO'}"
    )
    sys.exit(0 if fine else 1)


def _is_fast(sizes: Sequence[int], p95s: Sequence[float]) -> bool:
    """Whether the sizes up to 10⁶ are quick enough, and each larger one nearly as quick as the one before."""
    return all(
        p95 < P95_MS if size <= SIZES[-1] or not at else p95 <= RATIO_MOST * p95s[at - 1]
        for at, (size, p95) in enumerate(zip(sizes, p95s, strict=True))
    )


def refuse_without_room(entries: int) -> None:
    """Raises SystemExit where the scratch server would fill the disk."""
    needed = entries * _BYTES_EACH + _BYTES_BESIDE
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < needed:
        raise SystemExit(
            f"{entries:,} entries need about {needed / 1024**3:.0f} GB, and {free / 1024**3:.0f} are free."
        )


def look_at(app: Flask, entries: int) -> Measured:
    """Write that many entries, roll them up, ask for every page."""
    with app.app_context():
        player_id = found()
    began = time.perf_counter()
    fill(app, entries)
    add_beside(app)
    vacuum(app)
    click.echo(
        f"{entries:,} entries of {PLAYERS:,} players written in {time.perf_counter() - began:.0f} s", err=True
    )
    aggregate = aggregated(app)
    with app.app_context():
        began = time.perf_counter()
        counted = rollups.roll(clock.now())
        rolling = time.perf_counter() - began
    if counted != entries:
        raise RuntimeError(f"{counted:,} entries were rolled up, and not {entries:,}")
    vacuum(app)
    client = sign_in(app, EMAIL)
    with app.app_context():
        engine = db.alchemy.engine
    pages = {path: (measure(client, path), count_queries(engine, client, path)) for path in paths(player_id)}
    return Measured(entries, pages, rolling, aggregate)


def paths(player_id: int) -> list[str]:
    """The pages of analytics, and the reports that read most."""
    return [
        *OVERVIEW,
        "/analytics?period=daily&agent=1",
        "/analytics?period=yearly&agent=1",
        "/analytics?period=yearly&level=gold",
        "/analytics/more?period=daily",
        "/analytics/more",
        "/analytics/more?period=yearly",
        "/analytics/agents?period=daily",
        "/analytics/agents?period=yearly",
        "/analytics/games?period=yearly",
        "/analytics/liability?period=yearly",
        "/analytics/anomalies",
        "/analytics/hours",
        f"/players/{player_id}/analytics?period=yearly",
        "/reports",
        *(f"/reports/{name}" for name in report_subjects.SOURCES),
    ]


def measure(client: FlaskClient, path: str) -> list[float]:
    """Milliseconds of each request, in ascending order."""
    taken: list[float] = []
    while len(taken) < WARM_UP + REQUESTS:
        began = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - began) * 1_000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
        if sum(taken) > PATIENCE_SECONDS * 1_000 and len(taken) >= WARM_UP + REQUESTS_LEAST:
            break
    return sorted(taken[WARM_UP:])


def found() -> int:
    """An operator with agents and players; the player whose page is measured."""
    now = clock.now()
    with db.writing() as session:
        operator_id = make_operator(session)
        for number in range(AGENTS + 1):
            staff.create(
                session,
                operator_id=operator_id,
                email=EMAIL if not number else f"agent-{number}@example.com",
                name=f"Agent {number}",
                role=Role.AGENT if number else Role.ADMIN,
                password=PASSWORD,
                now=now,
            )
        new = [
            players.NewPlayer(f"B{number:05d}", f"Player Number{number}", f"b{number}@example.com")
            for number in range(PLAYERS)
        ]
        registered = players.register(session, operator_id=operator_id, players=new, now=now)
        return sorted(registered.values())[PLAYERS // 2]


def fill(app: Flask, entries: int, *, days: int = DAYS) -> None:
    """Write the entries of so many days, as many of each player, and what the balances then are."""
    each = entries // PLAYERS
    with as_owner(app) as connection, without_indexes(connection):
        for first in range(0, PLAYERS, FILLED_AT_ONCE):
            named = {"each": each, "days": days, "agents": AGENTS, "first": first, "count": FILLED_AT_ONCE}
            connection.execute(_ENTRIES, named)
        connection.execute(_BALANCES)
        connection.execute(_LEVELS)


def add_beside(app: Flask) -> None:
    """Alerts, refusals and odd entries, as many as such entries bring, and what three games brought."""
    with app.app_context(), db.writing() as session:
        operator_id, rule_set_id = session.execute(_STANDARD).one()
        for number in range(GAMES):
            games.create(
                session,
                settings=games.Settings(f"Game {number}", rule_set_id, 100, 100_000, None, 20, 0),
                currency="USD",
                dealing=Dealing.MANUAL,
                actor=SYSTEM,
                now=clock.now(),
                operator_id=operator_id,
            )
    with as_owner(app) as connection:
        for statement in _BESIDE:
            connection.execute(statement, {"agents": AGENTS} if "%(agents)s" in statement else None)


@contextmanager
def without_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Take away what slows a large fill, and put it back as it was: everything is checked again then."""
    connection.execute("SET LOCAL maintenance_work_mem = '512MB'")
    constraints = connection.execute(_CONSTRAINTS).fetchall()
    indexes = connection.execute(_INDEXES).fetchall()
    alter = sql.SQL("ALTER TABLE wallet_entries {} CONSTRAINT {}")
    for name, _ in reversed(constraints):
        connection.execute(alter.format(sql.SQL("DROP"), sql.Identifier(name)))
    for name, _ in indexes:
        connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
    yield
    for _, definition in indexes:
        connection.execute(definition)
    for name, definition in constraints:
        added = alter.format(sql.SQL("ADD"), sql.Identifier(name)) + sql.SQL(" ") + sql.SQL(definition)
        connection.execute(added)


def aggregated(app: Flask) -> float:
    """How many seconds the least takes that could be done to know the same of an operator's days."""
    taken = []
    for _ in range(3):
        with as_owner(app) as connection:
            began = time.perf_counter()
            connection.execute(_AGGREGATE).fetchall()
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
