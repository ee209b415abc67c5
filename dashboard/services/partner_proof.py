"""The proof of partners: each check one statement over everything that returns what differs.

Part of `verification`. `partner_replay` proves the same without this SQL. A rejected earning is as if it
had never been for whatever was settled after its rejection. Which of the two came first is not always
written (a settlement takes a while), so each order of them that was possible is right.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from babel.numbers import list_currencies
from sqlalchemy import Row, text

from dashboard import money
from dashboard.services import partner_wording
from dashboard.services.findings import Check, Finding
from dashboard.services.partner_terms import DEFAULT_MINIMUM, PLAYERS_MIN
from dashboard.services.partner_wording import Figures


def _rounded(amount: str) -> str:
    """Half to even; PostgreSQL rounds halves away from zero."""
    return (
        f"(round({amount}) - CASE WHEN mod(abs({amount}), 1) = 0.5 AND mod(round({amount}), 2) <> 0"
        f" THEN sign({amount}) ELSE 0 END)"
    )


def _default_minimum(currency: str) -> str:
    """What the terms say where a contract names no minimum, in minor units of that column's currency."""
    by_amount: dict[int, list[str]] = {}
    for code in sorted(list_currencies()):
        by_amount.setdefault(money.from_whole(DEFAULT_MINIMUM, code), []).append(f"'{code}'")
    cases = (f"WHEN {currency} IN ({', '.join(codes)}) THEN {amount}" for amount, codes in by_amount.items())
    return f"CASE {' '.join(cases)} END"


_BETS = "(b.real_bets + g.real_bets)::numeric * g.share_bp * 0.0001"
_PROFIT = "(b.real_profit + g.real_profit)::numeric * g.share_bp * 0.0001"
_EARNED = "(b.real_profit + g.real_profit)::numeric * g.share_bp * g.rate_bp * 0.00000001"

# `b` is what the rows of the round before it had come to; a first settlement has none.
_EARNINGS = text(f"""
SELECT g.operator_id, g.partner_id, g.currency, g.id, g.round_id, 'earning' AS failed,
       count(*) OVER () AS total
FROM partner_game_earnings g
JOIN partner_contracts k ON k.id = g.contract_id
JOIN rounds r ON r.id = g.round_id
JOIN round_settlements m ON m.round_id = g.round_id AND m.version = g.settlement_version
LEFT JOIN partner_shown_earnings s ON s.id = g.id
WHERE (s.partner_id, s.operator_id, s.currency, s.game_id, s.round_id, s.round_number, s.settlement_version,
       s.settled_at, s.approve_at)
    IS DISTINCT FROM
      (g.partner_id, r.operator_id, r.currency, r.game_id, g.round_id, r.number, g.settlement_version,
       m.claimed_at, m.claimed_at + make_interval(hours => 24 * k.hold_days::int))
  OR (g.operator_id, g.currency, g.game_id, g.settled_at, g.share_bp, g.rate_bp, g.loss_policy)
    IS DISTINCT FROM
      (r.operator_id, r.currency, r.game_id, m.claimed_at, k.share_bp, k.rate_bp, k.loss_policy)
  -- Of the settlement, wherever the operator is; or the first day of a month that was still open.
  OR abs(s.day - (m.claimed_at AT TIME ZONE 'UTC')::date) > 1
     AND NOT (s.day > (m.claimed_at AT TIME ZONE 'UTC')::date AND extract(day FROM s.day) = 1)
  OR NOT EXISTS (
    SELECT FROM (
      SELECT 0 AS real_bets, 0 AS real_profit, 0 AS players, 0 AS bets, 0 AS profit, 0 AS earned,
             false AS is_open
      WHERE g.settlement_version = 1
      UNION ALL
      SELECT coalesce(sum(o.real_bets), 0), coalesce(sum(o.real_profit), 0), coalesce(sum(p.players), 0),
             coalesce(sum(p.bets), 0), coalesce(sum(p.profit), 0), coalesce(sum(p.earned), 0),
             coalesce(bool_or(p.is_open), false)
      FROM (
        SELECT CAST(NULL AS timestamptz) AS at
        UNION
        SELECT q.decided_at FROM partner_game_earnings e JOIN partner_shown_earnings q ON q.id = e.id
        WHERE e.round_id = g.round_id AND e.partner_id = g.partner_id AND e.contract_id = g.contract_id
          AND e.settlement_version < g.settlement_version AND q.state = 'rejected'
      ) AS cut
      LEFT JOIN (partner_game_earnings o LEFT JOIN partner_shown_earnings p ON p.id = o.id)
        ON o.round_id = g.round_id AND o.partner_id = g.partner_id AND o.contract_id = g.contract_id
       AND o.settlement_version < g.settlement_version
       AND NOT coalesce(p.state = 'rejected' AND p.decided_at <= cut.at, false)
      WHERE g.settlement_version > 1
      GROUP BY cut.at
    ) AS b
    WHERE (s.bets, s.profit, s.payouts) = (
        {_rounded(_BETS)} - b.bets,
        {_rounded(_PROFIT)} - b.profit,
        {_rounded(_BETS)} - b.bets - {_rounded(_PROFIT)} + b.profit)
      AND s.earned = CASE WHEN g.loss_policy = 'per_round' AND b.real_profit + g.real_profit <= 0 THEN 0
                          ELSE {_rounded(_EARNED)} END - b.earned
      AND s.is_open = (k.disclosure = 'terms' OR b.players + s.players >= {PLAYERS_MIN} OR b.is_open)
  )
ORDER BY g.id LIMIT :cap
""")

# Whose the players were, who earned and by which contract, asked as of the first settlement; both ways.
_ROUND_EARNINGS = text("""
WITH settled AS (
  SELECT r.id AS round_id, r.version AS last_version, f.claimed_at AS first_at, o.timezone,
         (r.opened_at AT TIME ZONE o.timezone)::date AS opened_on
  FROM rounds r
  JOIN operators o ON o.id = r.operator_id
  JOIN round_settlements f ON f.round_id = r.id AND f.version = 1
  WHERE NOT EXISTS (SELECT FROM round_settlements m WHERE m.round_id = r.id AND m.done_at IS NULL)
), played AS (
  SELECT b.round_id, b.player_id, sum(b.amount) AS whole_bets, sum(b.payout) AS whole_payouts,
         sum(b.real_part) AS real_bets, sum(b.payout_real) AS real_payouts
  FROM bets b
  WHERE b.state IN ('won', 'lost', 'push')
    AND b.player_id IN (SELECT player_id FROM referrals WHERE partner_id IS NOT NULL)
  GROUP BY b.round_id, b.player_id
), expected AS (
  SELECT f.partner_id, k.id AS contract_id, round_id, count(*) AS players,
         sum(CASE k.counts WHEN 'real' THEN p.real_bets ELSE p.whole_bets END) AS real_bets,
         sum(CASE k.counts WHEN 'real' THEN p.real_payouts ELSE p.whole_payouts END) AS real_payouts
  FROM played p
  JOIN settled t USING (round_id)
  CROSS JOIN LATERAL (
    SELECT r.partner_id, r.since FROM referrals r
    WHERE r.player_id = p.player_id AND r.since <= t.first_at ORDER BY r.since DESC LIMIT 1
  ) AS f
  CROSS JOIN LATERAL (
    SELECT s.status FROM partner_status_changes s
    WHERE s.partner_id = f.partner_id AND s.since <= t.first_at ORDER BY s.since DESC, s.id DESC LIMIT 1
  ) AS c
  CROSS JOIN LATERAL (
    SELECT x.id, x.counts FROM partner_contracts x
    WHERE x.partner_id = f.partner_id AND x.valid_from <= t.opened_on AND x.made_at <= t.first_at
      AND (x.version = 1 OR x.accepted_at <= t.first_at
           OR x.valid_from <= (f.since AT TIME ZONE t.timezone)::date)
    ORDER BY x.version DESC LIMIT 1
  ) AS k
  WHERE c.status IN ('active', 'suspended')
  GROUP BY f.partner_id, k.id, round_id
), stored AS (
  SELECT g.partner_id, g.contract_id, g.round_id, sum(g.real_bets) AS real_bets,
         sum(g.real_payouts) AS real_payouts, sum(s.players) AS players
  FROM partner_game_earnings g LEFT JOIN partner_shown_earnings s ON s.id = g.id
  GROUP BY g.partner_id, g.contract_id, g.round_id
), compared AS (
  SELECT partner_id, contract_id, round_id, t.last_version,
         coalesce(s.real_bets, 0) AS stored_real_bets, coalesce(s.real_payouts, 0) AS stored_real_payouts,
         coalesce(s.players, 0) AS stored_players, coalesce(e.real_bets, 0) AS due_real_bets,
         coalesce(e.real_payouts, 0) AS due_real_payouts, coalesce(e.players, 0) AS due_players
  FROM expected e FULL JOIN stored s USING (partner_id, contract_id, round_id)
  JOIN settled t USING (round_id)
)
SELECT p.operator_id, c.*, r.currency, k.version, 'round_earnings' AS failed, count(*) OVER () AS total
FROM compared c
JOIN rounds r ON r.id = c.round_id
JOIN partners p ON p.id = c.partner_id
JOIN partner_contracts k ON k.id = c.contract_id
WHERE (c.stored_real_bets, c.stored_real_payouts, c.stored_players)
   <> (c.due_real_bets, c.due_real_payouts, c.due_players)
  AND NOT EXISTS (
    SELECT FROM (
      SELECT DISTINCT s.decided_at FROM partner_game_earnings g JOIN partner_shown_earnings s ON s.id = g.id
      WHERE (g.round_id, g.partner_id, g.contract_id) = (c.round_id, c.partner_id, c.contract_id)
        AND s.state = 'rejected' AND g.settlement_version < c.last_version
    ) AS cut
    WHERE (c.due_real_bets, c.due_real_payouts, c.due_players) = (
      SELECT coalesce(sum(g.real_bets), 0), coalesce(sum(g.real_payouts), 0), coalesce(sum(s.players), 0)
      FROM partner_game_earnings g LEFT JOIN partner_shown_earnings s ON s.id = g.id
      WHERE (g.round_id, g.partner_id, g.contract_id) = (c.round_id, c.partner_id, c.contract_id)
        AND NOT (coalesce(s.state = 'rejected' AND s.decided_at <= cut.decided_at, false)
                 AND g.settlement_version < c.last_version))
  )
ORDER BY c.partner_id, c.round_id, k.version LIMIT :cap
""")

# Both ways: an account without rows, and rows without an account.
_ACCOUNTS = text("""
WITH compared AS (
  SELECT partner_id, currency, coalesce(a.total, 0) AS stored_total, coalesce(a.pending, 0) AS stored_pending,
         coalesce(a.approved, 0) AS stored_approved, coalesce(a.reserved, 0) AS stored_reserved,
         coalesce(a.paid, 0) AS stored_paid, coalesce(e.total, 0) AS due_total,
         coalesce(e.pending, 0) AS due_pending, coalesce(s.approved, 0) AS due_approved,
         coalesce(o.reserved, 0) AS due_reserved, coalesce(o.paid, 0) AS due_paid
  FROM partner_accounts a
  FULL JOIN (
    SELECT partner_id, currency, sum(earned) FILTER (WHERE state <> 'rejected') AS total,
           sum(earned) FILTER (WHERE state = 'pending') AS pending
    FROM partner_shown_earnings GROUP BY partner_id, currency
  ) AS e USING (partner_id, currency)
  FULL JOIN (
    SELECT partner_id, currency, sum(payable) AS approved FROM partner_statements
    WHERE state IN ('payable', 'paid') GROUP BY partner_id, currency
  ) AS s USING (partner_id, currency)
  FULL JOIN (
    SELECT partner_id, currency, sum(amount) FILTER (WHERE state IN ('requested', 'approved')) AS reserved,
           sum(amount) FILTER (WHERE state = 'paid') AS paid
    FROM partner_payouts GROUP BY partner_id, currency
  ) AS o USING (partner_id, currency)
)
SELECT p.operator_id, c.*, 'partner_account' AS failed, count(*) OVER () AS total
FROM compared c JOIN partners p ON p.id = c.partner_id
WHERE (c.stored_total, c.stored_pending, c.stored_approved, c.stored_reserved, c.stored_paid)
   <> (c.due_total, c.due_pending, c.due_approved, c.due_reserved, c.due_paid)
ORDER BY c.partner_id, c.currency LIMIT :cap
""")

# A round is counted with its first settlement; what was rejected, by the number of its rounds alone.
_PERIODS = text("""
WITH of_day AS (
  SELECT s.partner_id, s.currency, s.day, s.game_id,
         count(DISTINCT s.round_id) FILTER (WHERE s.settlement_version = 1) AS rounds,
         coalesce(sum(s.bets) FILTER (WHERE s.state <> 'rejected'), 0) AS bets,
         coalesce(sum(s.payouts) FILTER (WHERE s.state <> 'rejected'), 0) AS payouts,
         coalesce(sum(s.earned) FILTER (WHERE s.state <> 'rejected'), 0) AS earned,
         bool_and(k.disclosure = 'terms') AS is_named
  FROM partner_shown_earnings s
  JOIN partner_game_earnings g ON g.id = s.id
  JOIN partner_contracts k ON k.id = g.contract_id
  GROUP BY s.partner_id, s.currency, s.day, s.game_id
), due AS (
  SELECT d.partner_id, d.currency, p.kind, p.starts, p.game_id, sum(rounds) AS rounds, sum(bets) AS bets,
         sum(payouts) AS payouts, sum(earned) AS earned, bool_and(is_named) AS is_named
  FROM of_day d
  CROSS JOIN LATERAL (VALUES
    ('day', d.day, 0), ('month', date_trunc('month', d.day)::date, 0),
    ('game', date_trunc('month', d.day)::date, d.game_id)
  ) AS p(kind, starts, game_id)
  GROUP BY d.partner_id, d.currency, p.kind, p.starts, p.game_id
), seen AS (
  SELECT partner_id, currency, kind, starts, game_id, count(*) AS players
  FROM partner_period_players GROUP BY partner_id, currency, kind, starts, game_id
), compared AS (
  SELECT partner_id, currency, kind, starts, game_id,
         coalesce(s.rounds, 0) AS stored_rounds, coalesce(s.players, 0) AS stored_players,
         coalesce(s.bets, 0) AS stored_bets, coalesce(s.payouts, 0) AS stored_payouts,
         coalesce(s.earned, 0) AS stored_earned, coalesce(d.rounds, 0) AS due_rounds,
         coalesce(e.players, 0) AS due_players, coalesce(d.bets, 0) AS due_bets,
         coalesce(d.payouts, 0) AS due_payouts, coalesce(d.earned, 0) AS due_earned,
         s.is_named IS DISTINCT FROM d.is_named AS names_differ
  FROM partner_shown_periods s
  FULL JOIN due d USING (partner_id, currency, kind, starts, game_id)
  FULL JOIN seen e USING (partner_id, currency, kind, starts, game_id)
)
SELECT p.operator_id, c.*, 'shown_period' AS failed, count(*) OVER () AS total
FROM compared c JOIN partners p ON p.id = c.partner_id
WHERE (c.stored_rounds, c.stored_players, c.stored_bets, c.stored_payouts, c.stored_earned, c.names_differ)
   <> (c.due_rounds, c.due_players, c.due_bets, c.due_payouts, c.due_earned, false)
ORDER BY c.partner_id, c.currency, c.kind, c.starts, c.game_id LIMIT :cap
""")

# The line of each contract is what the statement's earnings come to; both ways. A declined one let them go.
_LINES = text("""
WITH held AS (
  SELECT s.statement_id, k.version AS contract_version, k.loss_policy, count(*) AS rows, sum(s.bets) AS bets,
         sum(s.payouts) AS payouts, sum(s.earned) AS earned,
         coalesce(sum(s.earned) FILTER (WHERE s.settlement_version > 1), 0) AS corrected
  FROM partner_shown_earnings s
  JOIN partner_game_earnings g ON g.id = s.id
  JOIN partner_contracts k ON k.id = g.contract_id
  JOIN partner_statements t ON t.id = s.statement_id
  WHERE s.day < t.month + interval '1 month' AND t.state <> 'declined'
  GROUP BY s.statement_id, k.version, k.loss_policy
), stated AS (
  SELECT l.* FROM partner_statement_lines l JOIN partner_statements t ON t.id = l.statement_id
  WHERE t.state <> 'declined'
), compared AS (
  SELECT statement_id, contract_version AS version,
         coalesce(l.rows, 0) AS stored_rows, coalesce(l.bets, 0) AS stored_bets,
         coalesce(l.payouts, 0) AS stored_payouts, coalesce(l.earned, 0) AS stored_earned,
         coalesce(l.corrected, 0) AS stored_corrected, coalesce(l.written_off, 0) AS stored_written_off,
         coalesce(h.rows, 0) AS due_rows, coalesce(h.bets, 0) AS due_bets,
         coalesce(h.payouts, 0) AS due_payouts, coalesce(h.earned, 0) AS due_earned,
         coalesce(h.corrected, 0) AS due_corrected,
         CASE WHEN h.loss_policy = 'period' THEN greatest(-h.earned, 0) ELSE 0 END AS due_written_off,
         l.loss_policy IS DISTINCT FROM h.loss_policy AS policies_differ
  FROM stated l FULL JOIN held h USING (statement_id, contract_version)
)
SELECT t.operator_id, t.partner_id, t.currency, t.month, c.*, 'statement_line' AS failed,
       count(*) OVER () AS total
FROM compared c JOIN partner_statements t ON t.id = c.statement_id
WHERE (c.stored_rows, c.stored_bets, c.stored_payouts, c.stored_earned, c.stored_corrected,
       c.stored_written_off, c.policies_differ)
   <> (c.due_rows, c.due_bets, c.due_payouts, c.due_earned, c.due_corrected, c.due_written_off, false)
ORDER BY c.statement_id, c.version LIMIT :cap
""")

# Its lines, what the one before it carried over, the minimum of the contract; the rule makes the rest.
_STATEMENTS = text(f"""
WITH ordered AS (
  SELECT id, lag(carried, 1, 0::bigint) OVER (PARTITION BY partner_id, currency ORDER BY month) AS opening
  FROM partner_statements WHERE state <> 'declined'
), closed AS (
  SELECT t.*, l.*, coalesce(o.opening, t.opening) AS due_opening,
         coalesce(o.opening, t.opening) + l.due_earned + l.due_written_off AS due_closing,
         coalesce(m.amount, {_default_minimum("t.currency")}) AS due_minimum,
         o.id IS NOT NULL AND a.closed_through IS DISTINCT FROM greatest(a.closed_through, t.month)
           AS is_open
  FROM partner_statements t
  LEFT JOIN ordered o ON o.id = t.id
  LEFT JOIN partner_accounts a ON (a.partner_id, a.currency) = (t.partner_id, t.currency)
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(rows), 0) AS due_rows, coalesce(sum(bets), 0) AS due_bets,
           coalesce(sum(payouts), 0) AS due_payouts, coalesce(sum(earned), 0) AS due_earned,
           coalesce(sum(written_off), 0) AS due_written_off
    FROM partner_statement_lines WHERE statement_id = t.id
  ) AS l
  LEFT JOIN LATERAL (
    SELECT k.id FROM partner_contracts k
    WHERE k.partner_id = t.partner_id AND k.valid_from < t.month + interval '1 month'
    ORDER BY k.version DESC LIMIT 1
  ) AS k ON true
  LEFT JOIN partner_minimums m ON m.contract_id = k.id AND m.currency = t.currency
), compared AS (
  SELECT operator_id, partner_id, currency, month, id AS statement_id, rows AS stored_rows,
         bets AS stored_bets, payouts AS stored_payouts, opening AS stored_opening, earned AS stored_earned,
         written_off AS stored_written_off, minimum AS stored_minimum, payable AS stored_payable,
         carried AS stored_carried, due_rows, due_bets, due_payouts, due_opening, due_earned,
         due_written_off, due_minimum, p.due_payable, due_closing - p.due_payable AS due_carried, is_open
  FROM closed
  CROSS JOIN LATERAL (
    SELECT CASE WHEN due_closing > 0 AND due_closing >= due_minimum THEN due_closing ELSE 0 END AS due_payable
  ) AS p
)
SELECT c.*, 'statement' AS failed, count(*) OVER () AS total
FROM compared c
WHERE (stored_rows, stored_bets, stored_payouts, stored_opening, stored_earned, stored_written_off,
       stored_minimum, stored_payable, stored_carried, is_open)
   <> (due_rows, due_bets, due_payouts, due_opening, due_earned, due_written_off, due_minimum, due_payable,
       due_carried, false)
ORDER BY statement_id LIMIT :cap
""")

# What was paid covers statements to the end, the oldest first; with them what had been rolled over.
_PAID = text("""
WITH owed AS (
  SELECT t.*, sum(payable) FILTER (WHERE state IN ('payable', 'paid'))
                OVER (PARTITION BY partner_id, currency ORDER BY month) AS through
  FROM partner_statements t WHERE state <> 'declined'
), covered AS (
  SELECT o.*, o.state IN ('payable', 'paid') AND o.through <= coalesce(p.amount, 0) AS due_paid
  FROM owed o
  LEFT JOIN (
    SELECT partner_id, currency, sum(amount) AS amount FROM partner_payouts WHERE state = 'paid'
    GROUP BY partner_id, currency
  ) AS p USING (partner_id, currency)
), held AS (
  SELECT statement_id, count(*) AS rows, count(*) FILTER (WHERE state = 'paid') AS paid_rows
  FROM partner_shown_earnings WHERE statement_id IS NOT NULL GROUP BY statement_id
), compared AS (
  SELECT c.operator_id, c.partner_id, c.currency, c.month, c.id AS statement_id,
         c.state = 'paid' AS is_paid, c.due_paid, coalesce(h.paid_rows, 0) AS paid_rows,
         CASE WHEN (c.due_paid OR c.state = 'rolled_over') AND c.month <=
                   max(c.month) FILTER (WHERE c.due_paid) OVER (PARTITION BY c.partner_id, c.currency)
              THEN coalesce(h.rows, 0) ELSE 0 END AS due_rows
  FROM covered c LEFT JOIN held h ON h.statement_id = c.id
)
SELECT c.*, 'statement_paid' AS failed, count(*) OVER () AS total
FROM compared c
WHERE (is_paid, paid_rows) <> (due_paid, due_rows)
ORDER BY statement_id LIMIT :cap
""")

STATEMENTS = (_EARNINGS, _ROUND_EARNINGS, _ACCOUNTS, _PERIODS, _LINES, _STATEMENTS, _PAID)


def _figures(row: Row[Any], which: str) -> dict[str, int]:
    """What a row says of `stored` or `due`, by name."""
    prefix = f"{which}_"
    return {
        name.removeprefix(prefix): int(value)
        for name, value in row._mapping.items()
        if name.startswith(prefix)
    }


def _whose(row: Row[Any]) -> tuple[int, int, str]:
    return row.operator_id, row.partner_id, row.currency


class _Compared(TypedDict):
    stored: Figures
    due: Figures


def _compared(row: Row[Any]) -> _Compared:
    stored, due = _figures(row, "stored"), _figures(row, "due")
    return {"stored": stored, "due": due}


WORDS: Mapping[Check, Callable[[Row[Any]], Finding]] = {
    Check.EARNING: lambda row: partner_wording.earning(*_whose(row), row.id, row.round_id),
    Check.ROUND_EARNINGS: lambda row: partner_wording.round_earnings(
        *_whose(row), round_id=row.round_id, version=row.version, **_compared(row)
    ),
    Check.PARTNER_ACCOUNT: lambda row: partner_wording.account(*_whose(row), **_compared(row)),
    Check.SHOWN_PERIOD: lambda row: partner_wording.period(
        *_whose(row), starts=row.starts, kind=row.kind, game_id=row.game_id, **_compared(row)
    ),
    Check.STATEMENT_LINE: lambda row: partner_wording.statement_line(
        *_whose(row),
        statement_id=row.statement_id,
        month=row.month,
        version=row.version,
        **_compared(row),
    ),
    Check.STATEMENT: lambda row: partner_wording.statement(
        *_whose(row), statement_id=row.statement_id, month=row.month, **_compared(row)
    ),
    Check.STATEMENT_PAID: lambda row: partner_wording.statement_paid(
        *_whose(row),
        statement_id=row.statement_id,
        month=row.month,
        is_paid=row.is_paid,
        paid_rows=row.paid_rows,
        due_rows=row.due_rows,
    ),
}
