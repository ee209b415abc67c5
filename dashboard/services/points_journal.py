"""The one statement that moves points: wallets, batches, months, days and journal together.

Set-based: any number of members at once, but at most one entry per member and call. The wallets must be
locked by the caller's transaction, and everything must have been judged. Nothing else writes these tables.
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard.services import chain, loyalty_sums

SLOTS = 16
"""So many rows has a month of an operator: members of different slots do not wait for each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One judged entry, and what it does to the sums of its wallet. Points, and minor units of money."""

    player_id: int
    kind: str
    base_points: int
    bonus_points: int
    invoice: str | None = None
    payment: str | None = None
    payment_mode: str | None = None
    payment_amount: int | None = None
    price: int | None = None
    discount_bp: int | None = None
    tier_id: int | None = None
    expires_on: dt.date | None = None
    reverses: int | None = None
    currency: str | None = None
    wallet_sequence: int | None = None
    notes: str
    performed_by: str
    idempotency_key: str
    fingerprint: bytes
    created_at: dt.datetime
    loaded: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    refunded: int = 0
    owed: int = 0
    amount_paid: int = 0
    made: int = 0
    """How many batches come with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A new batch that an entry loads."""

    player_id: int
    ordinal: int
    """1, 2, 3 … among the new batches of the member."""
    origin: int | None = None
    loaded_on: dt.date
    expires_on: dt.date
    base_loaded: int
    bonus_loaded: int
    amount_paid: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """What an entry does to a batch: differences, in points and minor units.

    What remains falls by what redeemed, expired and reversed rise together. With points it leaves an
    allocation: positive where they were taken, negative where they were put back.
    """

    player_id: int
    number: int
    place: int
    base_points: int = 0
    bonus_points: int = 0
    redeemed: int = 0
    expired: int = 0
    reversed: int = 0
    owed: int = 0
    amount_refunded: int = 0
    prolonged_to: dt.date | None = None
    """Where points come back to a batch that `prolong` has made valid again: its new last day."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A written entry, as far as callers ask."""

    player_id: int
    sequence: int
    kind: str
    base_points: int
    bonus_points: int
    balance_after: int
    payment_amount: int | None
    notes: str
    created_at: dt.datetime

    @property
    def points(self) -> int:
        """With its sign."""
        return self.base_points + self.bonus_points

    @property
    def balance_before(self) -> int:
        """What the member had."""
        return self.balance_after - self.points


_SQL_TYPES: dict[Any, str] = {
    int: "bigint",
    str: "text",
    bytes: "bytea",
    dt.date: "date",
    dt.datetime: "timestamptz",
    int | None: "bigint",
    str | None: "text",
    dt.date | None: "date",
}
_ENTRY = (
    "player_id, sequence, kind, base_points, bonus_points, balance_after, payment_amount, notes, created_at"
)


def _columns(kind: type) -> tuple[tuple[str, str], ...]:
    return tuple((name, _SQL_TYPES[hint]) for name, hint in get_type_hints(kind).items())


_POSTING, _MAKING, _MOVING = _columns(Posting), _columns(Making), _columns(Moving)


def listed(kind: type[Posting | Making | Moving], given: Mapping[str, str]) -> str:
    """The list of a SELECT for `statement`: SQL for each field in `given`, and the others' defaults.

    Raises KeyError where a field has neither.
    """
    types = dict(_columns(kind))
    defaults = {each.name: each.default for each in fields(kind) if each.default is not MISSING}
    literals = {
        name: "NULL" if value is None else str(value) for name, value in defaults.items() if name not in given
    }
    return ", ".join(
        f"CAST({given.get(name) or literals[name]} AS {types[name]}) AS {name}" for name in types
    )


_OF_CHAIN = tuple(name for name, _ in chain.POINTS_FIELDS)
# What each column of the entry is while the wallet is being updated: `w` is the wallet before.
_WHILE_MOVING = {
    **{name: f"p.{name}" for name in _OF_CHAIN},
    "sequence": "w.version + 1",
    "operator_id": "w.operator_id",
    "balance_after": "w.balance + p.base_points + p.bonus_points",
}
_MONTH = "CAST(date_trunc('month', CAST({0} AS timestamp)) AS date)"


def _given(columns: Sequence[tuple[str, str]], prefix: str) -> str:
    given = ", ".join(f"CAST(:{prefix}_{name} AS {kind}[])" for name, kind in columns)
    return f"SELECT * FROM unnest({given}) AS g({', '.join(name for name, _ in columns)})"


def statement(posting: str, making: str, moving: str, result: str) -> TextClause:
    """The statement, for postings, new batches and moves that three SELECTs of ours return.

    Their columns are named as the fields of Posting, Making and Moving. `result` is the last SELECT: over
    `written`, the entries.

    Months are locked in their order, and none that stays as it was: members of one slot would else wait for
    each other crosswise.
    """
    return text(f"""
WITH posting AS ({posting}), making AS ({making}), moving AS ({moving}),
moved AS (
  UPDATE loyalty_wallets w SET
    balance = w.balance + p.base_points + p.bonus_points,
    loaded = w.loaded + p.loaded, redeemed = w.redeemed + p.redeemed, expired = w.expired + p.expired,
    reversed = w.reversed + p.reversed, refunded = w.refunded + p.refunded, owed = w.owed + p.owed,
    amount_paid = w.amount_paid + p.amount_paid,
    batches = w.batches + p.made,
    version = w.version + 1,
    head = {chain.sql(_WHILE_MOVING, before="w.head", form=chain.POINTS_FORMAT)},
    updated_at = p.created_at
  FROM posting p WHERE w.player_id = p.player_id
  RETURNING p.*, w.operator_id, w.version AS sequence, w.balance AS balance_after,
            w.batches - p.made AS batches_before, w.head
), written AS (
  INSERT INTO loyalty_entries ({", ".join(_OF_CHAIN)}, hash)
  SELECT {", ".join(_OF_CHAIN)}, head FROM moved
  RETURNING {_ENTRY}
), counted AS (
  INSERT INTO loyalty_days (operator_id, day, kind, entries, points, amount)
  SELECT operator_id, {loyalty_sums.DAY_OF.format("created_at")}, kind, count(*),
         sum(base_points + bonus_points), coalesce(sum(payment_amount), 0)
  FROM moved GROUP BY 1, 2, 3
), made AS (
  INSERT INTO points_batches (player_id, number, operator_id, sequence, origin, loaded_on, expires_on,
                              base_loaded, bonus_loaded, remaining, amount_paid)
  SELECT m.player_id, d.batches_before + m.ordinal, d.operator_id, d.sequence, m.origin, m.loaded_on,
         m.expires_on, m.base_loaded, m.bonus_loaded, m.base_loaded + m.bonus_loaded, m.amount_paid
  FROM making m JOIN moved d ON d.player_id = m.player_id
  RETURNING player_id, operator_id, expires_on, remaining
), changed AS (
  UPDATE points_batches b SET
    remaining = b.remaining - m.redeemed - m.expired - m.reversed,
    redeemed = b.redeemed + m.redeemed, expired = b.expired + m.expired, reversed = b.reversed + m.reversed,
    owed = b.owed + m.owed, amount_refunded = b.amount_refunded + m.amount_refunded
  FROM moving m WHERE b.player_id = m.player_id AND b.number = m.number
  RETURNING b.player_id, b.operator_id, b.expires_on, m.redeemed, m.expired, m.reversed
), allocated AS (
  INSERT INTO points_allocations (player_id, sequence, number, place, base_points, bonus_points, prolonged_to)
  SELECT m.player_id, d.sequence, m.number, m.place, m.base_points, m.bonus_points, m.prolonged_to
  FROM moving m JOIN moved d ON d.player_id = m.player_id
  WHERE m.base_points <> 0 OR m.bonus_points <> 0
), sums AS (
  SELECT operator_id, {_MONTH.format("expires_on")} AS month, mod(player_id, {SLOTS}) AS slot,
         sum(loaded) AS loaded, sum(redeemed) AS redeemed, sum(expired) AS expired,
         sum(reversed) AS reversed
  FROM (
    SELECT player_id, operator_id, expires_on, remaining AS loaded, 0 AS redeemed, 0 AS expired,
           0 AS reversed
    FROM made
    UNION ALL
    SELECT player_id, operator_id, expires_on, 0, redeemed, expired, reversed FROM changed
    WHERE redeemed <> 0 OR expired <> 0 OR reversed <> 0
  ) AS parts
  GROUP BY 1, 2, 3
), locked AS (
  SELECT s.* FROM loyalty_months t
  JOIN sums s ON t.operator_id = s.operator_id AND t.month = s.month AND t.slot = s.slot
  ORDER BY t.operator_id, t.month, t.slot FOR UPDATE OF t
), tallied AS (
  UPDATE loyalty_months t SET
    loaded = t.loaded + s.loaded, remaining = t.remaining + s.loaded - s.redeemed - s.expired - s.reversed,
    redeemed = t.redeemed + s.redeemed, expired = t.expired + s.expired, reversed = t.reversed + s.reversed
  FROM locked s
  WHERE t.operator_id = s.operator_id AND t.month = s.month AND t.slot = s.slot
  RETURNING s.loaded
)
{result}
""")


_APPEND = statement(
    _given(_POSTING, "posting"),
    _given(_MAKING, "making"),
    _given(_MOVING, "moving"),
    f"""
SELECT {_ENTRY}, (SELECT count(*) FROM made) AS made, (SELECT count(*) FROM changed) AS changed,
       (SELECT coalesce(sum(loaded), 0) FROM tallied) AS tallied
FROM written""",
)
# A month's row must stand before the statement that counts into it.
_OPEN_MONTHS = text(f"""
INSERT INTO loyalty_months (operator_id, month, slot, loaded, remaining, redeemed, expired, reversed)
SELECT DISTINCT w.operator_id, {_MONTH.format("m.expires_on")}, mod(w.player_id, {SLOTS}), 0, 0, 0, 0, 0
FROM unnest(CAST(:players AS bigint[]), CAST(:days AS date[])) AS m(player_id, expires_on)
JOIN loyalty_wallets w ON w.player_id = m.player_id
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
""")
_PROLONG = text(f"""
WITH before AS (
  SELECT operator_id, {_MONTH.format("expires_on")} AS month, loaded, remaining, redeemed, expired, reversed
  FROM points_batches WHERE player_id = :p AND number = :n
), prolonged AS (
  UPDATE points_batches SET expires_on = :day WHERE player_id = :p AND number = :n
)
UPDATE loyalty_months t SET
  loaded = t.loaded + s.loaded, remaining = t.remaining + s.remaining, redeemed = t.redeemed + s.redeemed,
  expired = t.expired + s.expired, reversed = t.reversed + s.reversed
FROM (
  SELECT month, sum(loaded) AS loaded, sum(remaining) AS remaining, sum(redeemed) AS redeemed,
         sum(expired) AS expired, sum(reversed) AS reversed
  FROM (
    SELECT month, -loaded AS loaded, -remaining AS remaining, -redeemed AS redeemed, -expired AS expired,
           -reversed AS reversed FROM before
    UNION ALL
    SELECT {_MONTH.format(":day")}, loaded, remaining, redeemed, expired, reversed FROM before
  ) AS both_months GROUP BY month
) AS s
WHERE t.operator_id = (SELECT operator_id FROM before) AND t.month = s.month AND t.slot = mod(:p, {SLOTS})
""")


def append(
    session: Session,
    postings: Sequence[Posting],
    making: Sequence[Making] = (),
    moving: Sequence[Moving] = (),
) -> list[Entry]:
    """Move the points and append one entry for each posting; in no particular order.

    Raises RuntimeError, which rolls everything back, when a wallet or batch was missing or named twice.
    """
    if making:
        open_months(session, [(new.player_id, new.expires_on) for new in making])
    parameters = {
        **_as_columns(_POSTING, "posting", postings),
        **_as_columns(_MAKING, "making", making),
        **_as_columns(_MOVING, "moving", moving),
    }
    rows = session.execute(_APPEND, parameters).all()
    wanted = (
        len(postings),
        len(making),
        len(moving),
        sum(new.base_loaded + new.bonus_loaded for new in making),
    )
    if not rows or (len(rows), rows[0].made, rows[0].changed, rows[0].tallied) != wanted:
        raise RuntimeError(f"{len(postings)} postings made {len(rows)} entries")
    return [Entry(*row[:9]) for row in rows]


def open_months(session: Session, expiries: Sequence[tuple[int, dt.date]]) -> None:
    """Make the months of batches to come ready, by player and last day."""
    players, days = [player for player, _ in expiries], [day for _, day in expiries]
    session.execute(_OPEN_MONTHS, {"players": players, "days": days})


def prolong(session: Session, *, player_id: int, number: int, expires_on: dt.date) -> None:
    """Let a batch be valid until another day; no entry: no points move."""
    open_months(session, [(player_id, expires_on)])
    session.execute(_PROLONG, {"p": player_id, "n": number, "day": expires_on})


def fingerprint_of_key(key: str) -> bytes:
    """The fingerprint of entries that nobody asked for: their key says it all."""
    return hashlib.sha256(key.encode()).digest()


def _as_columns(columns: Sequence[tuple[str, str]], prefix: str, rows: Sequence[Any]) -> dict[str, list[Any]]:
    return {f"{prefix}_{name}": [getattr(row, name) for row in rows] for name, _ in columns}
