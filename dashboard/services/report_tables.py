"""How a table of a document fits its page: how large its letters are, and how wide each column. Pure.

Widths are estimated from the text in em of the documents' typeface: figures and names must stand on one line,
prose may take several. What is too long for its column even so can be broken within a word.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

_PAGE_PT = {False: 504.0, True: 751.0}
"""Between the margins, upright and on its side."""
_FITS = ((9.0, 17.0), (8.5, 15.0), (8.0, 13.0), (7.5, 11.0), (7.0, 9.0), (6.5, 7.0), (6.0, 5.5), (5.5, 4.5))
"""Sizes of letters in points, each with how many em prose may be wide; the first that fits is taken."""
_LARGE_PT = 7.5
"""From this size on there is room between columns."""
_HEAD = 0.9
"""Heads are so much smaller than cells."""
_BREAK = "\u200b"
_MARKS = "_./:@-"
_PIECES = re.compile(rf"[^\s{_MARKS}]*[{_MARKS}]|[^\s{_MARKS}]+")


class CellKind(StrEnum):
    """How a column stands."""

    FIGURE = "figure"
    """At the right, on one line."""
    WORD = "word"
    """On one line."""
    PROSE = "prose"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the layout takes it."""

    heads: list[str]
    kinds: list[CellKind]
    rows: list[list[str]]
    size: float
    """Of its letters, in points."""
    gap: float
    """At each side of a cell, in points."""
    widths: list[float]
    """How the width of the page is shared out; empty where each column is as wide as it must be."""


def fit(
    heads: list[str],
    kinds: list[CellKind],
    rows: Sequence[Sequence[str]],
    *,
    is_wide: bool,
    is_full: bool,
) -> Table:
    """The largest letters with which the table fits the page. `is_full`: it takes the whole width of it."""
    needs = [
        max(_HEAD * _longest_word(head), *(_em(row[place]) for row in rows))
        for place, head in enumerate(heads)
    ]
    page = _PAGE_PT[is_wide]
    for size, prose in _FITS:
        gap = 4.0 if size >= _LARGE_PT else 2.5
        taken = [
            _taken(need, kind, head, prose) for need, kind, head in zip(needs, kinds, heads, strict=True)
        ]
        widths = [each * size + 2 * gap for each in taken]
        if sum(widths) <= page:
            break
    scale = page / sum(widths)
    limits = [(each * scale - 2 * gap) / size for each in widths]
    return Table(
        heads,
        kinds,
        [
            [_broken(cell, limit, kind) for cell, limit, kind in zip(row, limits, kinds, strict=True)]
            for row in rows
        ],
        size,
        gap,
        widths if is_full or sum(widths) > page / 2 else [],
    )


def _taken(need: float, kind: CellKind, head: str, prose: float) -> float:
    if kind != CellKind.PROSE:
        return need
    return max(_HEAD * _longest_word(head), min(need, prose))


def _em(text: str) -> float:
    return sum(map(_letter_em, text))


def _letter_em(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.0
    return 0.7 if letter.isupper() or letter in "mw@_%−–" else 0.5


def _longest_word(text: str) -> float:
    return max(map(_em, text.split()), default=0.0)


def _broken(cell: str, limit: float, kind: CellKind) -> str:
    """With places to break it wherever a word of it is longer than its column."""
    if kind != CellKind.PROSE or _longest_word(cell) <= limit:
        return cell
    return _PIECES.sub(lambda found: _in_pieces(found[0], limit), cell)


def _in_pieces(word: str, limit: float) -> str:
    """A word, or a part of one with the mark behind it; it can be broken after that, and where it is full."""
    pieces, taken = [""], 0.0
    for letter in word:
        taken += _letter_em(letter)
        if taken > limit and pieces[-1]:
            pieces.append("")
            taken = _letter_em(letter)
        pieces[-1] += letter
    return _BREAK.join(pieces) + (_BREAK if word[-1] in _MARKS else "")
