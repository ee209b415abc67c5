"""How long pages of analytics and reports take, at 10⁴, at 10⁶ and, where it is asked for, at 10⁷ entries.

Entries of a year are written in sets by the owner (amounts and types follow from their number, sums and
balances fit), then rolled up by the worker's own job. The baseline of rolling up is one plain aggregate over
the same entries by day, type and house account, in the same run. After a warm-up, 100 requests a page by one
client, in this process, so that only the server's own time counts. Arguments: the sizes; `1000000 10000000`
compares the larger two. The disk is asked first.
"""

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
import psycopg
from flask import Flask
from flask.testing import FlaskClient
from psycopg import sql
from werkzeug.exceptions import HTTPException

from benchmarks.pages import EMAIL, PASSWORD, count_queries, percentile, sign_in
from benchmarks.scratch import application, as_owner, make_operator, vacuum
from dashboard import clock, db
from dashboard.jobs import rollups
from dashboard.models.login import Role
from dashboard.services import players, staff

SIZES = (10_000, 1_000_000)
PLAYERS, DAYS, AGENTS = 2_000, 365, 4
FILLED_AT_ONCE = 200
"""Players whose entries are written by one statement."""
REQUESTS, WARM_UP = 100, 10
P95_MS, RATIO_MOST, QUERIES_MOST = 150, 1.5, 12
OVERVIEW = "/analytics?period=yearly"
_BYTES_EACH, _BYTES_BESIDE = 1_500, 3 * 1024**3
"""What an entry takes with its indexes, its log and the sorting of them; and everything else."""

# One deposit in ten, the rest stakes and what they pay; a withdrawal now and then. Each player's entries lie
# evenly over the year, the last of them minutes ago.
_ENTRIES = """
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
  real_delta, bonus_delta, real_after, bonus_after, reason, performed_by, agent_id, idempotency_key,
  fingerprint, created_at, hash)
SELECT player_id, 'USD', n, operator_id, change_type,
       CASE WHEN change_type IN ('deposit', 'withdrawal') THEN 'cash' ELSE 'gaming' END, delta, 0,
       sum(delta) OVER (PARTITION BY player_id ORDER BY n), 0, 'Andar Bahar', 'system', agent_id,
       'b' || n, decode(repeat('00', 32), 'hex'), at, decode(repeat('00', 32), 'hex')
FROM (
  SELECT p.id AS player_id, p.operator_id, n, k.change_type,
         CASE k.change_type WHEN 'deposit' THEN 20000 + mod(p.id * 31 + n * 17, 20000)
           WHEN 'withdrawal' THEN -2000 - mod(p.id * 7 + n, 1000)
           WHEN 'wager' THEN -500 - mod(p.id * 13 + n * 7, 1500)
           ELSE 400 + mod(p.id * 11 + n * 5, 1600) END AS delta,
         nullif(mod(p.id, %(agents)s + 1), 0) AS agent_id,
         now() - interval '5 minutes' - make_interval(days => %(days)s) * (1 - n::float / %(each)s)
           - make_interval(secs => mod(p.id, 240)) AS at
  FROM (SELECT id, operator_id FROM players ORDER BY id LIMIT %(count)s OFFSET %(first)s) AS p
  CROSS JOIN generate_series(1, %(each)s) AS n
  CROSS JOIN LATERAL (SELECT CASE WHEN mod(n, 10) = 1 THEN 'deposit' WHEN mod(n, 40) = 20 THEN 'withdrawal'
                                  WHEN mod(n, 2) = 0 THEN 'wager' ELSE 'settlement' END AS change_type) AS k
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
    refuse_without_room(max(sizes))
    measured = []
    for entries in sizes:
        with application() as app:
            measured.append(look_at(app, entries))
    small, large = measured[0], measured[-1]
    fine = True
    click.echo(f"{'page':<52} {small.entries:>12,} p50 {large.entries:>12,} p50      p95  ratio  queries")
    for path, (before, _) in small.pages.items():
        taken, queries = large.pages[path]
        p95 = percentile(taken, 95)
        ratio = p95 / percentile(before, 95)
        is_fine = queries <= QUERIES_MOST and (path != OVERVIEW or _is_overview_fine(large, ratio, p95))
        fine &= is_fine
        click.echo(
            f"{path[:52]:<52} {statistics.median(before):>13.1f} ms {statistics.median(taken):>13.1f} ms"
            f" {p95:>5.1f} ms {ratio:>6.2f} {queries:>8}{'' if is_fine else '  NO'}"
        )
    for each in measured:
        ratio = each.rolling_seconds / each.aggregate_seconds
        click.echo(
            f"rolling up {each.entries:,} entries: {each.rolling_seconds:.1f} s,"
            f" {each.entries / each.rolling_seconds:,.0f} a second; one plain aggregate"
            f" {each.aggregate_seconds:.1f} s; ratio {ratio:.2f}"
        )
    click.echo(
        f"overview p95 < {P95_MS} ms at 10^6, <= {RATIO_MOST} x of that at 10^7, queries <= {QUERIES_MOST}:"
        f" {'yes' if fine else 'NO'}"
    )
    sys.exit(0 if fine else 1)


def _is_overview_fine(large: Measured, ratio: float, p95: float) -> bool:
    return p95 < P95_MS if large.entries <= SIZES[-1] else ratio <= RATIO_MOST


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
    fill(app, entries)
    vacuum(app)
    aggregate = aggregated(app)
    with app.app_context():
        began = time.perf_counter()
        counted = rollups.roll(clock.now())
        rolling = time.perf_counter() - began
    if counted != entries:
        raise RuntimeError(f"{counted:,} entries were rolled up, and not {entries:,}")
    vacuum(app)
    click.echo(f"{entries:,} entries of {PLAYERS:,} players")
    client = sign_in(app, EMAIL)
    with app.app_context():
        engine = db.alchemy.engine
    pages = {
        path: (measure(client, path), count_queries(engine, client, path))
        for path in paths(player_id)
        if is_there(app, path)
    }
    return Measured(entries, pages, rolling, aggregate)


def paths(player_id: int) -> list[str]:
    """The pages of analytics, and the reports that read most."""
    return [
        "/analytics",
        "/analytics?period=daily",
        "/analytics?period=weekly",
        OVERVIEW,
        "/analytics?period=yearly&agent=1",
        "/analytics?period=yearly&level=gold",
        "/analytics/agents?period=yearly",
        "/analytics/games?period=yearly",
        "/analytics/liability?period=yearly",
        "/analytics/anomalies",
        "/analytics/hours",
        f"/players/{player_id}/analytics?period=yearly",
        "/reports",
        "/reports/balance-changes?period=yesterday",
        "/reports/player-days?period=yesterday",
        "/reports/trial-balance",
        "/reports/balances",
    ]


def is_there(app: Flask, path: str) -> bool:
    """Whether there is such a page."""
    try:
        app.url_map.bind("localhost").match(path.partition("?")[0], method="GET")
    except HTTPException:
        return False
    return True


def measure(client: FlaskClient, path: str) -> list[float]:
    """Milliseconds of each request, in ascending order."""
    taken = []
    for _ in range(WARM_UP + REQUESTS):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - began) * 1_000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
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


def fill(app: Flask, entries: int) -> None:
    """Write the entries, as many of each player, and what the balances then are."""
    each = entries // PLAYERS
    with as_owner(app) as connection, without_indexes(connection):
        for first in range(0, PLAYERS, FILLED_AT_ONCE):
            named = {"each": each, "days": DAYS, "agents": AGENTS, "first": first, "count": FILLED_AT_ONCE}
            connection.execute(_ENTRIES, named)
        connection.execute(_BALANCES)
        connection.execute(_LEVELS)


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
