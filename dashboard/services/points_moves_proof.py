"""The proof of what entries did to members' points: whose turn it was, what came back, what the money was.

A moment's day is told here by UTC, give or take one: which day it was for the operator then, its settings no
longer say.
"""

from babel.numbers import list_currencies
from sqlalchemy import text

from dashboard import money


def even(numerator: str, denominator: str) -> str:
    """A quotient of whole numbers, not negative, rounded half to even; exactly, unlike numeric division."""
    quotient, rest = f"div({numerator}, {denominator})", f"mod({numerator}, {denominator})"
    return (
        f"({quotient} + CASE WHEN 2 * {rest} > {denominator}"
        f" OR 2 * {rest} = {denominator} AND mod({quotient}, 2) = 1 THEN 1 ELSE 0 END)"
    )


def _unit(currency: str) -> str:
    """How many minor units the currency in that column has."""
    by_unit: dict[int, list[str]] = {}
    for code in sorted(list_currencies()):
        by_unit.setdefault(money.from_whole(1, code), []).append(f"'{code}'")
    common = money.from_whole(1, "USD")
    rare = (
        f"WHEN {currency} IN ({', '.join(codes)}) THEN {unit}"
        for unit, codes in by_unit.items()
        if unit != common
    )
    return f"CASE {' '.join(rare)} ELSE {common} END"


def _bonus(used: str) -> str:
    """The bonus points in the first `used` of a batch, in the terms of `steps`."""
    return f"div(greatest({used}, 0) * s.bonus_loaded, s.loaded)"


DAY = "(e.created_at AT TIME ZONE 'UTC')::date"
"""Of the moment at which an entry `e` was made."""
_KEY = "'expiry:' || to_char({0}, 'YYYY-MM-DD')"

# What refunds of an entry had given back of it, in all, after each of them.
_REFUNDS = """
refunds AS (
  SELECT r.player_id, r.sequence, r.reverses, r.points, r.expires_on, r.created_at,
         sum(r.points) OVER (PARTITION BY r.player_id, r.reverses ORDER BY r.sequence) AS given
  FROM loyalty_entries r WHERE r.kind = 'refund_service'
)"""

# Base points that are paid back at closing, by the batch whose payment had paid for them: that of a grace
# is its origin's. Of no payment more than was not given back.
_WORTH = f"""
line AS (
  SELECT a.player_id, a.sequence, a.base_points, b.number AS root, b.origin
  FROM points_allocations a
  JOIN loyalty_entries e USING (player_id, sequence)
  JOIN points_batches b USING (player_id, number)
  WHERE e.kind = 'refund_wallet'
  UNION ALL
  SELECT l.player_id, l.sequence, l.base_points, b.number, b.origin
  FROM line l JOIN points_batches b ON b.player_id = l.player_id AND b.number = l.origin
), worth AS (
  SELECT player_id, sequence, {even("trunc(sum(least(exact, kept)))", "1e20")} AS amount
  FROM (
    SELECT l.player_id, l.sequence,
           sum(l.base_points) * b.amount_paid * 1e20 / nullif(b.base_loaded, 0) AS exact,
           (b.amount_paid - b.amount_refunded) * 1e20 AS kept
    FROM line l JOIN points_batches b ON b.player_id = l.player_id AND b.number = l.root
    WHERE l.origin IS NULL
    GROUP BY l.player_id, l.sequence, b.number, b.amount_paid, b.base_loaded, b.amount_refunded
  ) AS roots
  GROUP BY player_id, sequence
)"""

OF_ENTRY = ("base_points", "bonus_points", "whole_units", "free_bonus", "payment_amount")
_DISCOUNT = even("e.price::numeric * e.discount_bp", "10000")


def _share(points: str) -> str:
    """Of the money of a redemption what goes back with so many of its points."""
    return even(f"(f.payment_amount::numeric * {points})", "(-f.points)")


# An entry is the sum of what it loaded and took; a payment gives whole units; the money follows from terms.
_ENTRIES = text(f"""
WITH RECURSIVE {_REFUNDS.strip()}, {_WORTH.strip()}, moved AS (
  SELECT player_id, sequence, sum(base_points) AS base_points, sum(bonus_points) AS bonus_points
  FROM (
    SELECT player_id, sequence, base_loaded AS base_points, bonus_loaded AS bonus_points FROM points_batches
    UNION ALL
    SELECT player_id, sequence, -base_points, -bonus_points FROM points_allocations
  ) AS parts GROUP BY player_id, sequence
), compared AS (
  SELECT e.operator_id, e.player_id, e.sequence, o.currency,
         e.base_points AS stored_base_points, coalesce(m.base_points, 0) AS due_base_points,
         e.bonus_points AS stored_bonus_points, coalesce(m.bonus_points, 0) AS due_bonus_points,
         CASE WHEN e.kind = 'load' THEN e.base_points ELSE 0 END AS stored_whole_units,
         CASE WHEN e.kind = 'load' THEN div(e.payment_amount, u.unit) ELSE 0 END AS due_whole_units,
         CASE WHEN e.kind = 'load' AND e.tier_id IS NULL THEN e.bonus_points ELSE 0 END AS stored_free_bonus,
         0 AS due_free_bonus,
         e.payment_amount AS stored_payment_amount,
         CASE
           WHEN e.kind = 'redeem' AND e.price IS NOT NULL
             THEN e.price - {_DISCOUNT} + e.points::numeric * u.unit
           WHEN f.points < 0 THEN {_share("least(r.given, -f.points)")}
             - {_share("least(r.given - r.points, -f.points)")}
           WHEN e.kind = 'refund_wallet' THEN w.amount
           ELSE e.payment_amount END AS due_payment_amount
  FROM loyalty_entries e
  JOIN operators o ON o.id = e.operator_id
  CROSS JOIN LATERAL (SELECT {_unit("o.currency")}::numeric AS unit) AS u
  LEFT JOIN moved m ON m.player_id = e.player_id AND m.sequence = e.sequence
  LEFT JOIN refunds r ON r.player_id = e.player_id AND r.sequence = e.sequence
  LEFT JOIN loyalty_entries f ON f.player_id = r.player_id AND f.sequence = r.reverses
  LEFT JOIN worth w ON w.player_id = e.player_id AND w.sequence = e.sequence
)
SELECT c.*, 'points_entry' AS failed, count(*) OVER () AS total
FROM compared c
WHERE ({", ".join(f"stored_{name}" for name in OF_ENTRY)})
   IS DISTINCT FROM ({", ".join(f"due_{name}" for name in OF_ENTRY)})
ORDER BY player_id, sequence LIMIT :cap
""")

# Each move of a batch in its order: what had been used after it, and until when the batch was valid then.
_STEPS = """
steps AS (
  SELECT a.player_id, a.number, a.sequence, a.place, a.points, a.bonus_points, a.prolonged_to,
         b.loaded, b.bonus_loaded, b.sequence AS loaded_by,
         sum(a.points) OVER batch AS used,
         greatest(l.expires_on, max(a.prolonged_to) OVER batch) AS expires_on,
         greatest(l.expires_on, max(a.prolonged_to) OVER (batch ROWS BETWEEN UNBOUNDED PRECEDING
                                                          AND 1 PRECEDING)) AS expired_on,
         lead(a.sequence) OVER batch AS next_sequence
  FROM points_allocations a
  JOIN points_batches b ON b.player_id = a.player_id AND b.number = a.number
  LEFT JOIN loyalty_entries l ON l.player_id = b.player_id AND l.sequence = b.sequence
  WINDOW batch AS (PARTITION BY a.player_id, a.number ORDER BY a.sequence)
)"""

# Whose turn it was: soonest last day, then number; nothing may be left before the last one that was taken.
_TAKEN = text(f"""
WITH {_STEPS.strip()}, ordered AS (
  SELECT s.*, lag(s.expires_on) OVER taken AS day_before, lag(s.number) OVER taken AS number_before,
         lag(s.used < s.loaded) OVER taken AS is_left_before,
         row_number() OVER (PARTITION BY s.player_id, s.sequence ORDER BY s.expires_on DESC, s.number DESC)
           = 1 AS is_last
  FROM steps s
  WINDOW taken AS (PARTITION BY s.player_id, s.sequence ORDER BY s.place)
), taken AS (
  SELECT player_id, sequence, bool_or(points > 0) AS takes, bool_or(points < 0) AS gives,
         bool_or(points > 0 AND (used > loaded OR loaded_by >= sequence)) AS is_overdrawn,
         bool_or(used <> loaded) AS is_left,
         bool_or((expires_on, number) <= (day_before, number_before)) AS is_disordered,
         coalesce(bool_or(is_left_before), false) AS is_left_before,
         min(expires_on) AS first_day, max(expires_on) AS last_day,
         max(expires_on) FILTER (WHERE is_last) AS day, max(number) FILTER (WHERE is_last) AS number,
         min(loaded_by) AS first_load, max(loaded_by) AS last_load
  FROM ordered GROUP BY player_id, sequence
), spans AS (
  SELECT player_id, number, expires_on, sequence AS since, next_sequence AS until FROM steps
  WHERE used < loaded
  UNION ALL
  SELECT b.player_id, b.number, l.expires_on, b.sequence, s.until
  FROM points_batches b
  JOIN loyalty_entries l ON l.player_id = b.player_id AND l.sequence = b.sequence
  LEFT JOIN (SELECT player_id, number, min(sequence) AS until FROM steps GROUP BY player_id, number) AS s
    ON s.player_id = b.player_id AND s.number = b.number
), passed_over AS (
  SELECT DISTINCT t.player_id, t.sequence
  FROM taken t JOIN spans p ON p.player_id = t.player_id
  WHERE p.since <= t.sequence AND (p.until > t.sequence OR p.until IS NULL)
    AND (p.expires_on, p.number) < (t.day, t.number)
)
SELECT e.operator_id, e.player_id, e.sequence, 'points_taken' AS failed, NULL::integer AS number,
       count(*) OVER () AS total
FROM taken t
JOIN loyalty_entries e ON e.player_id = t.player_id AND e.sequence = t.sequence
LEFT JOIN passed_over o ON o.player_id = t.player_id AND o.sequence = t.sequence
WHERE CASE
  WHEN t.is_overdrawn THEN true
  WHEN e.kind = 'refund_service' THEN t.takes
  WHEN t.gives THEN true
  WHEN e.kind IN ('redeem', 'convert', 'adjustment')
    THEN t.is_disordered OR o.sequence IS NOT NULL OR t.first_day < {DAY} - 1
  WHEN e.kind = 'expire' THEN t.is_left OR t.last_day > {DAY} OR (
    e.idempotency_key NOT LIKE 'lapse:%'
    AND (e.idempotency_key <> {_KEY.format("t.first_day")} OR t.first_day <> t.last_day))
  WHEN e.kind = 'refund_wallet' THEN t.is_left OR t.is_disordered OR e.balance_after <> 0
  WHEN e.kind = 'reversal' AND e.payment_amount IS NOT NULL
    THEN (t.first_load, t.last_load) <> (e.reverses, e.reverses)
  WHEN e.kind = 'reversal' THEN t.is_disordered OR t.is_left_before
  ELSE true END
ORDER BY e.player_id, e.sequence LIMIT :cap
""")

_PARTS = text(f"""
WITH {_STEPS.strip()}
SELECT s.player_id, s.sequence, s.number, s.bonus_points AS stored, d.bonus_points AS due,
       'points_taken' AS failed, count(*) OVER () AS total
FROM steps s
CROSS JOIN LATERAL (SELECT {_bonus("s.used")} - {_bonus("(s.used - s.points)")} AS bonus_points) AS d
WHERE s.bonus_points <> d.bonus_points
ORDER BY s.player_id, s.sequence, s.number LIMIT :cap
""")

# Of what an entry took, `later` was taken after this, and is given back before it.
_IN_TURN = """
in_turn AS (
  SELECT a.player_id, a.sequence, a.number, a.points, a.bonus_points, a.refunded,
         sum(a.points) OVER (PARTITION BY a.player_id, a.sequence ORDER BY a.place DESC) - a.points AS later
  FROM points_allocations a WHERE a.points > 0
)"""

_REFUNDED = text(f"""
WITH {_IN_TURN.strip()}, given AS (
  SELECT player_id, reverses AS sequence, sum(points) AS points
  FROM loyalty_entries WHERE kind = 'refund_service' GROUP BY player_id, reverses
)
SELECT t.player_id, t.sequence, t.number, t.refunded AS stored, d.refunded AS due, 'points_refund' AS failed,
       count(*) OVER () AS total
FROM in_turn t
LEFT JOIN given g ON g.player_id = t.player_id AND g.sequence = t.sequence
CROSS JOIN LATERAL (
  SELECT greatest(0, least(t.points, coalesce(g.points, 0) - t.later)) AS refunded
) AS d
WHERE t.refunded <> d.refunded
ORDER BY t.player_id, t.sequence, t.number LIMIT :cap
""")

# Each refund put its share of each allocation into that batch, or into a grace of it.
_GIVEN_BACK = text(f"""
WITH {_REFUNDS.strip()}, {_IN_TURN.strip()}, {_STEPS.strip()}, due AS (
  SELECT r.player_id, r.sequence, t.number, t.points, t.bonus_points,
         greatest(0, least(t.points, r.given - t.later)) AS after,
         greatest(0, least(t.points, r.given - r.points - t.later)) AS before
  FROM refunds r JOIN in_turn t ON t.player_id = r.player_id AND t.sequence = r.reverses
), came AS (
  SELECT player_id, sequence, number, sum(points) AS points, sum(graced) AS graced, sum(bonus) AS bonus
  FROM (
    SELECT a.player_id, a.sequence, a.number, -a.points AS points, 0 AS graced, 0 AS bonus
    FROM points_allocations a JOIN refunds r USING (player_id, sequence)
    UNION ALL
    SELECT b.player_id, b.sequence, b.origin, b.loaded, b.loaded, b.bonus_loaded
    FROM points_batches b JOIN refunds r USING (player_id, sequence)
  ) AS c GROUP BY player_id, sequence, number
), differing AS (
  SELECT player_id, sequence
  FROM (SELECT * FROM due WHERE after > before) AS d FULL JOIN came c USING (player_id, sequence, number)
  WHERE c.points IS DISTINCT FROM d.after - d.before
     OR c.graced <> 0 AND (c.graced <> c.points
                           OR c.bonus <> div(d.after * d.bonus_points, d.points)
                                         - div(d.before * d.bonus_points, d.points))
  UNION ALL
  SELECT s.player_id, s.sequence
  FROM steps s JOIN loyalty_entries e USING (player_id, sequence)
  WHERE s.prolonged_to IS NOT NULL AND (
    s.prolonged_to IS DISTINCT FROM e.expires_on OR s.expired_on > {DAY} OR e.kind <> 'refund_service')
  UNION ALL
  SELECT e.player_id, e.sequence
  FROM loyalty_entries e
  JOIN loyalty_entries f ON f.player_id = e.player_id AND f.sequence = e.reverses
  WHERE CASE e.kind WHEN 'reversal' THEN f.kind <> 'load' ELSE f.kind NOT IN ('redeem', 'convert') END
)
SELECT e.operator_id, e.player_id, e.sequence, e.reverses, 'points_refund' AS failed, NULL::integer AS number,
       count(*) OVER () AS total
FROM loyalty_entries e
WHERE (e.player_id, e.sequence) IN (SELECT player_id, sequence FROM differing)
ORDER BY e.player_id, e.sequence LIMIT :cap
""")

STATEMENTS = (_ENTRIES, _TAKEN, _PARTS, _REFUNDED, _GIVEN_BACK)
