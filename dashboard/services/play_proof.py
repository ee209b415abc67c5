"""The proof of bets, rounds and bonuses: each check one statement over everything that returns what differs.

Part of `verification`. `play_replay` proves the same without this SQL.
"""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Row, text

from dashboard.services import play_wording
from dashboard.services.findings import Check, Finding

# What grants hold is the bonus of their balance; both ways round.
_BONUS = text("""
SELECT b.operator_id, player_id, currency, coalesce(b.bonus, 0) AS bonus, coalesce(g.remaining, 0) AS due,
       'bonus' AS failed, count(*) OVER () AS total
FROM balances b
FULL JOIN (
  SELECT player_id, currency, sum(remaining) AS remaining FROM bonuses GROUP BY player_id, currency
) AS g USING (player_id, currency)
WHERE coalesce(b.bonus, 0) <> coalesce(g.remaining, 0)
ORDER BY player_id, currency LIMIT :cap
""")
# Its entry took the stake, its grants paid their part and were due theirs, and it paid what its odds say.
_BETS = text("""
SELECT b.operator_id, b.player_id, b.currency, b.id, b.wager_sequence AS sequence, 'bet' AS failed,
       count(*) OVER () AS total
FROM bets b
LEFT JOIN wallet_entries e
  ON e.player_id = b.player_id AND e.currency = b.currency AND e.sequence = b.wager_sequence
LEFT JOIN (
  SELECT player_id, bet_id, sum(amount) AS amount, sum(returned) AS returned
  FROM bonus_stakes GROUP BY player_id, bet_id
) AS s ON s.player_id = b.player_id AND s.bet_id = b.id
CROSS JOIN LATERAL (
  SELECT b.amount::numeric * b.pays_numerator AS product,
         div(b.amount::numeric * b.pays_numerator, b.pays_denominator) AS whole
) AS t
WHERE ('wager', -b.real_part, -b.bonus_part) IS DISTINCT FROM (e.change_type, e.real_delta, e.bonus_delta)
   OR (b.bonus_part, b.payout_bonus) IS DISTINCT FROM (coalesce(s.amount, 0), coalesce(s.returned, 0))
   OR b.state = 'won' AND b.payout <> b.amount + t.whole + CASE
        WHEN 2 * (t.product - t.whole * b.pays_denominator) > b.pays_denominator
          OR 2 * (t.product - t.whole * b.pays_denominator) = b.pays_denominator AND mod(t.whole, 2) = 1
        THEN 1 ELSE 0 END
ORDER BY b.player_id, b.id LIMIT :cap
""")
# A player's bets of a round were paid by the one entry that they name.
_PAYOUTS = text("""
SELECT p.operator_id, p.player_id, p.currency, p.round_id, p.version, p.paid, e.sequence, 'payout' AS failed,
       coalesce(e.real_delta + e.bonus_delta, 0) AS posted, count(*) OVER () AS total
FROM (
  SELECT operator_id, player_id, currency, round_id, version, sum(payout) AS paid,
         min(settlement_sequence) AS first, max(settlement_sequence) AS last
  FROM bets WHERE version > 0 GROUP BY operator_id, player_id, currency, round_id, version
) AS p
LEFT JOIN wallet_entries e
  ON e.player_id = p.player_id AND e.idempotency_key = format('settle:%s:%s', p.round_id, p.version)
WHERE p.paid <> coalesce(e.real_delta + e.bonus_delta, 0)
   OR (p.first, p.last) IS DISTINCT FROM (e.sequence, e.sequence)
ORDER BY p.player_id, p.currency, p.round_id LIMIT :cap
""")
# An ended round has no open bet, each was decided by its last settlement, and the totals are theirs.
_ROUNDS = text("""
SELECT r.operator_id, r.currency, r.game_id, r.number, 'round' AS failed, count(*) OVER () AS total
FROM rounds r
LEFT JOIN (
  SELECT round_id, count(*) AS bets, sum(amount) AS staked, sum(payout) AS paid,
         min(version) AS first, max(version) AS last
  FROM bets GROUP BY round_id
) AS b ON b.round_id = r.id
WHERE r.version > 0
  AND NOT EXISTS (SELECT FROM round_settlements m WHERE m.round_id = r.id AND m.done_at IS NULL)
  AND ((r.bets, r.staked, r.paid)
         IS DISTINCT FROM (coalesce(b.bets, 0), coalesce(b.staked, 0), coalesce(b.paid, 0))
       OR b.first <> r.version OR b.last <> r.version)
ORDER BY r.id LIMIT :cap
""")
# What a second person approved is what was settled, by the same two; both ways round.
_AMENDMENTS = text("""
SELECT r.operator_id, r.currency, r.game_id, r.number, amended AS version, 'amendment' AS failed,
       count(*) OVER () AS total
FROM (SELECT m.*, m.version AS amended FROM round_settlements m WHERE m.approved_by IS NOT NULL) AS m
FULL JOIN (
  SELECT q.*, q.version + 1 AS amended FROM round_requests q WHERE q.state = 'approved'
) AS q USING (round_id, amended)
JOIN rounds r ON r.id = round_id
WHERE (m.made_by, m.approved_by, m.reason, m.winner IS NULL)
        IS DISTINCT FROM ('staff:' || q.requested_by, 'staff:' || q.decided_by, q.reason, q.kind = 'void')
   OR q.kind = 'correction' AND (m.joker, m.cards) IS DISTINCT FROM (q.joker, q.cards)
ORDER BY round_id, amended LIMIT :cap
""")

STATEMENTS = (_BONUS, _BETS, _PAYOUTS, _ROUNDS, _AMENDMENTS)

WORDS: Mapping[Check, Callable[[Row[Any]], Finding]] = {
    Check.BONUS: lambda row: play_wording.bonus(row.player_id, row.currency, int(row.bonus), int(row.due)),
    Check.BET: lambda row: play_wording.bet(row.player_id, row.currency, row.id, row.sequence),
    Check.PAYOUT: lambda row: play_wording.payout(
        row.player_id, row.currency, row.round_id, int(row.paid), int(row.posted)
    ),
    Check.ROUND: lambda row: play_wording.round_totals(row.operator_id, row.game_id, row.number),
    Check.AMENDMENT: lambda row: play_wording.amendment(
        row.operator_id, row.game_id, row.number, row.version
    ),
}
