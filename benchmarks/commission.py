"""What partners cost a settlement: a round whose players a hundred of them referred, against one of nobody's.

Both rounds have the same bets of the same players, and are settled in turns on one server with fsync on; the
difference is what the third transaction does for partners. Arguments: turns, bets of a round.
"""

import statistics
import sys

import click
from flask import Flask
from sqlalchemy import text

from benchmarks.scratch import application, vacuum
from benchmarks.settlement import ready, settle, timed
from dashboard import clock, db
from dashboard.models.partner import PartnerStatus
from dashboard.services import partners
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_terms import Terms

PARTNERS, BETS, TURNS = 100, 100_000, 3
WARM_UP_BETS = 1_000
RATIO_MOST = 1.5
_ROUND = text("""
SELECT r.operator_id, array_agg(DISTINCT b.player_id) AS player_ids
FROM rounds r JOIN bets b ON b.round_id = r.id WHERE r.id = :r GROUP BY r.operator_id
""")
# What was earned by the rows, beside what the round's stakes and payouts say: half of a tenth of each sum.
_EARNED = text("""
SELECT count(*) AS rows, coalesce(sum(g.real_profit), 0)::bigint AS profit,
       (SELECT sum(amount - payout) FROM bets WHERE round_id = :r)::bigint AS due,
       count(*) FILTER (
         WHERE s.earned <> round(g.real_profit / 20.0) AND mod(g.real_profit, 20) <> 10) AS wrong
FROM partner_game_earnings g JOIN partner_shown_earnings s ON s.id = g.id WHERE g.round_id = :r
""")


def main() -> None:
    """Settle both kinds of round in turns; print times and the ratio of their medians."""
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    bets = int(sys.argv[2]) if len(sys.argv) > 2 else BETS
    alone, shared = [], []
    with application() as app, app.app_context():
        settle(nobodys(app, WARM_UP_BETS))
        for _ in range(turns):
            alone.append(timed(settle, nobodys(app, bets), bets))
            round_id = referred(app, bets)
            shared.append(timed(settle, round_id, bets))
            expect_earnings(round_id)
    without, with_partners = statistics.median(alone), statistics.median(shared)
    ratio = with_partners / without
    click.echo(
        f"{bets:,} bets: without partners {without:.3f} s, {without / bets * 1e6:.1f} µs a bet;"
        f" over {PARTNERS} partners {with_partners:.3f} s, {with_partners / bets * 1e6:.1f} µs a bet;"
        f" ratio {ratio:.2f} (at most {RATIO_MOST})"
    )
    sys.exit(0 if ratio <= RATIO_MOST else 1)


def nobodys(app: Flask, bets: int) -> int:
    """A round to be settled whose players nobody referred, or nobody any more."""
    round_id = ready(app, bets)
    with db.writing() as session:
        played = session.execute(_ROUND, {"r": round_id}).one()
        partners.refer(
            session,
            player_ids=played.player_ids,
            partner_id=None,
            actor=SYSTEM,
            now=clock.now(),
            operator_id=played.operator_id,
        )
    vacuum(app)
    return round_id


def referred(app: Flask, bets: int) -> int:
    """A round to be settled whose players new partners have referred, each as many."""
    round_id = ready(app, bets)
    with db.writing() as session:
        played = session.execute(_ROUND, {"r": round_id}).one()
        now = clock.now()
        for number in range(PARTNERS):
            partner_id = partners.create(
                session,
                name=f"Partner {number}",
                code=f"r{round_id}-{number}",
                contract=partners.Contract(Terms(50_00, 10_00), now.date(), {}),
                actor=SYSTEM,
                now=now,
                operator_id=played.operator_id,
            )
            partners.set_status(
                session,
                partner_id=partner_id,
                status=PartnerStatus.ACTIVE,
                reason="Agreed",
                actor=SYSTEM,
                now=now,
            )
            partners.refer(
                session,
                player_ids=played.player_ids[number::PARTNERS],
                partner_id=partner_id,
                actor=SYSTEM,
                now=now,
            )
    vacuum(app)
    return round_id


def expect_earnings(round_id: int) -> None:
    """RuntimeError where the partners have not earned what the bets say."""
    with db.reading() as session:
        found = session.execute(_EARNED, {"r": round_id}).one()
    if (found.rows, found.profit, found.wrong) != (PARTNERS, found.due, 0):
        raise RuntimeError(
            f"{found.rows} earnings on {found.profit:,}, {found.due:,} due, {found.wrong} wrong"
        )


if __name__ == "__main__":
    main()
