"""What the second proof of points looks at: plain rows, read member by member as of one instant."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

_CHUNK = 2000

_OPERATORS = text("SELECT id, currency FROM operators")
_WALLETS = text("SELECT * FROM loyalty_wallets ORDER BY player_id")
_ENTRIES = text("SELECT * FROM loyalty_entries ORDER BY player_id, sequence")
_BATCHES = text("SELECT * FROM points_batches ORDER BY player_id, number")
_ALLOCATIONS = text("SELECT * FROM points_allocations ORDER BY player_id, sequence, place")
_HISTORY = text("SELECT * FROM tier_history ORDER BY player_id, sequence")
_REQUESTS = text("SELECT * FROM points_requests WHERE sequence IS NOT NULL ORDER BY player_id, id")
_MONTHS = text("SELECT * FROM loyalty_months")
_DAYS = text("SELECT * FROM loyalty_days")
_TIER_MEMBERS = text("SELECT * FROM tier_members")
_LINKED = text("""
SELECT player_id, currency, sequence, change_type, real_delta, bonus_delta, reverses, metadata
FROM wallet_entries WHERE change_type IN ('points_conversion', 'reversal')
ORDER BY player_id, currency, sequence
""")
_STREAMS = (_WALLETS, _ENTRIES, _BATCHES, _ALLOCATIONS, _HISTORY, _REQUESTS, _LINKED)


@dataclass(slots=True)
class Book:
    """All that there is of one member's points."""

    player_id: int
    wallet: Row[Any] | None = None
    entries: list[Row[Any]] = field(default_factory=list)
    """By sequence."""
    batches: dict[int, Row[Any]] = field(default_factory=dict)
    """By number."""
    moves: dict[int, list[Row[Any]]] = field(default_factory=lambda: defaultdict(list))
    """What each entry took or put back, in that order, by its sequence."""
    history: list[Row[Any]] = field(default_factory=list)
    """By sequence of the entry."""
    requests: list[Row[Any]] = field(default_factory=list)
    """Those that became an entry."""
    wallet_entries: list[Row[Any]] = field(default_factory=list)
    """Conversions and reversals in the player's wallet, those that have nothing to do with points too."""

    @property
    def operator_id(self) -> int:
        """Whose member it is."""
        rows = [self.wallet, *self.entries[:1], *list(self.batches.values())[:1]]
        return int(next(row for row in rows if row is not None).operator_id)

    def add(self, source: int, row: Row[Any]) -> None:
        """Take in a row of one of the streams."""
        match source:
            case 0:
                self.wallet = row
            case 1:
                self.entries.append(row)
            case 2:
                self.batches[row.number] = row
            case 3:
                self.moves[row.sequence].append(row)
            case 4:
                self.history.append(row)
            case 5:
                self.requests.append(row)
            case _:
                self.wallet_entries.append(row)


def members(session: Session) -> Iterator[Book]:
    """The book of each member, by player; players whose wallet alone has such entries come, too."""
    streams = [_rows(session, source) for source in range(len(_STREAMS))]
    for player_id, rows in groupby(merge(*streams, key=lambda one: one[:2]), lambda one: one[0]):
        book = Book(player_id)
        for _, source, row in rows:
            book.add(source, row)
        yield book


def currencies(session: Session) -> Mapping[int, str]:
    """Each operator's home currency."""
    return {row.id: row.currency for row in session.execute(_OPERATORS)}


def months(session: Session) -> list[Row[Any]]:
    """The sums that operators keep."""
    return list(session.execute(_MONTHS).all())


def days(session: Session) -> Iterator[Row[Any]]:
    """What operators count by day, in any number of rows."""
    return iter(session.execute(_DAYS, execution_options={"yield_per": _CHUNK}))


def tier_members(session: Session) -> Iterator[Row[Any]]:
    """What operators count of members by tier, in any number of rows."""
    return iter(session.execute(_TIER_MEMBERS, execution_options={"yield_per": _CHUNK}))


def _rows(session: Session, source: int) -> Iterator[tuple[int, int, Row[Any]]]:
    """By a cursor on the server, so that no more than a few are in memory."""
    for row in session.execute(_STREAMS[source], execution_options={"yield_per": _CHUNK}):
        yield row.player_id, source, row
