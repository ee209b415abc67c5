"""Bets a second through the full service, against the least that SQL could do.

The baseline is pgbench with prepared statements: lock the balance, move it, append an entry, append the
bet; no rules, no share of the round's lock, no hash, no key. Both run with two clients on the same
server with fsync on, in turns, on one round whose betting stays open; the ratio is of the medians.
"""

import random
import statistics
import sys
from uuid import uuid4

import click

from benchmarks import pace
from benchmarks.scratch import application, vacuum
from dashboard import clock, db
from dashboard.services import bets, rounds, simulation
from dashboard.services.actors import SYSTEM

PLAYERS = 1_000
STAKE = 100
LEAST = 0.12

MINIMAL = """
\\set player random(:first, :last)
BEGIN;
SELECT real, version FROM balances WHERE player_id = :player AND currency = 'USD' FOR UPDATE;
UPDATE balances SET real = real - 100, version = version + 1, updated_at = now()
  WHERE player_id = :player AND currency = 'USD'
  RETURNING real AS after, version AS seq, operator_id AS operator \\gset
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
    real_delta, real_after, bonus_after, reason, performed_by, idempotency_key, fingerprint, created_at, hash)
  VALUES (:player, 'USD', :seq, :operator, 'wager', 'gaming', -100, :after, 0, 'Bet', 'system',
    gen_random_uuid()::text, decode(repeat('00', 32), 'hex'), now(), decode(repeat('00', 32), 'hex'));
INSERT INTO bets (player_id, operator_id, currency, round_id, selection, stage, amount, real_part,
    wager_sequence, idempotency_key, placed_by, placed_at)
  VALUES (:player, :operator, 'USD', :round, 'andar', 1, 100, 100, :seq, gen_random_uuid()::text, 'system',
    now());
COMMIT;
"""


def main() -> None:
    """Alternate the two and print rates and ratio; the arguments are turns and seconds of each."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    with application() as app, app.app_context():
        round_id, first, last = fill()
        vacuum(app)
        minimal, service = [], []
        for turn in range(turns):
            named = {"round": round_id, "first": first, "last": last}
            minimal.append(pace.of_sql(MINIMAL, seconds=seconds, **named))
            service.append(pace.of_service(place, round_id, first, last, seconds=seconds))
            click.echo(f"round {turn + 1}: minimal {minimal[-1]:,.0f}/s, service {service[-1]:,.0f}/s")
    ratio = statistics.median(service) / statistics.median(minimal)
    click.echo(
        f"median: minimal {statistics.median(minimal):,.0f}/s, service {statistics.median(service):,.0f}/s,"
        f" ratio {ratio:.2f} (at least {LEAST})"
    )
    sys.exit(0 if ratio >= LEAST else 1)


def fill() -> tuple[int, int, int]:
    """Players with money, and a round that takes bets for an hour; its id, the first and last player."""
    now = clock.now()
    with db.writing() as session:
        table = simulation.prepare(session, slug=None, game="Bench", players_count=PLAYERS, now=now)
        round_id = rounds.open(session, game_id=table.game_id, actor=SYSTEM, now=now)
    return round_id, min(table.player_ids), max(table.player_ids)


def place(round_id: int, first: int, last: int) -> None:
    """One stake of a random player, by the door that everybody uses."""
    chance = random.random() < 0.5
    wager = bets.Wager(
        player_id=random.randint(first, last),
        round_id=round_id,
        selection="andar" if chance else "bahar",
        amount=STAKE,
        idempotency_key=str(uuid4()),
    )
    db.transact(lambda session: bets.place(session, wager=wager, actor=SYSTEM, now=clock.now()))


if __name__ == "__main__":
    main()
