"""The same proof a second way: every entry streamed through Python, in order, sharing no SQL with the first.

Plain columns are all that it asks of the database. Slower, and a check on the statements in
`verification` and on the SQL half of `chain`.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

from sqlalchemy import Row, TextClause, text
from sqlalchemy.orm import Session

from dashboard.services import (
    anchors,
    chain,
    partner_replay,
    play_replay,
    points_check,
    rollup_check,
    wording,
)
from dashboard.services.findings import LIFETIME, Covered, Found

_CHUNK = 2000

_ENTRIES = text("""
SELECT player_id, currency, sequence, operator_id, change_type, contra_account, real_delta, bonus_delta,
       real_before, real_after, bonus_before, bonus_after, reason, performed_by, agent_id, reference,
       idempotency_key, fingerprint, reverses, metadata, risk_score, created_at, hash
FROM wallet_entries ORDER BY player_id, currency, sequence
""")
_BALANCES = text("""
SELECT player_id, currency, operator_id, real, bonus, version, head, deposited, withdrawn, wagered, turnover,
       won, real_losses, bonus_losses, largest, pending
FROM balances ORDER BY player_id, currency
""")
_WITHDRAWALS = text("SELECT player_id, currency, state, amount, sequence, id FROM withdrawals")
_REQUESTS = text("""
SELECT player_id, currency, state, kind, real_delta, bonus_delta, idempotency_key, sequence, id
FROM change_requests
""")
_HEADS = text("""
SELECT anchor_id, player_id, currency, version, head FROM anchor_heads
ORDER BY anchor_id, player_id, currency COLLATE "C"
""")
_ROOTS = text("SELECT id, root FROM anchors ORDER BY id")


def check(session: Session, found: Found) -> Covered:
    """All checks but the anchors'; what there is."""
    # All in memory, some hundred bytes each; the entries, of which there are many more, pass by.
    stored = {(row.player_id, row.currency): row for row in session.execute(_BALANCES)}
    balances = len(stored)
    held: dict[tuple[int, str], int] = defaultdict(int)
    for row in stored.values():
        held[row.operator_id, row.currency] += row.real + row.bonus
    moved: dict[tuple[int, str], int] = defaultdict(int)
    requests = _Requests(session)
    for (player_id, currency), row in stored.items():
        if row.pending != requests.set_aside[player_id, currency]:
            due = requests.set_aside[player_id, currency]
            found.add(wording.pending(player_id, currency, row.pending, due))
    entries = 0
    stream = _stream(session, _ENTRIES)
    for (player_id, currency), rows in groupby(stream, lambda row: (row.player_id, row.currency)):
        journal = _Journal(player_id, currency)
        for row in rows:
            moved[row.operator_id, row.currency] += row.real_delta + row.bonus_delta
            journal.read(row, found)
            requests.compare(row, found)
        entries += journal.entries
        _compare(journal, stored.pop((player_id, currency), None), found)
    for (player_id, currency), balance in stored.items():
        _compare(_Journal(player_id, currency), balance, found)
    requests.tell_missing(found)
    play_replay.check(session, found)
    partner_replay.check(session, found)
    rollup_check.check(session, found)
    of_points = points_check.check(session, found)
    for operator_id, currency in sorted(held.keys() | moved.keys()):
        whose = operator_id, currency
        if held[whose] != moved[whose]:
            found.add(wording.trial_balance(operator_id, currency, held[whose], moved[whose]))
    return Covered(entries, balances, *of_points)


def roots(session: Session) -> dict[int, tuple[int, bytes]]:
    """By anchor: how many heads it holds, and the root that follows from them and the anchor before."""
    stored = {row.id: row.root for row in session.execute(_ROOTS)}
    made: dict[int, tuple[int, Any]] = {
        anchor_id: (0, hashlib.sha256(stored.get(anchor_id - 1, chain.GENESIS))) for anchor_id in stored
    }
    for row in _stream(session, _HEADS):
        if row.anchor_id in made:
            heads, digest = made[row.anchor_id]
            digest.update(anchors.leaf(row.player_id, row.currency, row.version, row.head))
            made[row.anchor_id] = (heads + 1, digest)
    return {anchor_id: (heads, digest.digest()) for anchor_id, (heads, digest) in made.items()}


class _Requests:
    """What change requests and withdrawals set aside, and which entries they say they became."""

    def __init__(self, session: Session) -> None:
        self.set_aside: dict[tuple[int, str], int] = defaultdict(int)
        self._became: dict[tuple[int, str, int], list[tuple[str, int, int, int, str | None]]]
        self._became = defaultdict(list)
        for row in session.execute(_WITHDRAWALS):
            if row.state == "requested":
                self.set_aside[row.player_id, row.currency] += row.amount
            if row.sequence is not None:
                self._became[row.player_id, row.currency, row.sequence].append(
                    ("withdrawal", row.id, -row.amount, 0, None)
                )
        for row in session.execute(_REQUESTS):
            if row.state == "held" and row.real_delta < 0:
                self.set_aside[row.player_id, row.currency] -= row.real_delta
            if row.sequence is not None:
                key = None if row.kind == "payment" else row.idempotency_key
                self._became[row.player_id, row.currency, row.sequence].append(
                    (row.kind, row.id, row.real_delta, row.bonus_delta, key)
                )

    def compare(self, entry: Row[Any], found: Found) -> None:
        """Whether the entry is what was asked for."""
        place = entry.player_id, entry.currency, entry.sequence
        for kind, request_id, *asked in self._became.pop(place, []):
            key = entry.idempotency_key if asked[2] is not None else None
            if asked != [entry.real_delta, entry.bonus_delta, key]:
                found.add(wording.request(*place, kind, request_id))

    def tell_missing(self, found: Found) -> None:
        """Those whose entry has not come by."""
        for place, requests in self._became.items():
            for kind, request_id, *_ in requests:
                found.add(wording.request(*place, kind, request_id))


@dataclass(slots=True)
class _Journal:
    """One journal while it is read: where its last entry left it."""

    player_id: int
    currency: str
    entries: int = 0
    sequence: int = 0
    real: int = 0
    bonus: int = 0
    head: bytes = chain.GENESIS
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIFETIME, 0))
    seen: dict[int, tuple[str, str, int, int]] = field(default_factory=dict)
    """Type, house account and amounts of each entry, for the reversals that come later."""

    def read(self, row: Row[Any], found: Found) -> None:
        whose = self.player_id, self.currency
        if row.sequence != self.sequence + 1:
            found.add(wording.gap(*whose, row.sequence, self.sequence))
        if chain.digest(cast(Mapping[str, Any], row._mapping), self.head) != row.hash:
            found.add(wording.content(*whose, row.sequence))
        before, left = (row.real_before, row.bonus_before), (self.real, self.bonus)
        if before != left:
            found.add(wording.continuity(*whose, row.sequence, before=before, left=left))
        counts_as = row.change_type
        if row.reverses is not None:
            original = self.seen.get(row.reverses, ("reversal", "", 0, 0))
            counts_as = original[0]
            opposite = (row.contra_account, -row.real_delta, -row.bonus_delta)
            if original[1:] != opposite or counts_as == "reversal":
                found.add(wording.reversal(*whose, row.sequence, row.reverses))
        self._count(counts_as, row.real_delta, row.bonus_delta)
        self.sums["largest"] = max(self.sums["largest"], abs(row.real_delta))
        self.seen[row.sequence] = (row.change_type, row.contra_account, row.real_delta, row.bonus_delta)
        self.entries += 1
        self.sequence, self.real, self.bonus, self.head = (
            row.sequence,
            row.real_after,
            row.bonus_after,
            row.hash,
        )

    def _count(self, counts_as: str, real: int, bonus: int) -> None:
        sums = self.sums
        match counts_as:
            case "deposit":
                sums["deposited"] += real
            case "withdrawal":
                sums["withdrawn"] -= real
            case "wager":
                sums["wagered"] -= real + bonus
            case "settlement":
                sums["won"] += real + bonus
        if counts_as in {"wager", "refund"}:
            sums["turnover"] -= real + bonus
        if counts_as in {"wager", "settlement", "refund"}:
            sums["real_losses"] -= real
            sums["bonus_losses"] -= bonus


def _compare(journal: _Journal, balance: Row[Any] | None, found: Found) -> None:
    whose = journal.player_id, journal.currency
    if balance is None:
        found.add(wording.no_balance(*whose, journal.entries))
        return
    due = {
        "real": journal.real,
        "bonus": journal.bonus,
        "version": journal.entries,
        "head": journal.head,
    }
    stored = {name: balance._mapping[name] for name in due}
    if stored != due:
        found.add(wording.balance(*whose, stored, due))
    sums = {name: balance._mapping[name] for name in LIFETIME}
    if sums != journal.sums:
        found.add(wording.lifetime(*whose, sums, journal.sums))


def _stream(session: Session, statement: TextClause) -> Iterator[Row[Any]]:
    """The rows by a cursor on the server, so that no more than a few are in memory."""
    return iter(session.execute(statement, execution_options={"yield_per": _CHUNK}))
