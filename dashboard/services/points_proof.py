"""The proof of members' points: journals, wallets, batches, sums, tiers, conversions and requests.

Each check is one statement over everything that returns what differs, as in `verification`. What entries
took and gave back is proved in `points_moves_proof`.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text

from dashboard.services import (
    chain,
    loyalty_sums,
    points_journal,
    points_moves_proof,
    points_wording,
    wording,
)
from dashboard.services.findings import Check, Finding, Words
from dashboard.services.points_moves_proof import DAY, OF_ENTRY, even
from dashboard.services.points_wording import POINTS, Figures

_GENESIS = rf"'\x{chain.GENESIS.hex()}'::bytea"
_HASH = chain.sql(
    {name: f"e.{name}" for name, _ in chain.POINTS_FIELDS}, before="e.hash_before", form=chain.POINTS_FORMAT
)
WALK = text(f"""
WITH walked AS (
  SELECT *, lag(sequence, 1, 0::bigint) OVER journal AS sequence_before,
         lag(hash, 1, {_GENESIS}) OVER journal AS hash_before,
         lag(balance_after, 1, 0::bigint) OVER journal AS left_points
  FROM loyalty_entries
  WHERE player_id BETWEEN :first AND :last
  WINDOW journal AS (PARTITION BY player_id ORDER BY sequence)
), differing AS (
  SELECT e.operator_id, e.player_id, e.sequence, e.sequence_before, e.balance_before, e.left_points,
         e.hash <> {_HASH} AS differs
  FROM walked e
  WHERE e.sequence <> e.sequence_before + 1 OR e.balance_before <> e.left_points OR e.hash <> {_HASH}
), told AS (
  SELECT d.*, c.failed, count(*) OVER (PARTITION BY c.failed) AS total,
         row_number() OVER (PARTITION BY c.failed ORDER BY player_id, sequence) AS nth
  FROM differing d
  CROSS JOIN LATERAL (VALUES
    ('sequence', d.sequence <> d.sequence_before + 1),
    ('hash', d.differs),
    ('continuity', d.balance_before <> d.left_points)
  ) AS c(failed, holds)
  WHERE c.holds
)
SELECT * FROM told WHERE nth <= :cap
""")
"""The journals of a range of players, both ends inclusive: each entry beside the one before it."""

COUNT = text("""
SELECT (SELECT count(*) FROM loyalty_entries) AS entries, (SELECT count(*) FROM loyalty_wallets) AS wallets
""")

_OF_WALLET = ("balance", "version", "head")
_SUMS = (
    *("balance", "loaded", "redeemed", "expired", "reversed", "owed", "batches", "refunded", "amount_paid"),
)

# Both ways round: a wallet whose journal is gone, and a journal whose wallet is gone.
_WALLETS = text(f"""
WITH counted AS (
  SELECT player_id, count(*) AS entries,
         coalesce(sum(points) FILTER (WHERE kind = 'refund_service'), 0) AS refunded,
         coalesce(sum(payment_amount) FILTER (WHERE kind = 'load'), 0)
         - coalesce(sum(payment_amount) FILTER (WHERE kind = 'reversal'), 0) AS amount_paid
  FROM loyalty_entries GROUP BY player_id
), held AS (
  SELECT player_id, sum(remaining) AS balance, sum(loaded) AS loaded, sum(redeemed) AS redeemed,
         sum(expired) AS expired, sum(reversed) AS reversed, sum(owed) AS owed,
         greatest(count(*), max(number)) AS batches
  FROM points_batches GROUP BY player_id
), compared AS (
  SELECT player_id, w.operator_id, o.currency, coalesce(c.entries, 0) AS entries,
         {", ".join(f"w.{name} AS stored_{name}" for name in (*_SUMS, "version", "head"))},
         coalesce(l.balance_after, 0) AS left_balance, coalesce(c.entries, 0) AS left_version,
         coalesce(l.hash, {_GENESIS}) AS left_head,
         {", ".join(f"coalesce(h.{name}, 0) AS due_{name}" for name in _SUMS[:7])},
         {", ".join(f"coalesce(c.{name}, 0) AS due_{name}" for name in _SUMS[7:])}
  FROM loyalty_wallets w
  LEFT JOIN operators o ON o.id = w.operator_id
  FULL JOIN counted c USING (player_id)
  LEFT JOIN held h USING (player_id)
  LEFT JOIN LATERAL (
    SELECT e.balance_after, e.hash FROM loyalty_entries e
    WHERE e.player_id = w.player_id ORDER BY e.sequence DESC LIMIT 1) AS l ON true
), told AS (
  SELECT d.*, c.failed, count(*) OVER (PARTITION BY c.failed) AS total,
         row_number() OVER (PARTITION BY c.failed ORDER BY player_id) AS nth
  FROM compared d
  CROSS JOIN LATERAL (VALUES
    ('balance', ({", ".join(f"stored_{name}" for name in _OF_WALLET)})
       IS DISTINCT FROM ({", ".join(f"left_{name}" for name in _OF_WALLET)})),
    ('lifetime', operator_id IS NOT NULL AND ({", ".join(f"stored_{name}" for name in _SUMS)})
       IS DISTINCT FROM ({", ".join(f"due_{name}" for name in _SUMS)}))
  ) AS c(failed, holds)
  WHERE c.holds
)
SELECT * FROM told WHERE nth <= :cap
""")

_OF_BATCH = (
    *("base_loaded", "bonus_loaded", "remaining", "redeemed", "expired", "reversed", "amount_paid"),
    *("amount_refunded", "owed", "expires_on"),
)

# Not under the hash themselves: all of a batch follows from entries that are, and from what they took.
_BATCHES = text(f"""
WITH moved AS (
  SELECT a.player_id, a.number, sum(a.points) AS used,
         coalesce(sum(a.points) FILTER (WHERE e.kind IN ('redeem', 'convert', 'refund_service')), 0)
           AS redeemed,
         coalesce(sum(a.points) FILTER (WHERE e.kind = 'expire'), 0)
         + coalesce(sum(a.bonus_points) FILTER (WHERE e.kind = 'refund_wallet'), 0) AS expired,
         coalesce(sum(a.points) FILTER (WHERE e.kind IN ('reversal', 'adjustment')), 0)
         + coalesce(sum(a.base_points) FILTER (WHERE e.kind = 'refund_wallet'), 0) AS reversed,
         max(a.prolonged_to) AS prolonged_to
  FROM points_allocations a
  JOIN loyalty_entries e ON e.player_id = a.player_id AND e.sequence = a.sequence
  GROUP BY a.player_id, a.number
), graced AS (
  SELECT player_id, origin AS number, sum(loaded) AS points FROM points_batches
  WHERE origin IS NOT NULL GROUP BY player_id, origin
), taken_back AS (
  SELECT player_id, reverses AS sequence, -sum(points) AS points, coalesce(sum(payment_amount), 0) AS amount
  FROM loyalty_entries WHERE kind = 'reversal' GROUP BY player_id, reverses
), compared AS (
  SELECT b.operator_id, b.player_id, b.number, o.currency,
         {", ".join(f"b.{name} AS stored_{name}" for name in _OF_BATCH)},
         CASE WHEN b.origin IS NULL THEN e.base_points ELSE b.base_loaded END AS due_base_loaded,
         CASE WHEN b.origin IS NULL THEN e.bonus_points ELSE b.bonus_loaded END AS due_bonus_loaded,
         b.loaded - coalesce(m.used, 0) AS due_remaining,
         coalesce(m.redeemed, 0) - coalesce(g.points, 0) AS due_redeemed,
         coalesce(m.expired, 0) AS due_expired,
         coalesce(m.reversed, 0) + coalesce(g.points, 0) AS due_reversed,
         p.amount_paid AS due_amount_paid, p.amount_refunded AS due_amount_refunded,
         CASE WHEN p.amount_paid > 0
              THEN {even("(b.loaded::numeric * p.amount_refunded)", "p.amount_paid")} - coalesce(t.points, 0)
              ELSE 0 END AS due_owed,
         greatest(e.expires_on, m.prolonged_to) AS due_expires_on,
         (e.kind IN ('load', 'adjustment') AND b.origin IS NULL
          OR e.kind = 'refund_service' AND b.origin IS NOT NULL)
         AND abs(b.loaded_on - {DAY}) <= 1 AS is_placed
  FROM points_batches b
  JOIN operators o ON o.id = b.operator_id
  JOIN loyalty_entries e ON e.player_id = b.player_id AND e.sequence = b.sequence
  LEFT JOIN moved m ON m.player_id = b.player_id AND m.number = b.number
  LEFT JOIN graced g ON g.player_id = b.player_id AND g.number = b.number
  LEFT JOIN taken_back t ON t.player_id = b.player_id AND t.sequence = b.sequence AND e.kind = 'load'
  CROSS JOIN LATERAL (
    SELECT CASE WHEN e.kind = 'load' THEN e.payment_amount ELSE 0 END AS amount_paid,
           coalesce(t.amount, 0) AS amount_refunded
  ) AS p
)
SELECT c.*, 'points_batch' AS failed, count(*) OVER () AS total
FROM compared c
WHERE ({", ".join(f"stored_{name}" for name in _OF_BATCH)}, is_placed)
   IS DISTINCT FROM ({", ".join(f"due_{name}" for name in _OF_BATCH)}, true)
ORDER BY player_id, number LIMIT :cap
""")

_OF_MONTH = ("loaded", "remaining", "redeemed", "expired", "reversed")

# Both ways: sums without batches, and batches without their sums.
_MONTHS = text(f"""
WITH due AS (
  SELECT operator_id, date_trunc('month', expires_on::timestamp)::date AS month,
         mod(player_id, {points_journal.SLOTS})::smallint AS slot,
         {", ".join(f"sum({name}) AS {name}" for name in _OF_MONTH)}
  FROM points_batches GROUP BY 1, 2, 3
), compared AS (
  SELECT operator_id, month, slot,
         {", ".join(f"coalesce(m.{name}, 0) AS stored_{name}" for name in _OF_MONTH)},
         {", ".join(f"coalesce(d.{name}, 0) AS due_{name}" for name in _OF_MONTH)}
  FROM loyalty_months m FULL JOIN due d USING (operator_id, month, slot)
)
SELECT c.*, 'points_month' AS failed, count(*) OVER () AS total
FROM compared c
WHERE ({", ".join(f"stored_{name}" for name in _OF_MONTH)})
   <> ({", ".join(f"due_{name}" for name in _OF_MONTH)})
ORDER BY operator_id, month, slot LIMIT :cap
""")

_OF_DAY = ("entries", "points", "amount")

# Each sum may stand in several rows.
_DAYS = text(f"""
WITH stored AS (
  SELECT operator_id, day, kind, {", ".join(f"sum({name}) AS {name}" for name in _OF_DAY)}
  FROM loyalty_days GROUP BY 1, 2, 3
), due AS (
  SELECT operator_id, {loyalty_sums.DAY_OF.format("created_at")} AS day, kind, count(*) AS entries,
         sum(points) AS points, coalesce(sum(payment_amount), 0) AS amount
  FROM loyalty_entries GROUP BY 1, 2, 3
), compared AS (
  SELECT operator_id, day, kind,
         {", ".join(f"coalesce(s.{name}, 0) AS stored_{name}" for name in _OF_DAY)},
         {", ".join(f"coalesce(d.{name}, 0) AS due_{name}" for name in _OF_DAY)}
  FROM stored s FULL JOIN due d USING (operator_id, day, kind)
)
SELECT c.*, o.currency, 'points_day' AS failed, count(*) OVER () AS total
FROM compared c LEFT JOIN operators o ON o.id = c.operator_id
WHERE ({", ".join(f"stored_{name}" for name in _OF_DAY)})
   <> ({", ".join(f"due_{name}" for name in _OF_DAY)})
ORDER BY operator_id, day, kind LIMIT :cap
""")

_TIER_MEMBERS = text("""
WITH stored AS (
  SELECT operator_id, tier_id, sum(members) AS members FROM tier_members GROUP BY 1, 2
), due AS (
  SELECT operator_id, coalesce(tier_id, 0) AS tier_id, count(*) AS members FROM loyalty_wallets GROUP BY 1, 2
), compared AS (
  SELECT operator_id, tier_id, coalesce(s.members, 0) AS stored, coalesce(d.members, 0) AS due
  FROM stored s FULL JOIN due d USING (operator_id, tier_id)
)
SELECT c.*, 'tier_members' AS failed, count(*) OVER () AS total
FROM compared c WHERE stored <> due
ORDER BY operator_id, tier_id LIMIT :cap
""")

_OF_TIER = ("tier_id", "discount_bp", "tier_valid_until")

_TIERS = text(f"""
WITH compared AS (
  SELECT w.operator_id, w.player_id, {", ".join(f"w.{name} AS stored_{name}" for name in _OF_TIER)},
         l.tier_id AS due_tier_id, coalesce(l.discount_bp, 0) AS due_discount_bp,
         l.expires_on AS due_tier_valid_until
  FROM loyalty_wallets w
  LEFT JOIN (
    SELECT DISTINCT ON (player_id) player_id, tier_id, discount_bp, expires_on
    FROM loyalty_entries WHERE kind = 'transfer_tier' ORDER BY player_id, sequence DESC
  ) AS l ON l.player_id = w.player_id
)
SELECT c.*, 'tier' AS failed, NULL::bigint AS sequence, count(*) OVER () AS total
FROM compared c
WHERE ({", ".join(f"stored_{name}" for name in _OF_TIER)})
   IS DISTINCT FROM ({", ".join(f"due_{name}" for name in _OF_TIER)})
ORDER BY player_id LIMIT :cap
""")

# Both ways: each change of tier stands in the history, and each line of that in the journal.
_TIER_STEPS = text("""
WITH steps AS (
  SELECT player_id, sequence, tier_id, expires_on, notes, created_at,
         lag(tier_id) OVER (PARTITION BY player_id ORDER BY sequence) AS previous_tier_id
  FROM loyalty_entries WHERE kind = 'transfer_tier'
)
SELECT player_id, sequence, 'tier' AS failed, count(*) OVER () AS total
FROM tier_history h FULL JOIN steps e USING (player_id, sequence)
WHERE h.id IS NULL OR e.created_at IS NULL
   OR (h.previous_tier_id, h.tier_id, h.valid_until, h.reason, h.changed_at)
      IS DISTINCT FROM (e.previous_tier_id, e.tier_id, e.expires_on, e.notes, e.created_at)
ORDER BY player_id, sequence LIMIT :cap
""")

# Each entry of a wallet that points became, or that took them back, names them in its metadata.
_LINKED = """
linked AS (
  SELECT operator_id, player_id, currency, sequence, change_type, real_delta, bonus_delta, reverses,
         metadata::jsonb ->> 'points' AS points, metadata::jsonb ->> 'points_sequence' AS points_sequence
  FROM wallet_entries
  WHERE change_type IN ('points_conversion', 'reversal') AND metadata LIKE '%"points_sequence"%'
)"""

_CONVERSIONS = text(f"""
WITH {_LINKED.strip()}
SELECT e.operator_id, e.player_id, e.sequence, NULL AS currency, 'conversion' AS failed,
       count(*) OVER () AS total
FROM loyalty_entries e
LEFT JOIN loyalty_entries f
  ON e.kind = 'refund_service' AND f.player_id = e.player_id AND f.sequence = e.reverses
LEFT JOIN linked w ON w.player_id = e.player_id AND w.points_sequence = e.sequence::text
  AND w.currency = coalesce(e.currency, f.currency)
WHERE e.kind = 'convert'
  AND (w.change_type, w.sequence, w.real_delta, w.bonus_delta, w.points)
      IS DISTINCT FROM ('points_conversion', e.wallet_sequence, e.payment_amount, 0, (-e.points)::text)
   OR f.kind = 'convert'
  AND (w.change_type, w.reverses, w.real_delta, w.points, e.points)
      IS DISTINCT FROM ('reversal', f.wallet_sequence, -f.payment_amount, e.points::text, -f.points)
ORDER BY e.player_id, e.sequence LIMIT :cap
""")

_CREDITED = text(f"""
WITH {_LINKED.strip()}, undone AS (
  SELECT r.player_id, r.sequence, f.currency, f.wallet_sequence
  FROM loyalty_entries r
  JOIN loyalty_entries f ON f.player_id = r.player_id AND f.sequence = r.reverses AND f.kind = 'convert'
  WHERE r.kind = 'refund_service'
)
SELECT w.operator_id, w.player_id, w.currency, w.sequence, 'conversion' AS failed, count(*) OVER () AS total
FROM linked w
LEFT JOIN loyalty_entries e ON w.change_type = 'points_conversion' AND e.player_id = w.player_id
  AND e.sequence::text = w.points_sequence AND (e.currency, e.wallet_sequence) = (w.currency, w.sequence)
LEFT JOIN undone u ON w.change_type = 'reversal' AND u.player_id = w.player_id
  AND u.sequence::text = w.points_sequence AND (u.currency, u.wallet_sequence) = (w.currency, w.reverses)
WHERE e.sequence IS NULL AND u.sequence IS NULL
ORDER BY w.player_id, w.currency, w.sequence LIMIT :cap
""")

_REQUESTS = text("""
SELECT r.operator_id, r.player_id, r.id, r.sequence, 'points_request' AS failed, count(*) OVER () AS total
FROM points_requests r
LEFT JOIN loyalty_entries e ON e.player_id = r.player_id AND e.sequence = r.sequence
WHERE r.sequence IS NOT NULL
  AND ('adjustment', r.points, r.reason, r.idempotency_key, 'staff:' || r.requested_by)
      IS DISTINCT FROM (e.kind, e.points, e.notes, e.idempotency_key, e.performed_by)
ORDER BY r.player_id, r.id LIMIT :cap
""")

STATEMENTS = (
    *(_WALLETS, *points_moves_proof.STATEMENTS, _BATCHES, _MONTHS, _DAYS),
    *(_TIERS, _TIER_STEPS, _TIER_MEMBERS),
    *(_CONVERSIONS, _CREDITED, _REQUESTS),
)


def _figures(row: Row[Any], names: tuple[str, ...], which: str = "stored") -> Figures:
    """What a row says of `stored`, `left` or `due`, by name."""
    found = {name: row._mapping[f"{which}_{name}"] for name in names}
    return {name: int(value) if isinstance(value, Decimal) else value for name, value in found.items()}


def _balance(row: Row[Any]) -> Finding:
    if row.operator_id is None:
        return points_wording.no_wallet(row.player_id, row.entries)
    return points_wording.balance(row.player_id, _figures(row, _OF_WALLET), _figures(row, _OF_WALLET, "left"))


def _taken(row: Row[Any]) -> Finding:
    if row.number is None:
        return points_wording.taken(row.player_id, row.sequence)
    return points_wording.part(row.player_id, row.sequence, row.number, stored=row.stored, due=int(row.due))


def _refund(row: Row[Any]) -> Finding:
    if row.number is None:
        return points_wording.given_back(row.player_id, row.sequence, row.reverses)
    return points_wording.refunded(
        row.player_id, row.sequence, row.number, stored=row.stored, due=int(row.due)
    )


def _tier(row: Row[Any]) -> Finding:
    if row.sequence is not None:
        return points_wording.tier_step(row.player_id, row.sequence)
    return points_wording.tier(row.player_id, _figures(row, _OF_TIER), _figures(row, _OF_TIER, "due"))


def _conversion(row: Row[Any]) -> Finding:
    if row.currency is None:
        return points_wording.conversion(row.player_id, row.sequence)
    return points_wording.credited(row.player_id, row.currency, row.sequence)


WORDS: Words = {
    Check.SEQUENCE: lambda row: wording.gap(row.player_id, POINTS, row.sequence, row.sequence_before),
    Check.HASH: lambda row: wording.content(row.player_id, POINTS, row.sequence),
    Check.CONTINUITY: lambda row: points_wording.continuity(
        row.player_id, row.sequence, before=row.balance_before, left=row.left_points
    ),
    Check.BALANCE: _balance,
    Check.LIFETIME: lambda row: points_wording.sums(
        row.player_id, row.currency, _figures(row, _SUMS), _figures(row, _SUMS, "due")
    ),
    Check.POINTS_ENTRY: lambda row: points_wording.entry(
        row.player_id,
        row.sequence,
        row.currency,
        _figures(row, OF_ENTRY),
        _figures(row, OF_ENTRY, "due"),
    ),
    Check.POINTS_TAKEN: _taken,
    Check.POINTS_REFUND: _refund,
    Check.POINTS_BATCH: lambda row: points_wording.batch(
        row.player_id,
        row.number,
        row.currency,
        _figures(row, _OF_BATCH),
        _figures(row, _OF_BATCH, "due"),
        is_placed=row.is_placed,
    ),
    Check.POINTS_MONTH: lambda row: points_wording.month(
        row.operator_id, row.month, row.slot, _figures(row, _OF_MONTH), _figures(row, _OF_MONTH, "due")
    ),
    Check.POINTS_DAY: lambda row: points_wording.day(
        row.operator_id,
        row.day,
        row.kind,
        currency=row.currency,
        stored=_figures(row, _OF_DAY),
        due=_figures(row, _OF_DAY, "due"),
    ),
    Check.TIER: _tier,
    Check.TIER_MEMBERS: lambda row: points_wording.tier_members(
        row.operator_id, row.tier_id, int(row.stored), int(row.due)
    ),
    Check.CONVERSION: _conversion,
    Check.POINTS_REQUEST: lambda row: points_wording.request(row.player_id, row.id, row.sequence),
}
