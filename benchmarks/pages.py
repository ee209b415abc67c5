"""How long the server takes for each page, at 10,000 and at 1,000,000 entries.

After a warm-up, 200 requests a page by one client, in this process, so that only the server's own time
counts. The baseline is the same page on the small journal in the same run: the ratio of the medians should
stay under 1.3, and p95 under 100 ms. `--entries` sets the larger size.
"""

import datetime as dt
import random
import re
import statistics
import sys
import time

import click
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from benchmarks.scratch import application, make_operator, vacuum
from dashboard import clock, db
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, players, staff
from dashboard.services.actors import SYSTEM

PLAYERS = 1_000
SMALL = 10_000
REGULAR, REGULAR_FROM = 600, 1_000_000
"""The player whose pages are measured has a full page of deposits from the start, as more rows on a page
would be no sign of a slower journal; numbers from here on."""
REQUESTS, WARM_UP = 200, 20
P95_MS, RATIO_MOST, QUERIES_MOST = 100, 1.3, 14
EMAIL, PASSWORD = "measured@example.com", "a long enough password"


@click.command()
@click.option("--entries", default=1_000_000, show_default=True, help="The larger size.")
def main(entries: int) -> None:
    """Measure small, grow, measure again, print both and the ratio."""
    with application() as app:
        with app.app_context():
            ids = fill()
            post(ids, 0, SMALL // PLAYERS)
            post(ids[PLAYERS // 2 : PLAYERS // 2 + 1], REGULAR_FROM, REGULAR_FROM + REGULAR)
        vacuum(app)
        client = sign_in(app)
        paths = pages(ids[PLAYERS // 2])
        small = {path: measure(client, path) for path in paths}
        with app.app_context():
            post(ids, SMALL // PLAYERS, entries // PLAYERS)
        vacuum(app)
        large = {path: measure(client, path) for path in paths}
        with app.app_context():
            engine = db.alchemy.engine
        queries = {path: count_queries(engine, client, path) for path in paths}
    fine = True
    click.echo(
        f"{'page':<48} {'10^4 p50':>9} {f'{entries:,} p50':>15} {'p95':>8} {'ratio':>6} {'queries':>8}"
    )
    for path in paths:
        ratio = statistics.median(large[path]) / statistics.median(small[path])
        p95 = percentile(large[path], 95)
        fine &= p95 < P95_MS and ratio <= RATIO_MOST and queries[path] <= QUERIES_MOST
        medians = f"{statistics.median(small[path]):>7.1f}ms {statistics.median(large[path]):>13.1f}ms"
        click.echo(f"{path[:48]:<48} {medians} {p95:>6.1f}ms {ratio:>6.2f} {queries[path]:>8}")
    click.echo(
        f"p95 < {P95_MS} ms, ratio <= {RATIO_MOST}, queries <= {QUERIES_MOST}: {'yes' if fine else 'NO'}"
    )
    sys.exit(0 if fine else 1)


def fill() -> list[int]:
    """An operator, an admin, the players; returns the players' ids."""
    now = clock.now()
    with db.writing() as session:
        operator_id = make_operator(session)
        staff.create(
            session,
            operator_id=operator_id,
            email=EMAIL,
            name="A. Lindqvist",
            role=Role.ADMIN,
            password=PASSWORD,
            now=now,
        )
        new = [
            players.NewPlayer(f"B{number:05d}", f"Player Number{number}", f"b{number}@example.com")
            for number in range(PLAYERS)
        ]
        return sorted(players.register(session, operator_id=operator_id, players=new, now=now).values())


def post(ids: list[int], start: int, end: int, *, within: dt.timedelta = dt.timedelta(days=90)) -> None:
    """Entries `start` to `end` of every player, spread over the last 90 days, the latest minutes ago."""
    now = clock.now()
    chance = random.Random(start)
    for number in range(start, end):
        at = now - within * (end - number) / (end - start)
        with db.writing() as session:
            dated = [
                balances.Dated(request(player_id, number, chance), SYSTEM, at + dt.timedelta(seconds=index))
                for index, player_id in enumerate(ids)
            ]
            balances.post_many(session, dated, with_alerts=number % 50 == 0)


def request(player_id: int, number: int, chance: random.Random) -> balances.Request:
    """Mostly stakes and payouts, now and then a deposit."""
    if number % 10 == 0:
        change_type, amount = ChangeType.DEPOSIT, chance.randrange(1_000, 30_000)
    elif number % 2:
        change_type, amount = ChangeType.WAGER, -chance.randrange(100, 3_000)
    else:
        change_type, amount = ChangeType.SETTLEMENT, chance.randrange(100, 3_000)
    return balances.Request(player_id, "USD", change_type, amount, "Andar Bahar", f"bench:{number}")


def pages(player_id: int) -> list[str]:
    """Every page of the desk, and the parts that are asked for most."""
    return [
        "/",
        "/players",
        "/players?q=number5",
        f"/players/{player_id}",
        f"/players/{player_id}?tab=limits",
        f"/players/{player_id}?change_type=deposit",
        "/alerts",
        "/vip-rules",
        "/audit",
    ]


def sign_in(app: Flask, email: str = EMAIL) -> FlaskClient:
    """A client with the session of the admin, or of somebody else with the same password."""
    client = app.test_client()
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', client.get("/sign-in").text)
    assert found
    form = {"csrf_token": found[1], "email": email, "password": PASSWORD}
    assert client.post("/sign-in", data=form).status_code == 303
    return client


def measure(client: FlaskClient, path: str) -> list[float]:
    """Milliseconds of each request, in ascending order."""
    taken = []
    for _ in range(WARM_UP + REQUESTS):
        began = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - began) * 1_000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return sorted(taken[WARM_UP:])


def percentile(ascending: list[float], percent: int) -> float:
    """The value that so many percent do not pass."""
    return ascending[min(len(ascending) - 1, len(ascending) * percent // 100)]


def count_queries(engine: Engine, client: FlaskClient, path: str) -> int:
    """Statements that one request sends, sign-in and permission included."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    client.get(path)
    event.remove(engine, "before_cursor_execute", note)
    return len(seen)


if __name__ == "__main__":
    main()
