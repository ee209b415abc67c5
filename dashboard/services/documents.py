"""Documents as PDF, typeset by Typst: the layout is a file of ours, all that it says comes as data.

What people typed never stands in the layout's source: it is passed as JSON, whose text is text there,
whatever it looks like. Fonts are those that come with Typst, so that a document is the same everywhere.
"""

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typst

STATEMENT = Path(__file__).parent / "statement.typ"
REPORT = Path(__file__).parent / "report.typ"


def typeset(layout: Path, data: Mapping[str, Any], *, made_at: dt.datetime) -> bytes:
    """The layout filled with JSON-able data, as a tagged PDF that screen readers can follow (PDF/UA-1).

    The same layout, data and instant make the same bytes. Only letters that Typst's own fonts lack are
    taken from the machine's, and then the document promises no standard.
    """
    inputs = {"data": json.dumps(data)}
    try:
        return _compile(layout, inputs, made_at, is_standard=True)
    except typst.TypstError:
        return _compile(layout, inputs, made_at, is_standard=False)


def _compile(layout: Path, inputs: dict[str, str], made_at: dt.datetime, *, is_standard: bool) -> bytes:
    whole = made_at.replace(microsecond=0)  # Typst refuses parts of a second
    compiler = typst.Compiler(layout, root=layout.parent, ignore_system_fonts=is_standard)
    made = compiler.compile(
        sys_inputs=inputs, format="pdf", pdf_standards=["ua-1"] if is_standard else [], timestamp=whole
    )
    if not isinstance(made, bytes):
        raise TypeError("A layout makes one document.")
    return made
