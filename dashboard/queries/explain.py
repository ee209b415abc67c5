"""Why a balance is what it is: every class of movement summed, what is pending, who, and what proves it.

Three statements whatever the length of the journal, besides the player's own; the longest one reads
each entry of the balance once.
"""

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.wallet import ChangeType
from dashboard.queries import players
from dashboard.queries.players import Header
from dashboard.services import vip


@dataclass(frozen=True, slots=True)
class Last:
    """The latest entry of something: which, when, and by whom (a name)."""

    sequence: int
    at: dt.datetime
    by: str


@dataclass(frozen=True, slots=True)
class Movement:
    """Every entry of one change type, with those that reversed such entries. Minor units."""

    change_type: str
    entries: int
    reversals: int
    """How many of these entries were undone again; their amounts are in the sums."""
    real: int
    bonus: int
    last: Last


@dataclass(frozen=True, slots=True)
class Maker:
    """What one person entered by hand in this journal, reversals of others' entries too. Minor units."""

    by: str
    performed_by: str
    entries: int
    credits: int
    debits: int
    """Not positive."""
    last: Last


@dataclass(frozen=True, slots=True)
class PendingPart:
    """Something that keeps real money from being withdrawn. Minor units."""

    kind: str
    """`withdrawal` or `held`."""
    id: int
    amount: int
    reason: str
    by: str
    at: dt.datetime
    until: dt.datetime | None
    """When a held debit is posted."""


@dataclass(frozen=True, slots=True)
class Proved:
    """The last proof of all journals, as far as it is about this one."""

    finished_at: dt.datetime
    ok: bool
    findings: tuple[str, ...]
    """What it found in this journal."""
    entries_since: int
    """Entries that came after it began."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The last anchor that holds a head of this journal."""

    number: int
    taken_at: dt.datetime
    through: int
    """The sequence up to which nothing can be altered without showing."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One balance and what it is made of, all of one instant. Minor units."""

    player: Header
    currency: str
    real: int
    bonus: int
    pending: int
    version: int
    credit_line: int | None
    """How far below zero the level lets it go, as a negative number; None without a rule."""
    movements: Sequence[Movement]
    makers: Sequence[Maker]
    parts: Sequence[PendingPart]
    proved: Proved | None
    sealed: Sealed | None

    @property
    def real_sum(self) -> int:
        """What the movements add up to."""
        return sum(movement.real for movement in self.movements)

    @property
    def bonus_sum(self) -> int:
        """What the movements of bonus money add up to."""
        return sum(movement.bonus for movement in self.movements)

    @property
    def pending_sum(self) -> int:
        """What the pending parts add up to."""
        return sum(part.amount for part in self.parts)

    @property
    def entries(self) -> int:
        """How many entries the sums are made of."""
        return sum(movement.entries + movement.reversals for movement in self.movements)

    @property
    def adds_up(self) -> bool:
        """Whether every sum is the figure that stands on the balance, and no entry is missing."""
        summed = (self.real_sum, self.bonus_sum, self.pending_sum, self.entries)
        return summed == (self.real, self.bonus, self.pending, self.version)

    @property
    def withdrawable(self) -> int:
        """Real money that is not locked."""
        return vip.withdrawable(self.real, self.pending)

    @property
    def has_bonus(self) -> bool:
        """Whether bonus money ever moved."""
        return any(movement.bonus for movement in self.movements) or bool(self.bonus)


_STATE = text("""
SELECT b.real, b.bonus, b.pending, b.version, r.min_balance,
       v.started_at, v.finished_at, v.ok, v.findings, h.anchor_id, h.taken_at, h.version AS through
FROM balances b
JOIN wallets w ON w.player_id = b.player_id
LEFT JOIN vip_rules r ON r.operator_id = b.operator_id AND r.level = w.vip_level AND r.currency = b.currency
LEFT JOIN LATERAL (SELECT * FROM verifications ORDER BY id DESC LIMIT 1) v ON true
LEFT JOIN LATERAL (
  SELECT ah.anchor_id, ah.version, a.taken_at FROM anchor_heads ah JOIN anchors a ON a.id = ah.anchor_id
  WHERE ah.player_id = b.player_id AND ah.currency = b.currency ORDER BY ah.version DESC LIMIT 1) h ON true
WHERE b.player_id = :p AND b.currency = :c AND b.operator_id = :operator
""")

# One walk over the journal; of what it finds only the reversals, which are few, look up what they undid.
# A reversal counts with the type of that entry, so that each type's sum is what is left of it. Grouped by
# who too, for the sums by person.
_MOVEMENTS = text("""
SELECT g.*, e.created_at AS last_at,
       coalesce(l.name, CASE g.performed_by WHEN 'system' THEN 'System' END, g.performed_by) AS by
FROM (
  SELECT coalesce(o.change_type, w.change_type) AS change_type, w.performed_by,
         w.reverses IS NOT NULL AS is_reversal, sum(w.entries)::bigint AS entries,
         sum(w.real)::bigint AS real, sum(w.bonus)::bigint AS bonus, sum(w.credits)::bigint AS credits,
         sum(w.debits)::bigint AS debits, max(w.last) AS last, sum(w.since)::bigint AS since
  FROM (
    SELECT change_type, performed_by, reverses, count(*) AS entries,
           sum(real_delta) AS real, sum(bonus_delta) AS bonus,
           coalesce(sum(real_delta) FILTER (WHERE real_delta > 0), 0)
             + coalesce(sum(bonus_delta) FILTER (WHERE bonus_delta > 0), 0) AS credits,
           coalesce(sum(real_delta) FILTER (WHERE real_delta < 0), 0)
             + coalesce(sum(bonus_delta) FILTER (WHERE bonus_delta < 0), 0) AS debits,
           max(sequence) AS last,
           count(*) FILTER (WHERE created_at > CAST(:proved AS timestamptz)) AS since
    FROM wallet_entries WHERE player_id = :p AND currency = :c
    GROUP BY change_type, performed_by, reverses
  ) w
  LEFT JOIN wallet_entries o ON o.player_id = :p AND o.currency = :c AND o.sequence = w.reverses
  GROUP BY 1, 2, 3
) g
JOIN wallet_entries e ON e.player_id = :p AND e.currency = :c AND e.sequence = g.last
LEFT JOIN logins l ON g.performed_by = 'staff:' || l.id
""")

_PARTS = text("""
SELECT q.kind, q.id, q.amount, q.reason,
       coalesce(l.name, CASE q.by WHEN 'system' THEN 'System' END, q.by) AS by, q.at, q.until
FROM (
  SELECT 'withdrawal' AS kind, id, amount, reason, requested_by AS by, requested_at AS at,
         CAST(NULL AS timestamptz) AS until
  FROM withdrawals WHERE player_id = :p AND currency = :c AND state = 'requested'
  UNION ALL
  SELECT 'held', id, -real_delta, reason, 'staff:' || requested_by, requested_at, post_at
  FROM change_requests WHERE player_id = :p AND currency = :c AND state = 'held' AND real_delta < 0
) q
LEFT JOIN logins l ON q.by = 'staff:' || l.id
ORDER BY q.at, q.kind, q.id
""")

_ORDER = {
    kind: place
    for place, kind in enumerate(
        (
            ChangeType.OPENING,
            ChangeType.DEPOSIT,
            ChangeType.WITHDRAWAL,
            ChangeType.ADJUSTMENT,
            ChangeType.FEE,
            ChangeType.TRANSFER,
            ChangeType.WAGER,
            ChangeType.SETTLEMENT,
            ChangeType.REFUND,
            ChangeType.BONUS_GRANT,
            ChangeType.BONUS_FORFEIT,
            ChangeType.BONUS_EXPIRY,
            ChangeType.BONUS_CONVERSION,
            ChangeType.POINTS_CONVERSION,
        )
    )
}


def explain(session: Session, *, player_id: int, currency: str | None, operator_id: int) -> Explanation:
    """What the balance is made of, in `currency` or the operator's own. Four statements.

    Raises NotFound, also for a currency in which nothing can have moved yet.
    """
    player = players.get_header(session, player_id=player_id, operator_id=operator_id)
    code = currency or player.home_currency
    scope = {"p": player_id, "c": code}
    state = session.execute(_STATE, {**scope, "operator": operator_id}).one_or_none()
    if state is None:
        raise NotFound("This player has no balance in that currency.")
    groups = session.execute(_MOVEMENTS, {**scope, "proved": state.started_at}).all()
    parts = session.execute(_PARTS, scope).all()
    return Explanation(
        player=player,
        currency=code,
        real=state.real,
        bonus=state.bonus,
        pending=state.pending,
        version=state.version,
        credit_line=state.min_balance,
        movements=_movements(groups),
        makers=_makers(groups),
        parts=[PendingPart(*row) for row in parts],
        proved=_proved(state, player_id, code, groups),
        sealed=None if state.anchor_id is None else Sealed(state.anchor_id, state.taken_at, state.through),
    )


def _movements(groups: Iterable[Row[Any]]) -> list[Movement]:
    by_type: dict[str, list[Row[Any]]] = {}
    for group in groups:
        by_type.setdefault(group.change_type, []).append(group)
    return [
        Movement(
            change_type=kind,
            entries=sum(group.entries for group in of_kind if not group.is_reversal),
            reversals=sum(group.entries for group in of_kind if group.is_reversal),
            real=sum(group.real for group in of_kind),
            bonus=sum(group.bonus for group in of_kind),
            last=_last(of_kind),
        )
        for kind, of_kind in sorted(by_type.items(), key=lambda item: _ORDER[ChangeType(item[0])])
    ]


def _makers(groups: Iterable[Row[Any]]) -> list[Maker]:
    by_maker: dict[str, list[Row[Any]]] = {}
    for group in groups:
        if group.performed_by.startswith("staff:"):
            by_maker.setdefault(group.performed_by, []).append(group)
    makers = [
        Maker(
            by=made[0].by,
            performed_by=reference,
            entries=sum(group.entries for group in made),
            credits=sum(group.credits for group in made),
            debits=sum(group.debits for group in made),
            last=_last(made),
        )
        for reference, made in by_maker.items()
    ]
    return sorted(makers, key=lambda maker: (maker.debits - maker.credits, maker.performed_by))


def _last(groups: Iterable[Row[Any]]) -> Last:
    latest = max(groups, key=lambda group: group.last)
    return Last(latest.last, latest.last_at, latest.by)


def _proved(state: Row[Any], player_id: int, currency: str, groups: Iterable[Row[Any]]) -> Proved | None:
    if state.finished_at is None:
        return None
    ours = [
        finding["message"]
        for finding in json.loads(state.findings)
        if (finding.get("player_id"), finding.get("currency")) == (player_id, currency)
    ]
    since = sum(group.since for group in groups)
    return Proved(state.finished_at, state.ok, tuple(ours), since)
