"""How long the pages about rounds take, with a hundred rounds of demo history and with a thousand.

After a warm-up, 200 requests a page by one client, in this process, so that only the server's own time
counts. The baseline is the same page on the short history in the same run; p95 should stay under 100 ms,
with at most 12 queries. Arguments: the days of either history.
"""

import datetime as dt
import statistics
import sys

import click
from flask import Flask
from sqlalchemy import text

from benchmarks.pages import EMAIL, PASSWORD, count_queries, measure, percentile, sign_in
from benchmarks.scratch import application, vacuum
from dashboard import clock, db
from dashboard.models.login import Role
from dashboard.services import demo, staff

DAYS = (9, 90)
P95_MS, QUERIES_MOST = 100, 12
_ROUNDS = text("SELECT count(*) FROM rounds")
_LONGEST = text("SELECT id, game_id FROM rounds WHERE state = 'settled' ORDER BY bets DESC, id LIMIT 1")
_BETTOR = text("SELECT player_id FROM bets GROUP BY player_id ORDER BY count(*) DESC, player_id LIMIT 1")


def main() -> None:
    """Measure on either history, print both and the ratio."""
    days = tuple(int(argument) for argument in sys.argv[1:]) or DAYS
    with application() as app:
        short = look_at(app, days[0])
    with application() as app:
        long = look_at(app, days[-1])
    fine = True
    for name, (before, _) in short.items():
        taken, queries = long[name]
        p95 = percentile(taken, 95)
        fine &= p95 < P95_MS and queries <= QUERIES_MOST
        medians = f"{statistics.median(before):>6.1f} ms {statistics.median(taken):>6.1f} ms"
        ratio = statistics.median(taken) / statistics.median(before)
        click.echo(f"{name:<28} {medians}, p95 {p95:>6.1f} ms, ratio {ratio:.2f}, {queries} queries")
    click.echo(f"p95 < {P95_MS} ms, queries <= {QUERIES_MOST}: {'yes' if fine else 'NO'}")
    sys.exit(0 if fine else 1)


def look_at(app: Flask, days: int) -> dict[str, tuple[list[float], int]]:
    """Fill the demo, ask for every page; by page the milliseconds in ascending order, and the queries."""
    with app.app_context():
        filled = demo.fill(db.transact, now=clock.now(), days_count=days)
        with db.writing() as session:
            staff.create(
                session,
                operator_id=filled.operator_id,
                email=EMAIL,
                name="A. Lindqvist",
                role=Role.ADMIN,
                password=PASSWORD,
                now=clock.now(),
            )
        with db.reading() as session:
            rounds = session.scalars(_ROUNDS).one()
            played = session.execute(_LONGEST).one()
            bettor = session.scalars(_BETTOR).one()
        engine = db.alchemy.engine
    vacuum(app)
    click.echo(f"{days} days: {rounds:,} rounds")
    client = sign_in(app)
    today = clock.now().date()
    paths = {
        "history": "/rounds",
        "history of a game": f"/rounds?game={played.game_id}",
        "history of a week": f"/rounds?from={today - dt.timedelta(days=7)}&to={today}",
        "history by winner": "/rounds?winner=andar",
        "games": "/games",
        "statistics of a game": f"/games/{played.game_id}",
        "fairness": "/games/fairness",
        "fairness of a game": f"/games/fairness?game={played.game_id}",
        "round": f"/rounds/{played.id}",
        "bets of a player": f"/players/{bettor}?tab=bets",
    }
    return {
        name: (measure(client, path), count_queries(engine, client, path)) for name, path in paths.items()
    }


if __name__ == "__main__":
    main()
