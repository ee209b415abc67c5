"""How long the pages about partners take, the desk's and the partners' own, at 10⁴ and at 10⁶ earnings.

After a warm-up, 200 requests a page by one client, in this process, so that only the server's own time
counts. The baseline is the same page on the short history in the same run; p95 should stay under 100 ms,
with at most 12 queries. Rounds and earnings are written in sets by the owner, the months are closed by the
services. Arguments: earnings of either history.
"""

import datetime as dt
import statistics
import sys
from dataclasses import dataclass

import click
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.pages import EMAIL, PASSWORD, count_queries, measure, percentile, sign_in
from benchmarks.scratch import application, as_owner, make_operator, vacuum
from dashboard import clock, db
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from dashboard.models.partner import PartnerStatus
from dashboard.services import games, partner_payouts, partner_statements, partners, players, staff
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.partner_statements import preceding
from dashboard.services.partner_terms import Terms

SIZES = (10_000, 1_000_000)
PARTNERS, PLAYERS, GAMES, DAYS = 10, 2_000, 4, 365
P95_MS, QUERIES_MOST = 100, 12
PARTNER_EMAIL = "partner-measured@example.com"
_RULE_SET = text("SELECT id FROM rule_sets WHERE operator_id = :o AND name = 'standard' AND state = 'active'")
_STATEMENTS = text("SELECT id FROM partner_statements WHERE state = 'closed' ORDER BY partner_id, month")
_LATEST = text("SELECT max(id) FROM partner_statements WHERE partner_id = :p")

# Settled rounds, as many a day, of every game in turn; all dealt by hand, so that there is no seed.
_ROUNDS = """
INSERT INTO rounds (operator_id, game_id, number, rule_set_id, dealing, currency, public_salt, state,
                    opened_at, opened_by, betting_ends_at, joker, cards, winner, version, bets, players,
                    staked, paid, ended_at)
SELECT g.operator_id, g.id, n, g.rule_set_id, 'manual', g.currency, 'bench', 'settled', at, 'system', at, 0,
       '{13}', 'andar', 1, 40, 40, 400000, 380000, at + interval '1 minute'
FROM generate_series(1, %(rounds)s) AS n
JOIN (SELECT *, row_number() OVER (ORDER BY id) - 1 AS place FROM games) AS g
  ON g.place = mod(n, (SELECT count(*) FROM games))
CROSS JOIN LATERAL (
  SELECT now() - interval '1 hour' - make_interval(days => %(days)s) * (1 - n::float / %(rounds)s) AS at) AS t
ORDER BY n
"""
_SETTLEMENTS = """
INSERT INTO round_settlements (round_id, version, joker, cards, winner, made_by, claimed_at, paid_at, done_at,
                               bets, players, staked, paid)
SELECT id, 1, joker, cards, winner, 'system', ended_at, ended_at, ended_at, bets, players, staked, paid
FROM rounds
"""
# In whole tens, so that half and a tenth of it are exact.
_EARNINGS = """
INSERT INTO partner_game_earnings (partner_id, contract_id, operator_id, game_id, round_id,
  settlement_version, currency, real_bets, real_payouts, real_profit, share_bp, rate_bp, loss_policy,
  settled_at)
SELECT k.partner_id, k.id, r.operator_id, r.game_id, r.id, 1, r.currency, f.bets, f.bets - f.profit, f.profit,
       k.share_bp, k.rate_bp, k.loss_policy, r.ended_at
FROM rounds r CROSS JOIN partner_contracts k
CROSS JOIN LATERAL (
  SELECT 20000 + 200 * mod(r.id * 7 + k.id, 300) AS bets,
         100 * (mod(r.id * 13 + k.id * 5, 201) - 90) AS profit
) AS f
ORDER BY r.id, k.partner_id
"""
_SHOWN = """
INSERT INTO partner_shown_earnings (id, partner_id, operator_id, currency, game_id, round_id, round_number,
  settlement_version, day, settled_at, players, bets, payouts, profit, earned, is_open, approve_at, state,
  decided_by, decided_at)
SELECT g.id, g.partner_id, g.operator_id, g.currency, g.game_id, g.round_id, r.number, 1,
       (g.settled_at AT TIME ZONE o.timezone)::date, g.settled_at, p.players, g.real_bets / 2,
       g.real_payouts / 2, g.real_profit / 2, g.real_profit / 20, p.players >= 5,
       g.settled_at + interval '7 days', CASE WHEN h.is_over THEN 'approved' ELSE 'pending' END,
       CASE WHEN h.is_over THEN 'system' END, CASE WHEN h.is_over THEN g.settled_at + interval '7 days' END
FROM partner_game_earnings g JOIN rounds r ON r.id = g.round_id JOIN operators o ON o.id = g.operator_id
CROSS JOIN LATERAL (SELECT 3 + mod(g.id, 9) AS players) AS p
CROSS JOIN LATERAL (SELECT g.settled_at < now() - interval '7 days' AS is_over) AS h
"""
_ACCOUNTS = """
INSERT INTO partner_accounts (partner_id, currency, operator_id, total, pending)
SELECT partner_id, currency, operator_id, sum(earned),
       coalesce(sum(earned) FILTER (WHERE state = 'pending'), 0)
FROM partner_shown_earnings GROUP BY partner_id, currency, operator_id
"""
_PERIODS = """
INSERT INTO partner_shown_periods (partner_id, currency, kind, starts, game_id, rounds, players, bets,
                                   payouts, profit, earned, is_named)
SELECT s.partner_id, s.currency, k.kind, k.starts, k.game_id, count(*), 40, sum(s.bets), sum(s.payouts),
       sum(s.profit), sum(s.earned), false
FROM partner_shown_earnings s
CROSS JOIN LATERAL (VALUES ('day', s.day, 0), ('month', date_trunc('month', s.day)::date, 0),
                           ('game', date_trunc('month', s.day)::date, s.game_id)) AS k(kind, starts, game_id)
GROUP BY s.partner_id, s.currency, k.kind, k.starts, k.game_id
"""
FILL = (_ROUNDS, _SETTLEMENTS, _EARNINGS, _SHOWN, _ACCOUNTS, _PERIODS)


@dataclass(frozen=True, slots=True)
class House:
    """Whose pages are measured."""

    operator_id: int
    desk: tuple[Actor, Actor]
    partner: Actor


def main() -> None:
    """Measure on either history; print both and the ratio."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    with application() as app:
        short = look_at(app, sizes[0])
    with application() as app:
        long = look_at(app, sizes[-1])
    fine = True
    for path, (before, _) in short.items():
        taken, queries = long[path]
        p95 = percentile(taken, 95)
        is_fine = p95 < P95_MS and queries <= QUERIES_MOST
        fine &= is_fine
        ratio = statistics.median(taken) / statistics.median(before)
        medians = f"{statistics.median(before):>6.1f} ms {statistics.median(taken):>6.1f} ms"
        click.echo(
            f"{path:<44} {medians}, p95 {p95:>6.1f} ms, ratio {ratio:.2f}, {queries} queries"
            f"{'' if is_fine else '  NO'}"
        )
    click.echo(f"p95 < {P95_MS} ms, queries <= {QUERIES_MOST}: {'yes' if fine else 'NO'}")
    sys.exit(0 if fine else 1)


def look_at(app: Flask, earnings: int) -> dict[str, tuple[list[float], int]]:
    """Write that many earnings, ask for every page; by path the milliseconds in order, and the queries."""
    with app.app_context():
        house = found()
        with as_owner(app) as connection:
            for statement in FILL:
                connection.execute(statement, {"rounds": earnings // PARTNERS, "days": DAYS})
            connection.execute("ANALYZE")
        close_the_year(house)
        engines = [db.alchemy.engine, db.alchemy.engines[db.PARTNERS]]
        with db.reading() as session:
            statement_id = session.scalars(_LATEST, {"p": house.partner.partner_id}).one()
    vacuum(app)
    click.echo(f"{earnings:,} earnings of {PARTNERS} partners")
    measured = {}
    for email, paths in (
        (EMAIL, desk_pages(house.partner.partner_id or 0, statement_id)),
        (PARTNER_EMAIL, partner_pages(statement_id)),
    ):
        client = sign_in(app, email)
        for path in paths:
            queries = sum(count_queries(engine, client, path) for engine in engines)
            measured[path] = (measure(client, path), queries)
    return measured


def desk_pages(partner_id: int, statement_id: int) -> list[str]:
    """The desk's pages about partners."""
    of_one = f"/partners/{partner_id}"
    return [
        "/partners",
        "/partners?sort=-total",
        of_one,
        *(f"{of_one}/{page}" for page in ("earnings", "players", "statements", "payouts", "what-if")),
        f"{of_one}/earnings?state=pending",
        "/partners/statements",
        f"/partners/statements/{statement_id}",
        "/partners/payouts",
    ]


def partner_pages(statement_id: int) -> list[str]:
    """The partner's own pages."""
    month = preceding(clock.now().date().replace(day=1))
    return [
        "/earnings",
        *(
            f"/earnings/{page}"
            for page in ("rounds", "days", "months", "games", "statements", "payouts", "profile")
        ),
        f"/earnings/rounds?since={month}",
        f"/earnings/statements/{statement_id}",
    ]


def found() -> House:
    """An operator with games and partners, half of the players each of theirs."""
    now = clock.now()
    since = now - dt.timedelta(days=DAYS + 30)
    with db.writing() as session:
        operator_id = make_operator(session)
        desk = tuple(
            Actor(
                id=staff.create(
                    session,
                    operator_id=operator_id,
                    email=email,
                    name="A. Lindqvist",
                    role=Role.ADMIN,
                    password=PASSWORD,
                    now=since,
                ),
                operator_id=operator_id,
                role=Role.ADMIN,
                name="A. Lindqvist",
            )
            for email in (EMAIL, f"second-{EMAIL}")
        )
        rule_set_id = session.scalars(_RULE_SET, {"o": operator_id}).one()
        for number in range(GAMES):
            settings = games.Settings(f"Game {number}", rule_set_id, 100, 100_000, None, 20, 0)
            games.create(
                session,
                settings=settings,
                currency="USD",
                dealing=Dealing.MANUAL,
                actor=SYSTEM,
                now=since,
                operator_id=operator_id,
            )
        ids = [_partner(session, operator_id, number, since) for number in range(PARTNERS)]
        new = [
            players.NewPlayer(f"B{number:05d}", f"Player Number{number}", f"b{number}@example.com")
            for number in range(PLAYERS)
        ]
        registered = sorted(
            players.register(session, operator_id=operator_id, players=new, now=since).values()
        )
        for place, partner_id in enumerate(ids):
            partners.refer(
                session,
                player_ids=registered[place::PARTNERS],
                partner_id=partner_id,
                actor=SYSTEM,
                now=since,
            )
        login_id = staff.create(
            session,
            operator_id=operator_id,
            email=PARTNER_EMAIL,
            name="Harbour Media",
            role=Role.PARTNER,
            password=PASSWORD,
            now=since,
            partner_id=ids[0],
        )
        user = Actor(
            id=login_id, operator_id=operator_id, role=Role.PARTNER, name="Harbour Media", partner_id=ids[0]
        )
        partners.write_payout_details(session, partner_id=ids[0], details="Account 1", actor=user, now=since)
    return House(operator_id, (desk[0], desk[1]), user)


def _partner(session: Session, operator_id: int, number: int, since: dt.datetime) -> int:
    partner_id = partners.create(
        session,
        name=f"Partner {number}",
        code=f"partner-{number}",
        contract=partners.Contract(Terms(50_00, 10_00), since.date(), {}),
        actor=SYSTEM,
        now=since,
        operator_id=operator_id,
    )
    partners.set_status(
        session, partner_id=partner_id, status=PartnerStatus.ACTIVE, reason="Agreed", actor=SYSTEM, now=since
    )
    return partner_id


def close_the_year(house: House) -> None:
    """Close and approve every month that is over, in a transaction each; ask for one payout."""
    this_month = clock.now().date().replace(day=1)
    months = [this_month]
    while (this_month - months[-1]).days < DAYS:
        months.append(preceding(months[-1]))
    closer, decider = house.desk
    for month in reversed(months[1:]):
        now = clock.now()
        with db.writing() as session:
            partner_statements.close_month(
                session, operator_id=house.operator_id, month=month, actor=closer, now=now
            )
        with db.writing() as session:
            for statement_id in session.scalars(_STATEMENTS).all():
                partner_statements.approve(
                    session, statement_id=statement_id, reason="Checked", actor=decider, now=now
                )
    with db.writing() as session:
        partner_payouts.request(
            session,
            partner_id=house.partner.partner_id or 0,
            currency="USD",
            amount=50_00,
            idempotency_key="bench",
            actor=house.partner,
            now=clock.now(),
        )


if __name__ == "__main__":
    main()
