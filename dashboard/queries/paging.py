"""Lists that go on: the rows of one page, and the place (keyset) where the next one begins.

A place is written into the URL as its parts, so that a link to a page of a list stays right while
rows are added in front of it.
"""

import datetime as dt
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

PAGE_SIZE = 50
REFRESH_MAX = 500
"""A list that is refreshed in place comes again as far as it was open, up to this many rows."""

Row = TypeVar("Row")
Place = tuple[Any, ...]
_AT_A_TIME = 1_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """The rows of a page, the place of its last row, and whether there are more after it."""

    rows: list[Row]
    last: str
    """Empty where there are no rows."""
    has_more: bool

    @property
    def next_place(self) -> str:
        """Where the next page begins; empty where this is the last."""
        return self.last if self.has_more else ""


@dataclass(frozen=True, slots=True)
class Listing(Generic[Row]):
    """Every row of a list in its order, for a file: read as they come, never all at once."""

    statement: Select[*tuple[Any, ...]]
    make: Callable[[Any], Row]
    """A row of the list from a row of the statement."""

    def count(self, session: Session, at_most: int) -> int:
        """How many there are; counting stops at `at_most`."""
        some = self.statement.order_by(None).limit(at_most).subquery()
        return session.scalar(select(func.count()).select_from(some)) or 0

    def read(self, session: Session) -> Generator[Row, None, None]:
        """The rows, by a cursor on the server. Close it before the session, if it is not read to its end."""
        options = {"stream_results": True, "yield_per": _AT_A_TIME}
        with session.execute(self.statement, execution_options=options) as found:
            yield from map(self.make, found)


def write(*parts: int | str | dt.date) -> str:
    """A place as text for a URL; instants to the microsecond."""
    return ".".join(
        str((part - _EPOCH) // _MICROSECOND) if isinstance(part, dt.datetime) else str(part) for part in parts
    )


def read(place: str, *kinds: type) -> Place | None:
    """The parts of a place of these kinds (int, str, date, datetime); None if it was not written so."""
    texts = place.split(".")
    if not place or len(texts) != len(kinds):
        return None
    try:
        return tuple(_part(text, kind) for text, kind in zip(texts, kinds, strict=True))
    except (ValueError, OverflowError):
        return None


def _part(text: str, kind: type) -> object:
    if kind is str:
        return text
    if kind is dt.date:
        return dt.date.fromisoformat(text)
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError(text)
    return _EPOCH + number * _MICROSECOND if kind is dt.datetime else number


def gather(
    fetch: Callable[[Place | None, Place | None, int], Sequence[Row]],
    place_of: Callable[[Row], str],
    *,
    after: Place | None = None,
    through: Place | None = None,
) -> Page[Row]:
    """One page by way of `fetch(after, through, limit)`, which returns rows in the order of the list.

    `after` continues behind a place. `through` refreshes a list that is open as far as that place,
    which is then included; one that has grown beyond REFRESH_MAX begins anew with its first page.
    """
    if through is not None:
        rows = list(fetch(None, through, REFRESH_MAX + 1))
        if 0 < len(rows) <= REFRESH_MAX:
            return Page(rows, place_of(rows[-1]), bool(fetch(through, None, 1)))
    rows = list(fetch(after, None, PAGE_SIZE + 1))
    shown = rows[:PAGE_SIZE]
    return Page(shown, place_of(shown[-1]) if shown else "", len(rows) > len(shown))
