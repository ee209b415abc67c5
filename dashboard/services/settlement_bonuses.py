"""What a settlement does to grants: what comes back to them, what it counts, and which it completes.

A grant gets back what its share of a stake has won as long as it is active. One that was completed
meanwhile turns it into real money, up to the most that it may win; what any other was due is credited and
forfeited at once, by an entry of its own.
"""

from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.models.wallet import ChangeType
from dashboard.services import balances, bonuses
from dashboard.services.rule_sets import MARKETS

if TYPE_CHECKING:
    from dashboard.services.settlement_money import Settling

LATE = """late AS (
  SELECT player_id, bonus_id, share, to_real, share - to_real AS forfeited
  FROM (
    SELECT s.player_id, s.bonus_id, g.state, sum(s.returned) AS share,
           CASE g.state WHEN 'completed'
             THEN least(sum(s.returned), coalesce(g.max_win - g.converted, sum(s.returned)))
             ELSE 0 END AS to_real
    FROM bets b
    JOIN bonus_stakes s ON s.player_id = b.player_id AND s.bet_id = b.id
    JOIN bonuses g ON g.player_id = s.player_id AND g.id = s.bonus_id
    WHERE b.round_id = :r AND b.version = :v AND b.bonus_part > 0 AND g.state <> 'active'
    GROUP BY s.player_id, s.bonus_id, g.state, g.max_win, g.converted
  ) AS ended
  WHERE share > 0
)"""
"""By player and grant that is no longer active: what it was due, and what of it becomes real money."""

# Of the grants' part of a payout each gets its share, rounded down, and the oldest the remainder. What a
# player has staked on every outcome of a market at once cannot lose, and does not count: of opposite bets
# only the difference. A bet that is void counts nothing.
_SHARE = text("""
WITH stake AS (
  SELECT s.player_id, s.bet_id, s.bonus_id, s.amount, b.payout_bonus, b.bonus_part, b.amount AS bet_amount,
         b.selection, b.state, g.state AS grant_state,
         div(b.payout_bonus::numeric * s.amount, b.bonus_part)::bigint AS part,
         coalesce(t.contribution_percent, a.contribution_percent, 100) AS percent
  FROM bets b
  JOIN bonus_stakes s ON s.player_id = b.player_id AND s.bet_id = b.id
  JOIN bonuses g ON g.player_id = s.player_id AND g.id = s.bonus_id
  LEFT JOIN bonus_terms t ON t.player_id = s.player_id AND t.bonus_id = s.bonus_id
    AND t.game_id = :game AND t.selection = b.selection
  LEFT JOIN bonus_terms a ON a.player_id = s.player_id AND a.bonus_id = s.bonus_id
    AND a.game_id = :game AND a.selection = ''
  WHERE b.round_id = :r AND b.version = :v AND b.bonus_part > 0
), market AS (
  SELECT * FROM unnest(CAST(:markets AS text[]), CAST(:selections AS text[]), CAST(:sizes AS bigint[]))
    AS m(market, selection, size)
), staked AS (
  SELECT b.player_id, m.market, m.size, b.selection, sum(b.amount) AS amount
  FROM bets b JOIN market m ON m.selection = b.selection
  WHERE b.round_id = :r AND b.version = :v AND b.state <> 'void'
    AND b.player_id IN (SELECT player_id FROM stake)
  GROUP BY b.player_id, m.market, m.size, b.selection
), hedged AS (
  SELECT player_id, market, CASE WHEN count(*) = size THEN min(amount) ELSE 0 END AS amount
  FROM staked GROUP BY player_id, market, size
), counting AS (
  SELECT k.player_id, k.selection, k.amount AS staked, k.amount - h.amount AS net
  FROM staked k JOIN hedged h ON h.player_id = k.player_id AND h.market = k.market
), shared AS (
  SELECT s.player_id, s.bet_id, s.bonus_id, s.grant_state = 'active' AS is_active,
         s.part + CASE WHEN row_number() OVER bet = 1
                       THEN s.payout_bonus - sum(s.part) OVER (PARTITION BY s.player_id, s.bet_id) ELSE 0 END
           AS returned,
         CASE WHEN s.state = 'void' OR s.grant_state <> 'active' THEN 0
              ELSE div((CASE WHEN :whole THEN div(s.bet_amount::numeric * s.amount, s.bonus_part)
                             ELSE s.amount END) * s.percent * c.net, 100 * c.staked) END AS counted
  FROM stake s
  LEFT JOIN counting c ON c.player_id = s.player_id AND c.selection = s.selection
  WINDOW bet AS (PARTITION BY s.player_id, s.bet_id ORDER BY s.bonus_id)
)
UPDATE bonus_stakes s SET returned = d.returned::bigint, counted = d.counted::bigint,
       credited = CASE WHEN d.is_active THEN d.returned ELSE 0 END::bigint
FROM shared d WHERE s.player_id = d.player_id AND s.bet_id = d.bet_id AND s.bonus_id = d.bonus_id
""")
_COUNTS = text("SELECT wagering_counts FROM operators WHERE id = :operator")
_FORFEITS = f"""
WITH {LATE}
SELECT l.player_id, :c AS currency, :type AS change_type, 'promotions' AS contra_account,
       0 AS real_delta, -sum(l.forfeited) AS bonus_delta, :reason AS reason, :who AS performed_by,
       p.agent_id, NULL AS reference, :key AS idempotency_key, :fingerprint AS fingerprint, NULL AS reverses,
       format('{{"round":%s,"version":%s}}', CAST(:r AS bigint), CAST(:v AS bigint)) AS metadata,
       NULL AS risk_score, :now AS created_at, :type AS counts_as, :hour AS hour
FROM late l JOIN players p ON p.id = l.player_id
GROUP BY l.player_id, p.agent_id HAVING sum(l.forfeited) > 0
"""
_KEEP = text(f"""
WITH {LATE}, back AS (
  SELECT s.player_id, s.bonus_id, sum(s.returned) AS share, sum(s.counted) AS counted
  FROM bets b JOIN bonus_stakes s ON s.player_id = b.player_id AND s.bet_id = b.id
  WHERE b.round_id = :r AND b.version = :v AND b.bonus_part > 0
  GROUP BY s.player_id, s.bonus_id
)
UPDATE bonuses g SET
  remaining = g.remaining + CASE g.state WHEN 'active' THEN d.share ELSE 0 END,
  wagered = g.wagered + d.counted,
  converted = g.converted + coalesce(l.to_real, 0),
  forfeited = g.forfeited + coalesce(l.forfeited, 0)
FROM back d LEFT JOIN late l ON l.player_id = d.player_id AND l.bonus_id = d.bonus_id
WHERE g.player_id = d.player_id AND g.id = d.bonus_id
""")
# At most one of each player at a time: a balance gets one entry a statement.
_COMPLETING = """completing AS (
  SELECT DISTINCT ON (g.player_id) g.player_id, g.id, g.remaining, g.name,
         least(g.remaining, g.max_win) AS converted
  FROM bonuses g
  WHERE g.state = 'active' AND g.currency = :c AND g.wagered >= g.required
    AND EXISTS (
      SELECT FROM bonus_stakes s JOIN bets b ON b.player_id = s.player_id AND b.id = s.bet_id
      WHERE s.player_id = g.player_id AND s.bonus_id = g.id AND b.round_id = :r AND b.version = :v)
    AND g.player_id IN (SELECT player_id FROM bets WHERE round_id = :r AND bonus_part > 0)
  ORDER BY g.player_id, g.id
)"""
_CONVERSIONS = f"""
WITH {_COMPLETING}
SELECT g.player_id, :c AS currency, :type AS change_type, 'promotions' AS contra_account,
       g.converted AS real_delta, -g.remaining AS bonus_delta, :reason AS reason, :who AS performed_by,
       p.agent_id, NULL AS reference,
       format('bonus:%s:conversion:%s:%s', g.id, CAST(:r AS bigint), CAST(:v AS bigint)) AS idempotency_key,
       :fingerprint AS fingerprint, NULL AS reverses,
       format('{{"bonus":%s,"round":%s,"version":%s}}', g.id, CAST(:r AS bigint), CAST(:v AS bigint))
         AS metadata,
       NULL AS risk_score, :now AS created_at, :type AS counts_as, :hour AS hour
FROM completing g JOIN players p ON p.id = g.player_id
WHERE g.remaining > 0
"""
_COMPLETE = text(f"""
WITH {_COMPLETING}
UPDATE bonuses g SET
  state = 'completed', remaining = 0, ended_at = :now, ended_by = :who, end_reason = 'Wagering completed',
  converted = d.converted, forfeited = g.forfeited + g.remaining - d.converted,
  completed_round_id = :r, completed_version = :v
FROM completing d WHERE g.player_id = d.player_id AND g.id = d.id
RETURNING g.player_id
""")


def share(session: Session, settling: "Settling") -> None:
    """Write on each grant's part of each stake what it was due of the payout, and what it counts."""
    whole = session.execute(_COUNTS, {"operator": settling.operator_id}).scalar_one() == "whole"
    of_market = [(name, selection, len(every)) for name, every in MARKETS.items() for selection in every]
    session.execute(
        _SHARE,
        {
            "r": settling.round_id,
            "v": settling.version,
            "game": settling.game_id,
            "whole": whole,
            "markets": [market for market, _selection, _size in of_market],
            "selections": [selection for _market, selection, _size in of_market],
            "sizes": [size for _market, _selection, size in of_market],
        },
    )


def keep(session: Session, settling: "Settling") -> None:
    """Once the players' entries stand: put into the grants what is theirs, and complete what is due."""
    late = settling.parameters(
        ChangeType.BONUS_FORFEIT, f"{settling.title}: the bonus had ended", f"{settling.key}:late"
    )
    balances.post_selected(session, _FORFEITS, late, change_type=ChangeType.BONUS_FORFEIT)
    scope = {"r": settling.round_id, "v": settling.version, "c": settling.currency}
    session.execute(_KEEP, scope)
    completed: set[int] = set()
    while True:
        said = f"{settling.title}: wagering completed"
        converting = settling.parameters(ChangeType.BONUS_CONVERSION, said)
        balances.post_selected(session, _CONVERSIONS, converting, change_type=ChangeType.BONUS_CONVERSION)
        done = session.scalars(_COMPLETE, {**scope, "now": settling.now, "who": converting["who"]}).all()
        if not done:
            break
        completed.update(done)
    if completed:
        keys = [(player_id, settling.currency) for player_id in sorted(completed)]
        bonuses.activate_queued(session, keys, now=settling.now)
