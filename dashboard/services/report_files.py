"""A report as a file: its columns, and what can be had as which."""

from collections.abc import Callable, Mapping
from typing import Any

from dashboard.errors import Rejected
from dashboard.services import report_definitions
from dashboard.services.exports import Amount, Column, Value
from dashboard.services.report_definitions import Definition, Field, FieldKind, Subject

PDF_ROWS_MOST = 2_000
_KINDS = {FieldKind.CHOICE: "text", FieldKind.ID: "text"}
"""An id is no figure: as a number a sheet would round a long one, and add them up."""


class TooLong(Rejected):
    """More rows than anybody leafs through."""

    def __init__(self) -> None:
        super().__init__(
            f"A PDF holds {PDF_ROWS_MOST:,} rows, and this report has more."
            " Group it, narrow it, or take CSV or XLSX."
        )


class TooLarge(Rejected):
    """More than is kept in the database."""

    def __init__(self) -> None:
        super().__init__(
            "A file that the worker makes holds up to 1 GB, and this one is larger. Take a shorter period or"
            " fewer columns, or export it from its page at once: as CSV that has no limit."
        )


def columns(definition: Definition, subject: Subject) -> list[Column]:
    """The columns of a report's file, from rows by the names of their fields."""
    shown = report_definitions.shown(definition, subject)
    return [Column(each.label, _KINDS.get(each.kind, each.kind.value), _value(each)) for each in shown]


def _value(of: Field) -> Callable[[Mapping[str, Any]], Value]:
    name = of.name

    def amount(row: Mapping[str, Any]) -> Amount | None:
        minor: int | None = row[name]
        return None if minor is None else Amount(minor, row["currency"])

    def plain(row: Mapping[str, Any]) -> Any:
        return row[name]

    def name_of(row: Mapping[str, Any]) -> str | None:
        number: int | None = row[name]
        return None if number is None else str(number)

    match of.kind:
        case FieldKind.AMOUNT:
            return amount
        case FieldKind.ID:
            return name_of
        case _:
            return plain
