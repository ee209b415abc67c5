"""Balance changes a second through the full service, against the least that SQL could do.

The baseline is pgbench with prepared statements: lock the balance, move it, append a row; no rules,
no hash, no key. Both run with two clients on the same server with fsync on, in turns; the ratio is of
the medians.
"""

import random
import statistics
import sys
from uuid import uuid4

import click

from benchmarks import pace
from benchmarks.scratch import application, make_operator, vacuum
from dashboard import clock, db
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, players
from dashboard.services.actors import SYSTEM

PLAYERS = 1_000

MINIMAL = """
\\set player random(:first, :last)
BEGIN;
SELECT real, version FROM balances WHERE player_id = :player AND currency = 'USD' FOR UPDATE;
UPDATE balances SET real = real + 1, version = version + 1, updated_at = now()
  WHERE player_id = :player AND currency = 'USD' RETURNING real AS after, version AS seq \\gset
INSERT INTO wallet_entries (player_id, currency, sequence, operator_id, change_type, contra_account,
    real_delta, real_after, bonus_after, reason, performed_by, idempotency_key, fingerprint, created_at, hash)
  VALUES (:player, 'USD', :seq, :operator, 'adjustment', 'adjustments', 1, :after, 0, 'Goodwill', 'system',
    gen_random_uuid()::text, decode(repeat('00', 32), 'hex'), now(), decode(repeat('00', 32), 'hex'));
COMMIT;
"""


def main() -> None:
    """Alternate the two and print rates and ratio."""
    rounds, seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 5, 6
    with application() as app, app.app_context():
        operator_id, first, last = fill()
        vacuum(app)
        minimal, service = [], []
        for turn in range(rounds):
            players_named = {"first": first, "last": last}
            minimal.append(pace.of_sql(MINIMAL, seconds=seconds, operator=operator_id, **players_named))
            service.append(pace.of_service(post, first, last, seconds=seconds))
            click.echo(f"round {turn + 1}: minimal {minimal[-1]:,.0f}/s, service {service[-1]:,.0f}/s")
    ratio = statistics.median(service) / statistics.median(minimal)
    click.echo(
        f"median: minimal {statistics.median(minimal):,.0f}/s, service {statistics.median(service):,.0f}/s,"
        f" ratio {ratio:.2f} (at least 0.2)"
    )
    sys.exit(0 if ratio >= 0.2 else 1)


def fill() -> tuple[int, int, int]:
    """An operator with wide limits and its players; returns its id and the first and last player."""
    now = clock.now()
    with db.writing() as session:
        operator_id = make_operator(session)
        new = [players.NewPlayer(f"B{number:05d}", f"Player {number}") for number in range(PLAYERS)]
        ids = sorted(players.register(session, operator_id=operator_id, players=new, now=now).values())
        opening = [
            balances.Dated(
                balances.Request(player_id, "USD", ChangeType.OPENING, 5_000_00, "Opening", "opening"),
                SYSTEM,
                now,
            )
            for player_id in ids
        ]
        balances.post_many(session, opening, with_alerts=False)
    return operator_id, ids[0], ids[-1]


def post(first: int, last: int) -> None:
    """One adjustment of one cent of a random player, by the door that every page uses."""
    player_id = random.randint(first, last)
    request = balances.Request(player_id, "USD", ChangeType.ADJUSTMENT, 1, "Goodwill", str(uuid4()))
    db.transact(lambda session: balances.change(session, request=request, actor=SYSTEM, now=clock.now()))


if __name__ == "__main__":
    main()
