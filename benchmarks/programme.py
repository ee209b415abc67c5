"""How long the pages about loyalty take, the programme's and one member's, at 10⁴ and at 10⁶ batches.

After a warm-up, 200 requests a page by one client, in this process, so that only the server's own time
counts. The baseline is the same page of the small programme in the same run; p95 should stay under 100 ms,
with at most 12 queries. Members, batches, entries and allocations are written in sets by the owner, over two
years, so that half of the batches have expired. Arguments: batches of either programme; five are a member's.
"""

import datetime as dt
import statistics
import sys

import click
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from benchmarks.pages import EMAIL, PASSWORD, count_queries, measure, percentile, sign_in
from benchmarks.scratch import application, as_owner, make_operator, vacuum
from dashboard import clock, db
from dashboard.models.login import Role
from dashboard.services import players, staff

SIZES = (10_000, 1_000_000)
EACH = 5
"""Batches of a member."""
REGISTERED_AT_ONCE = 5_000
P95_MS, QUERIES_MOST = 100, 12

# Of ten members four have no tier, three are silver, two gold, one platinum.
_TIERED = """
CREATE TEMP TABLE tiered AS
SELECT p.id AS player_id, p.operator_id, t.id AS tier_id, coalesce(t.discount_bp, 0) AS discount_bp,
       CASE WHEN t.id IS NOT NULL THEN CURRENT_DATE + mod(p.id, 365)::int END AS tier_until
FROM players p LEFT JOIN loyalty_tiers t ON t.operator_id = p.operator_id AND t.code = CASE
  WHEN mod(p.id, 10) < 4 THEN '' WHEN mod(p.id, 10) < 7 THEN 'silver'
  WHEN mod(p.id, 10) < 9 THEN 'gold' ELSE 'platinum' END
"""
# A quarter of the batches is untouched, the others are used by a quarter, a half, three quarters.
_PLANNED = """
CREATE TEMP TABLE planned AS
SELECT player_id, operator_id, tier_id, number, loaded_on, expires_on, base, bonus, used, used_bonus,
       CASE WHEN expires_on < CURRENT_DATE THEN base + bonus - used ELSE 0 END AS expired,
       CASE WHEN expires_on < CURRENT_DATE THEN bonus - used_bonus ELSE 0 END AS expired_bonus
FROM (
  SELECT *, used * bonus / (base + bonus) AS used_bonus FROM (
    SELECT *, CASE WHEN loaded_on < CURRENT_DATE - 21 THEN (base + bonus) * quarters / 4 ELSE 0 END AS used
    FROM (
      SELECT t.player_id, t.operator_id, t.tier_id, d.loaded_on,
             row_number() OVER (PARTITION BY t.player_id ORDER BY d.loaded_on, k)::int AS number,
             (d.loaded_on + interval '12 months')::date AS expires_on, d.base,
             mod(t.player_id + k, 4) AS quarters,
             CASE WHEN t.tier_id IS NULL THEN 0 ELSE d.base * 3 / 22 END AS bonus
      FROM tiered t CROSS JOIN generate_series(1, %(each)s) AS k
      CROSS JOIN LATERAL (SELECT CURRENT_DATE - mod(t.player_id * 7 + k * 131, 730)::int AS loaded_on,
                                 100 + mod(t.player_id * 13 + k * 71, 900) AS base) AS d
    ) AS loads
  ) AS uses
) AS shares
"""
_MOVED = """
CREATE TEMP TABLE moved AS
SELECT m.*, row_number() OVER journal AS sequence, sum(m.base + m.bonus) OVER journal AS balance_after
FROM (
  SELECT player_id, number, 'load' AS kind, loaded_on + interval '10 hours' AS at, base, bonus FROM planned
  UNION ALL
  SELECT player_id, number, 'redeem', loaded_on + interval '20 days 11 hours', used_bonus - used, -used_bonus
  FROM planned WHERE used > 0
  UNION ALL
  SELECT player_id, number, 'expire', expires_on + interval '1 day 5 minutes', expired_bonus - expired,
         -expired_bonus
  FROM planned WHERE expired > 0
  UNION ALL
  SELECT player_id, number, 'transfer_tier', loaded_on + interval '10 hours 1 second', 0, 0
  FROM planned WHERE number = 1 AND tier_id IS NOT NULL
) AS m WINDOW journal AS (PARTITION BY m.player_id ORDER BY m.at, m.number, m.kind)
"""
_INDEXED = "CREATE UNIQUE INDEX ON moved (player_id, number, kind)"
# One of a hundred is suspended, one of two hundred owes points.
_WALLETS = """
INSERT INTO loyalty_wallets (player_id, operator_id, status, status_reason, status_at, tier_id, discount_bp,
  tier_valid_until, balance, loaded, redeemed, expired, owed, amount_paid, batches, version, created_at,
  updated_at)
SELECT t.player_id, t.operator_id, CASE WHEN s.asked THEN 'suspended' ELSE 'active' END,
       CASE WHEN s.asked THEN 'Asked to' END, CASE WHEN s.asked THEN now() END, t.tier_id, t.discount_bp,
       t.tier_until, b.loaded - b.used - b.expired, b.loaded, b.used, b.expired,
       CASE WHEN mod(t.player_id, 200) = 7 THEN 100 ELSE 0 END, b.paid, b.batches, m.version,
       now() - interval '2 years', now()
FROM tiered t
JOIN (SELECT player_id, sum(base + bonus) AS loaded, sum(used) AS used, sum(expired) AS expired,
             sum(base) * 100 AS paid, count(*) AS batches
      FROM planned GROUP BY player_id) AS b USING (player_id)
JOIN (SELECT player_id, count(*) AS version FROM moved GROUP BY player_id) AS m USING (player_id)
CROSS JOIN LATERAL (SELECT mod(t.player_id, 100) = 3 AS asked) AS s
ORDER BY t.player_id
"""
_ENTRIES = """
INSERT INTO loyalty_entries (player_id, sequence, operator_id, kind, base_points, bonus_points, balance_after,
  payment, payment_mode, payment_amount, discount_bp, tier_id, expires_on, notes, performed_by,
  idempotency_key, fingerprint, created_at, hash)
SELECT m.player_id, m.sequence, p.operator_id, m.kind, m.base, m.bonus, m.balance_after,
       CASE WHEN m.kind = 'load' THEN 'PAY-' || m.sequence END, CASE WHEN m.kind = 'load' THEN 'card' END,
       CASE WHEN m.kind = 'load' THEN m.base * 100 END,
       CASE WHEN m.kind = 'transfer_tier' THEN t.discount_bp END,
       CASE WHEN m.kind IN ('load', 'transfer_tier') THEN p.tier_id END,
       CASE m.kind WHEN 'load' THEN p.expires_on WHEN 'transfer_tier' THEN t.tier_until END,
       'Measured', 'system', 'bench:' || m.sequence, sha256('bench'), m.at, sha256('bench')
FROM moved m JOIN planned p USING (player_id, number) JOIN tiered t USING (player_id)
ORDER BY m.at
"""
_BATCHES = """
INSERT INTO points_batches (player_id, number, operator_id, sequence, loaded_on, expires_on, base_loaded,
  bonus_loaded, remaining, redeemed, expired, amount_paid)
SELECT p.player_id, p.number, p.operator_id, m.sequence, p.loaded_on, p.expires_on, p.base, p.bonus,
       p.base + p.bonus - p.used - p.expired, p.used, p.expired, p.base * 100
FROM planned p JOIN moved m ON m.player_id = p.player_id AND m.number = p.number AND m.kind = 'load'
ORDER BY p.loaded_on
"""
_ALLOCATIONS = """
INSERT INTO points_allocations (player_id, sequence, number, place, base_points, bonus_points)
SELECT player_id, sequence, number, 1, -base, -bonus FROM moved WHERE kind IN ('redeem', 'expire') ORDER BY at
"""
_MONTHS = """
INSERT INTO loyalty_months (operator_id, month, slot, loaded, remaining, redeemed, expired, reversed)
SELECT operator_id, date_trunc('month', expires_on)::date, mod(player_id, 16), sum(loaded), sum(remaining),
       sum(redeemed), sum(expired), sum(reversed)
FROM points_batches GROUP BY 1, 2, 3
"""
_DAYS = """
INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
SELECT operator_id, CAST(created_at AT TIME ZONE 'UTC' AS date), kind, count(*), sum(points),
       coalesce(sum(payment_amount), 0)
FROM loyalty_entries GROUP BY 1, 2, 3
"""
_IN_TIERS = """
INSERT INTO tier_members (operator_id, tier_id, members)
SELECT operator_id, coalesce(tier_id, 0), count(*) FROM loyalty_wallets GROUP BY 1, 2
"""
_HISTORY = """
INSERT INTO tier_history (player_id, operator_id, sequence, tier_id, change, valid_until, reason, changed_at)
SELECT m.player_id, t.operator_id, m.sequence, t.tier_id, 'new', t.tier_until, 'Measured', m.at
FROM moved m JOIN tiered t USING (player_id) WHERE m.kind = 'transfer_tier'
"""
FILL = (
    *(_TIERED, _PLANNED, _MOVED, _INDEXED, _WALLETS, _ENTRIES, _BATCHES, _ALLOCATIONS),
    *(_MONTHS, _DAYS, _IN_TIERS, _HISTORY),
)  # fmt: skip
_SUBJECTS = text("""
SELECT (SELECT id FROM loyalty_tiers WHERE code = 'gold') AS tier,
       (SELECT player_id FROM loyalty_wallets WHERE tier_id IS NOT NULL AND balance > 0
        AND status = 'active' ORDER BY player_id DESC OFFSET 20 LIMIT 1) AS member
""")


def main() -> None:
    """Measure either programme; print both and the ratio."""
    sizes = tuple(int(argument) for argument in sys.argv[1:]) or SIZES
    with application() as app:
        small = look_at(app, sizes[0])
    with application() as app:
        large = look_at(app, sizes[-1])
    fine = True
    for (page, (before, _)), (taken, queries) in zip(small.items(), large.values(), strict=True):
        p95 = percentile(taken, 95)
        is_fine = p95 < P95_MS and queries <= QUERIES_MOST
        fine &= is_fine
        ratio = statistics.median(taken) / statistics.median(before)
        medians = f"{statistics.median(before):>6.1f} ms {statistics.median(taken):>6.1f} ms"
        click.echo(
            f"{page:<52} {medians}, p95 {p95:>6.1f} ms, ratio {ratio:.2f}, {queries} queries"
            f"{'' if is_fine else '  NO'}"
        )
    click.echo(f"p95 < {P95_MS} ms, queries <= {QUERIES_MOST}: {'yes' if fine else 'NO'}")
    sys.exit(0 if fine else 1)


def look_at(app: Flask, batches: int) -> dict[str, tuple[list[float], int]]:
    """Write that many batches, ask for every page; by its name the milliseconds in order, and the queries."""
    with app.app_context():
        fill(app, batches)
        with db.reading() as session:
            paths = pages(session)
        engine = db.alchemy.engine
    vacuum(app)
    click.echo(f"{batches:,} batches of {batches // EACH:,} members")
    client = sign_in(app)
    return {
        page: (measure(client, path), count_queries(engine, client, path)) for page, path in paths.items()
    }


def fill(app: Flask, batches: int) -> None:
    """An operator, an admin, and members with that many batches together; in the application's context."""
    register(batches // EACH)
    with as_owner(app) as connection:
        connection.execute("ANALYZE")
        for statement in FILL:
            connection.execute(statement, {"each": EACH})


def register(members: int) -> None:
    """So many players, and whoever looks at them."""
    now = clock.now()
    since = now - dt.timedelta(days=800)
    with db.writing() as session:
        operator_id = make_operator(session)
        staff.create(
            session,
            operator_id=operator_id,
            email=EMAIL,
            name="A. Lindqvist",
            role=Role.ADMIN,
            password=PASSWORD,
            now=since,
        )
    for first in range(0, members, REGISTERED_AT_ONCE):
        new = [
            players.NewPlayer(f"B{number:06d}", f"Player Number{number}", f"b{number}@example.com")
            for number in range(first, min(first + REGISTERED_AT_ONCE, members))
        ]
        with db.writing() as session:
            players.register(session, operator_id=operator_id, players=new, now=since)


def pages(session: Session) -> dict[str, str]:
    """The addresses of every page about loyalty, by what they are called."""
    tier, member = session.execute(_SUBJECTS).one()
    far = clock.now().date() + dt.timedelta(days=60)
    queries = (
        "", "sort=-points", "sort=ends", f"tier={tier}", "tier=none&sort=-points", "status=active",
        "status=suspended", "within=7", "within=30&sort=ends", "within=30&sort=-points", "owed=y",
        "q=number5", f"after={member // 2}",
    )  # fmt: skip
    lists = [
        *(f"/loyalty/members?{query}" for query in queries),
        *(f"/loyalty/expiries?within={days}" for days in (1, 30, 90)),
        f"/loyalty/expiries?within=90&after={far}.{member // 2}",
    ]
    of_one = f"/players/{member}/loyalty"
    return {
        **{path: path for path in ("/loyalty", "/loyalty/tiers", "/loyalty/settings")},
        "/loyalty/tiers/one": f"/loyalty/tiers/{tier}",
        **{path.replace(str(member // 2), "…").replace(str(far), "far"): path for path in lists},
        "a member": of_one,
        **{f"a member, {act}": f"{of_one}/{act}" for act in ("load", "redeem", "adjust")},
        "a member, one entry": f"{of_one}/entries/1",
    }


if __name__ == "__main__":
    main()
