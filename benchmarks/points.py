"""How long points take: a redemption of one member, and the expiry of very many batches.

Each against the least that SQL could do in the same run, in turns on one server with fsync on. A redemption:
lock the wallet, read its open batches, move batches and wallet, append the entry and its allocations, one
statement each; no day, no tier, no key, no hash. An expiry: move the batches and the wallets, append the
entries and the allocations, in transactions over as many batches as ours; no search, no lock, no hash, no
sums by month. The arguments are turns, batches that expire, and redemptions of a turn.
"""

import datetime as dt
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from uuid import uuid4

import click
import psycopg
from flask import Flask
from sqlalchemy import text

from benchmarks.scratch import application, make_operator, vacuum
from dashboard import clock, db, roles
from dashboard.jobs import loyalty as job
from dashboard.models.points import PointsKind
from dashboard.services import players, points, points_journal
from dashboard.services.actors import SYSTEM
from dashboard.services.points_journal import Making, Posting

TURNS, DUE, REDEEMED = 3, 100_000, 1_000
DUE_EACH = 2
"""Batches of one member that expire on the same day; as many points in each."""
POINTS = 10_000
USED = 700
FILLED_AT_ONCE = 2_000
RATIO_MOST = 3.0
BEGINS = dt.date(2026, 1, 1)

_numbers = count(1)

ENROL = text("""
INSERT INTO loyalty_wallets (player_id, operator_id, created_at, updated_at)
SELECT id, operator_id, :now, :now FROM players WHERE id = ANY(:players)
""")
LEFT = text("""
SELECT count(*) FILTER (WHERE b.remaining > 0) AS left, count(*) FILTER (WHERE b.expired > 0) AS lapsed,
       (SELECT count(*) FROM loyalty_entries WHERE kind = 'expire') AS entries
FROM points_batches b WHERE b.expires_on = :day
""")

LOCK = "SELECT operator_id, balance, version FROM loyalty_wallets WHERE player_id = %s FOR UPDATE"
OPEN = """
SELECT number, remaining FROM points_batches WHERE player_id = %s AND remaining > 0
ORDER BY expires_on, number
"""
MOVE_BATCHES = """
UPDATE points_batches b SET remaining = remaining - m.points, redeemed = redeemed + m.points
FROM unnest(%s::int[], %s::bigint[]) AS m(number, points) WHERE b.player_id = %s AND b.number = m.number
"""
MOVE_WALLET = """
UPDATE loyalty_wallets SET balance = balance - %s, redeemed = redeemed + %s, version = version + 1,
  updated_at = now() WHERE player_id = %s
"""
ENTRY = """
INSERT INTO loyalty_entries (player_id, sequence, operator_id, kind, base_points, bonus_points, balance_after,
    notes, performed_by, idempotency_key, fingerprint, created_at, hash)
VALUES (%s, %s, %s, 'redeem', %s, 0, %s, 'Massage', 'system', %s, decode(repeat('00', 32), 'hex'), now(),
    decode(repeat('00', 32), 'hex'))
"""
ALLOCATE = """
INSERT INTO points_allocations (player_id, sequence, number, place, base_points, bonus_points)
SELECT %s, %s, m.number, m.place, m.points, 0
FROM unnest(%s::int[], %s::bigint[]) WITH ORDINALITY AS m(number, points, place)
"""

EXPIRE_BATCHES = """
UPDATE points_batches SET expired = expired + remaining, remaining = 0
WHERE player_id = ANY(%(players)s) AND expires_on = %(day)s
"""
_SUMS = """
SELECT player_id, sum(expired) AS points FROM points_batches
WHERE player_id = ANY(%(players)s) AND expires_on = %(day)s GROUP BY player_id
"""
EXPIRE_WALLETS = f"""
UPDATE loyalty_wallets w SET balance = w.balance - s.points, expired = w.expired + s.points,
  version = w.version + 1, updated_at = now()
FROM ({_SUMS}) AS s WHERE w.player_id = s.player_id
"""
EXPIRE_ENTRIES = f"""
INSERT INTO loyalty_entries (player_id, sequence, operator_id, kind, base_points, bonus_points, balance_after,
    notes, performed_by, idempotency_key, fingerprint, created_at, hash)
SELECT w.player_id, w.version, w.operator_id, 'expire', -s.points, 0, w.balance, 'Not used in time', 'system',
       format('expiry:%%s', %(day)s::date), decode(repeat('00', 32), 'hex'), now(),
       decode(repeat('00', 32), 'hex')
FROM ({_SUMS}) AS s JOIN loyalty_wallets w ON w.player_id = s.player_id
"""
EXPIRE_ALLOCATIONS = """
INSERT INTO points_allocations (player_id, sequence, number, place, base_points, bonus_points)
SELECT b.player_id, w.version, b.number, row_number() OVER (PARTITION BY b.player_id ORDER BY b.number),
       b.expired, 0
FROM points_batches b JOIN loyalty_wallets w ON w.player_id = b.player_id
WHERE b.player_id = ANY(%(players)s) AND b.expires_on = %(day)s
"""


def main() -> None:
    """Measure both and print times and ratios; exit 1 where one is above what it may be."""
    given = [int(argument) for argument in sys.argv[1:]]
    turns, due, redeemed = (*given, *(TURNS, DUE, REDEEMED)[len(given) :])
    with application() as app, app.app_context():
        members = enrol(due // DUE_EACH)
        ratios = [compare_redemptions(app, members, turns, redeemed), compare_expiry(app, members, turns)]
        app.extensions["live"].close()  # it tells pages until then
    sys.exit(0 if max(ratios) <= RATIO_MOST else 1)


def compare_redemptions(app: Flask, members: Sequence[int], turns: int, size: int) -> float:
    """The ratio of the medians, after some redemptions of members who have points for years."""
    fill(members, [dt.date(2036, month, 1) for month in (1, 2, 3)])
    vacuum(app)
    minimal: list[float] = []
    ours: list[float] = []
    with psycopg.connect(roles.url_for("app")) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.commit()
        # One after the other, so that what else the machine does is in the way of both.
        for player in random.choices(members, k=turns * size):
            minimal.append(timed(partial(redeem_minimally, connection), player))
            ours.append(timed(redeem_one, player))
    ratio = statistics.median(ours) / statistics.median(minimal)
    click.echo(
        f"{turns * size:,} redemptions of one member: minimal {told(minimal)}, ours {told(ours)},"
        f" ratio of the medians {ratio:.2f} (at most {RATIO_MOST})"
    )
    return ratio


def compare_expiry(app: Flask, members: Sequence[int], turns: int) -> float:
    """The ratio of the medians of expiring all batches that are due."""
    minimal, ours = [], []
    for _ in range(turns):
        minimal.append(expiry(app, members, expire_minimally))
        ours.append(expiry(app, members, expire))
    result = statistics.median(minimal), statistics.median(ours)
    size = len(members) * DUE_EACH
    ratio = result[1] / result[0]
    click.echo(
        f"{size:,} batches of {len(members):,} members expire: minimal {result[0]:.2f} s,"
        f" ours {result[1]:.2f} s, {size / result[1]:,.0f} a second, ratio {ratio:.2f} (at most {RATIO_MOST})"
    )
    return ratio


def expiry(app: Flask, members: Sequence[int], expires: Callable[[Sequence[int], dt.date], None]) -> float:
    """How many seconds the expiry of a day takes; RuntimeError where something is left."""
    day = BEGINS + dt.timedelta(days=next(_numbers))
    fill(members, [day] * DUE_EACH)
    vacuum(app)
    before = look(day)
    begun = time.perf_counter()
    expires(members, day)
    seconds = time.perf_counter() - begun
    after = look(day)
    expected = (0, len(members) * DUE_EACH, before[2] + len(members))
    if after != expected:
        raise RuntimeError(f"{after} and not {expected} batches left, lapsed, and entries")
    return seconds


def look(day: dt.date) -> tuple[int, int, int]:
    """Batches of that day that are left and that have lapsed, and how many expiries there are."""
    with db.reading() as session:
        row = session.execute(LEFT, {"day": day}).one()
    return row.left, row.lapsed, row.entries


def enrol(size: int) -> list[int]:
    """Members without points; their ids."""
    now = clock.now()
    with db.writing() as session:
        operator_id = make_operator(session)
    members: list[int] = []
    for numbers in parts(range(size), FILLED_AT_ONCE):
        new = [players.NewPlayer(f"B{number:06d}", f"Player {number}") for number in numbers]
        with db.writing() as session:
            ids = sorted(players.register(session, operator_id=operator_id, players=new, now=now).values())
            session.execute(ENROL, {"players": ids, "now": now})
        members += ids
    return members


def fill(members: Sequence[int], days: Sequence[dt.date]) -> None:
    """Give each member a batch for each of these last days, by the statement that every load goes through."""
    for some in parts(members, FILLED_AT_ONCE):
        for day in days:
            with db.writing() as session:
                points_journal.append(session, *loads_of(some, day, clock.now()))


def loads_of(members: Sequence[int], day: dt.date, now: dt.datetime) -> tuple[list[Posting], list[Making]]:
    """An entry and a batch of each."""
    key = str(uuid4())
    bonus = POINTS // 8
    entry = Posting(
        player_id=0,
        kind=PointsKind.LOAD,
        base_points=POINTS - bonus,
        bonus_points=bonus,
        payment_amount=POINTS,
        expires_on=day,
        notes="Paid",
        performed_by=SYSTEM.reference,
        idempotency_key=key,
        fingerprint=points_journal.fingerprint_of_key(key),
        created_at=now,
        loaded=POINTS,
        amount_paid=POINTS,
        made=1,
    )
    batch = Making(
        player_id=0,
        ordinal=1,
        loaded_on=BEGINS,
        expires_on=day,
        base_loaded=POINTS - bonus,
        bonus_loaded=bonus,
        amount_paid=POINTS,
    )
    return (
        [replace(entry, player_id=player) for player in members],
        [replace(batch, player_id=player) for player in members],
    )


def redeem_one(player_id: int) -> None:
    """By the door that every page uses."""
    db.transact(
        lambda session: points.redeem(
            session,
            player_id=player_id,
            points=USED,
            notes="Massage",
            idempotency_key=str(uuid4()),
            actor=SYSTEM,
            now=clock.now(),
        )
    )


def redeem_minimally(connection: psycopg.Connection, player_id: int) -> None:
    """One transaction of six statements, prepared."""
    with connection.transaction():
        operator_id, balance, version = connection.execute(LOCK, [player_id]).fetchall()[0]
        numbers, taken, wanted = [], [], USED
        for number, remaining in connection.execute(OPEN, [player_id]).fetchall():
            numbers.append(number)
            taken.append(min(wanted, remaining))
            wanted -= taken[-1]
            if not wanted:
                break
        connection.execute(MOVE_BATCHES, [numbers, taken, player_id])
        connection.execute(MOVE_WALLET, [USED, USED, player_id])
        entry = [player_id, version + 1, operator_id, -USED, balance - USED, str(uuid4())]
        connection.execute(ENTRY, entry)
        connection.execute(ALLOCATE, [player_id, version + 1, numbers, taken])


def expire(_members: Sequence[int], day: dt.date) -> None:
    """As the worker does it the day after."""
    job.expire(dt.datetime.combine(day + dt.timedelta(days=1), dt.time(12), dt.UTC))


def expire_minimally(members: Sequence[int], day: dt.date) -> None:
    """Transactions of four statements, each over as many batches as ours."""
    with psycopg.connect(roles.url_for("app")) as connection:
        for some in parts(members, job.BATCH // DUE_EACH):
            with connection.transaction():
                for statement in (EXPIRE_BATCHES, EXPIRE_WALLETS, EXPIRE_ENTRIES, EXPIRE_ALLOCATIONS):
                    connection.execute(statement, {"players": list(some), "day": day})


def parts(of: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """The same in pieces of at most that size."""
    for start in range(0, len(of), size):
        yield of[start : start + size]


def timed(redeem: Callable[[int], None], player_id: int) -> float:
    """How many seconds it takes."""
    begun = time.perf_counter()
    redeem(player_id)
    return time.perf_counter() - begun


def told(seconds: Sequence[float]) -> str:
    """The median and the 95th percentile."""
    p95 = statistics.quantiles(seconds, n=20)[-1]
    return f"p50 {statistics.median(seconds) * 1e3:.2f} ms, p95 {p95 * 1e3:.2f} ms"


if __name__ == "__main__":
    main()
