"""How long settling a round takes, by its number of bets: linear, and close to the least that SQL could do.

Three ways to settle rounds with the same bets, each on a round of its own, in turns on one server with fsync
on: ours; the minimal statements in one transaction (decide the bets, move the balances, append the
entries: no lock, no hash, no statistics, no experience); and the loop of queries for each bet that the
first design had, as often as it is bearable, and counted by the bet.
"""

import statistics
import sys
import time
from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import click
import psycopg
from flask import Flask
from sqlalchemy import Connection, text

from benchmarks.scratch import application, vacuum
from dashboard import clock, db, roles
from dashboard.services import rounds, settlement, simulation
from dashboard.services.actors import SYSTEM

SIZES = (1_000, 10_000, 100_000)
BETS_EACH = 5
"""Bets of one player on a round."""
LOOPED = 1_000
"""The loop settles rounds of this size."""
RATIO_MOST, LOOP_LEAST, GROWTH_MOST = 3.0, 50, 2.0
FILLED_AT_ONCE = 2_000
"""Players a transaction, while filling."""

_numbers = count(1)

# The stakes stand on the openings, since settling reads the bets alone; in tens, so that nothing is rounded.
BETS = text("""
INSERT INTO bets (player_id, operator_id, currency, round_id, selection, stage, amount, real_part,
                  wager_sequence, idempotency_key, placed_by, placed_at)
SELECT p.id, r.operator_id, r.currency, r.id, CASE mod(p.id + n, 2) WHEN 0 THEN 'andar' ELSE 'bahar' END, 1,
       s.stake, s.stake, 1, format('bet:%s:%s', r.id, n), 'system', now()
FROM rounds r
CROSS JOIN unnest(CAST(:players AS bigint[])) WITH ORDINALITY AS p(id, place)
CROSS JOIN generate_series(1, CAST(:each AS int)) AS n
CROSS JOIN LATERAL (SELECT 100 + 10 * mod(p.place * 7919 + n * 104729, 2000) AS stake) AS s
WHERE r.id = :r
""")
PAID = text("""
SELECT count(*) AS bets, sum(b.payout)::bigint AS paid,
       sum(CASE b.selection WHEN r.winner THEN CASE r.winner WHEN 'bahar' THEN 2 * b.amount
                                               ELSE b.amount * 19 / 10 END ELSE 0 END)::bigint AS due
FROM bets b JOIN rounds r ON r.id = b.round_id WHERE b.round_id = :r AND b.state <> 'pending'
""")

# What the winner pays: Andar 9 to 10, Bahar 1 to 1, in whole cents.
_PAYOUT = """CASE b.selection WHEN 'bahar' THEN 2 * b.amount
  ELSE b.amount + div(b.amount * 9, 10) END"""
MINIMAL_BETS = f"""
UPDATE bets b SET
  state = CASE WHEN b.selection = r.winner THEN 'won' ELSE 'lost' END, version = 1,
  pays_numerator = 1, pays_denominator = 1,
  payout = CASE WHEN b.selection = r.winner THEN {_PAYOUT} ELSE 0 END,
  payout_real = CASE WHEN b.selection = r.winner THEN {_PAYOUT} ELSE 0 END,
  settlement_sequence = CASE WHEN b.selection = r.winner THEN a.version + 1 END
FROM rounds r, balances a
WHERE b.round_id = %(r)s AND r.id = b.round_id AND a.player_id = b.player_id AND a.currency = 'USD'
"""
MINIMAL_BALANCES = """
UPDATE balances a SET real = real + d.payout, version = version + 1, updated_at = now()
FROM (SELECT player_id, sum(payout) AS payout FROM bets WHERE round_id = %(r)s GROUP BY player_id) AS d
WHERE a.player_id = d.player_id AND a.currency = 'USD' AND d.payout > 0
"""
MINIMAL_ENTRIES = """
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
    real_delta, real_after, bonus_after, reason, performed_by, idempotency_key, fingerprint, created_at, hash)
SELECT a.player_id, 'USD', a.version, a.operator_id, 'settlement', 'gaming', d.payout, a.real, a.bonus,
       'Settlement', 'system', format('settle:%%s', d.round_id), decode(repeat('00', 32), 'hex'), now(),
       decode(repeat('00', 32), 'hex')
FROM (SELECT player_id, round_id, sum(payout) AS payout FROM bets
      WHERE round_id = %(r)s GROUP BY player_id, round_id) AS d
JOIN balances a ON a.player_id = d.player_id AND a.currency = 'USD'
WHERE d.payout > 0
"""

# Of one bet, as the first design has it: each statement for itself.
LOOP_ROUND = text("SELECT winner, game_id FROM rounds WHERE id = :r")
LOOP_FIND = text("SELECT id, player_id, operator_id, selection, amount FROM bets WHERE round_id = :r")
LOOP_BALANCE = text("""
UPDATE balances SET real = real + :payout, version = version + 1, updated_at = now()
WHERE player_id = :player_id AND currency = 'USD' RETURNING version, real, bonus
""")
LOOP_ENTRY = text("""
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
    real_delta, real_after, bonus_after, reason, performed_by, idempotency_key, fingerprint, created_at, hash)
VALUES (:player_id, 'USD', :sequence, :operator_id, 'settlement', 'gaming', :payout, :after,
    :bonus, 'Settlement', 'system', gen_random_uuid()::text, decode(repeat('00', 32), 'hex'), now(),
    decode(repeat('00', 32), 'hex'))
""")
LOOP_BET = text("""
UPDATE bets SET state = :state, version = 1, pays_numerator = 1, pays_denominator = 1, payout = :payout,
    payout_real = :payout, settlement_sequence = :sequence
WHERE player_id = :player_id AND id = :id
""")
# Find, then update or insert: how the first design keeps its statistics.
LOOP_FIND_STATISTICS = text("""
SELECT bets FROM player_game_statistics
WHERE player_id = :player_id AND game_id = :game AND month = date_trunc('month', now())::date
""")
LOOP_ADD_STATISTICS = text("""
UPDATE player_game_statistics
SET bets = bets + 1, wagered = wagered + :amount, paid = paid + :payout
WHERE player_id = :player_id AND game_id = :game AND month = date_trunc('month', now())::date
""")
LOOP_NEW_STATISTICS = text("""
INSERT INTO player_game_statistics (player_id, game_id, month, operator_id, rounds, bets, wagered, paid)
VALUES (:player_id, :game, date_trunc('month', now())::date, :operator_id, 1, 1, :amount,
    :payout)
""")


def main() -> None:
    """Settle rounds of each size and print times and ratios; the arguments are turns, then sizes."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    sizes = tuple(int(size) for size in sys.argv[2:]) or SIZES
    with application() as app, app.app_context():
        seconds = {size: compare(app, size, turns) for size in sizes}
        loop = statistics.median(timed(loop_over, ready(app, LOOPED), LOOPED) for _ in range(turns))
    sys.exit(0 if judge(seconds, loop) else 1)


def compare(app: Flask, size: int, turns: int) -> tuple[float, float]:
    """The medians of the minimal statements and of ours, in seconds."""
    minimal, ours = [], []
    for _ in range(turns):
        minimal.append(timed(settle_minimally, ready(app, size), size))
        ours.append(timed(settle, ready(app, size), size))
    result = statistics.median(minimal), statistics.median(ours)
    click.echo(
        f"{size:>7,} bets: minimal {result[0]:.3f} s, ours {result[1]:.3f} s,"
        f" {result[1] / size * 1e6:.1f} µs a bet, ratio {result[1] / result[0]:.2f}"
    )
    return result


def judge(seconds: dict[int, tuple[float, float]], loop: float) -> bool:
    """Say how the largest size stands to the minimal statements, to the loop and to the sizes before it."""
    largest = max(seconds)
    minimal, ours = seconds[largest]
    ratio, times = ours / minimal, (loop / LOOPED) / (ours / largest)
    sizes = sorted(seconds)
    growths = [
        (seconds[larger][1] / larger) / (seconds[smaller][1] / smaller) for smaller, larger in pairwise(sizes)
    ]
    growth = growths[-1] if growths else 1.0
    click.echo(f"loop: {loop:.3f} s for {LOOPED:,} bets, {loop / LOOPED * 1e6:,.0f} µs a bet")
    click.echo(
        f"{largest:,} bets: ratio to the minimal statements {ratio:.2f} (at most {RATIO_MOST}),"
        f" {times:,.0f} times faster than the loop (at least {LOOP_LEAST}),"
        f" a bet costs {growth:.2f} times what it does in the size before (at most {GROWTH_MOST})"
    )
    return ratio <= RATIO_MOST and times >= LOOP_LEAST and growth <= GROWTH_MOST


def ready(app: Flask, size: int) -> int:
    """A round of that many bets whose match has fallen, of a game of its own; its id."""
    now = clock.now()
    players = size // BETS_EACH
    with db.writing() as session:
        name = f"Bench {next(_numbers)}"
        table = simulation.prepare(session, slug=None, game=name, players_count=players, now=now)
        round_id = rounds.open(session, game_id=table.game_id, actor=SYSTEM, now=now)
    for start in range(0, players, FILLED_AT_ONCE):
        some = list(table.player_ids[start : start + FILLED_AT_ONCE])
        with db.writing() as session:
            session.execute(BETS, {"r": round_id, "players": some, "each": BETS_EACH})
    rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=now)
    db.transact(lambda session: rounds.deal(session, round_id=round_id, actor=SYSTEM, now=now))
    vacuum(app)
    return round_id


def timed(settles: Callable[[int], None], round_id: int, size: int) -> float:
    """How many seconds it takes; RuntimeError where it has not paid what is due."""
    begun = time.perf_counter()
    settles(round_id)
    seconds = time.perf_counter() - begun
    with db.reading() as session:
        found = session.execute(PAID, {"r": round_id}).one()
    if (found.bets, found.paid) != (size, found.due):
        raise RuntimeError(f"{found.bets:,} bets of {size:,}, {found.paid:,} paid and {found.due:,} due")
    return seconds


def settle(round_id: int) -> None:
    """As the desk does it: three transactions."""
    settlement.settle(db.transact, round_id=round_id, actor=SYSTEM, now=clock.now())


def settle_minimally(round_id: int) -> None:
    """One transaction of three statements."""
    with psycopg.connect(roles.url_for("app")) as connection:
        connection.execute("SET LOCAL statement_timeout = 0")
        for statement in (MINIMAL_BETS, MINIMAL_BALANCES, MINIMAL_ENTRIES):
            connection.execute(statement, {"r": round_id})


def loop_over(round_id: int) -> None:
    """A few statements for each bet, each a transaction of its own, by the engine that ours uses too."""
    with db.alchemy.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        played = connection.execute(LOOP_ROUND, {"r": round_id}).one()
        for bet in connection.execute(LOOP_FIND, {"r": round_id}).mappings().all():
            has_won = bet["selection"] == played.winner
            settle_one(connection, {**bet, "game": played.game_id}, has_won=has_won)


def settle_one(connection: Connection, bet: dict[str, Any], *, has_won: bool) -> None:
    """Pay one bet, or lose it."""
    amount = bet["amount"]
    payout = (2 * amount if bet["selection"] == "bahar" else amount + amount * 9 // 10) if has_won else 0
    sequence = None
    if has_won:
        moved = connection.execute(LOOP_BALANCE, {**bet, "payout": payout}).one()
        sequence = moved.version
        entry = {"payout": payout, "sequence": sequence, "after": moved.real, "bonus": moved.bonus}
        connection.execute(LOOP_ENTRY, {**bet, **entry})
    state = "won" if has_won else "lost"
    connection.execute(LOOP_BET, {**bet, "state": state, "payout": payout, "sequence": sequence})
    is_known = connection.execute(LOOP_FIND_STATISTICS, bet).one_or_none() is not None
    connection.execute(LOOP_ADD_STATISTICS if is_known else LOOP_NEW_STATISTICS, {**bet, "payout": payout})


if __name__ == "__main__":
    main()
