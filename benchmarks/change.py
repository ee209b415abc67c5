"""Balance changes a second through the full service, against the least that SQL could do.

The baseline is pgbench with prepared statements: lock the balance, move it, append a row; no rules,
no hash, no key. Both run with two clients on the same server with fsync on, in turns; the ratio is of
the medians.
"""

import multiprocessing
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from uuid import uuid4

import click

import dashboard
from benchmarks.scratch import application, make_operator, vacuum
from dashboard import clock, db, embedded, roles
from dashboard.config import settings
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, players
from dashboard.services.actors import SYSTEM

PLAYERS = 1_000
CLIENTS = 2

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
            minimal.append(run_minimal(seconds, operator_id, first, last))
            service.append(run_service(seconds, first, last))
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


def run_minimal(seconds: int, operator_id: int, first: int, last: int) -> float:
    """Transactions a second of the minimal statements."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(MINIMAL)
        script.flush()
        variables = [f"-Dfirst={first}", f"-Dlast={last}", f"-Doperator={operator_id}"]
        command = [embedded.binary("pgbench"), "-n", "-M", "prepared", f"-c{CLIENTS}", f"-j{CLIENTS}"]
        told = subprocess.run(
            [*command, f"-T{seconds}", *variables, "-f", script.name, roles.url_for("app")],
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"tps = ([0-9.]+)", told.stdout)
    assert found, told.stdout
    return float(found[1])


def run_service(seconds: int, first: int, last: int) -> float:
    """Changes a second of the service, in processes of their own."""
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(CLIENTS)
    counts = context.Queue()
    home = str(settings().home)
    workers = [
        context.Process(target=work, args=(home, seconds, (first, last), start, counts))
        for _ in range(CLIENTS)
    ]
    for worker in workers:
        worker.start()
    total = sum(counts.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(total) / seconds


def work(home: str, seconds: int, among: tuple[int, int], start: Barrier, counts: "Queue[int]") -> None:
    """One client: change random balances for as long as it may, after a short warm-up."""
    os.environ["PURSER_HOME"] = home
    settings.cache_clear()
    chance = random.Random()
    with dashboard.create_app().app_context():
        for _ in range(20):
            post(chance.randint(*among))
        start.wait()
        ends, done = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            post(chance.randint(*among))
            done += 1
    counts.put(done)


def post(player_id: int) -> None:
    """One adjustment of one cent, by the door that every page uses."""
    request = balances.Request(player_id, "USD", ChangeType.ADJUSTMENT, 1, "Goodwill", str(uuid4()))
    db.transact(lambda session: balances.change(session, request=request, actor=SYSTEM, now=clock.now()))


if __name__ == "__main__":
    main()
