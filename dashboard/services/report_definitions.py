"""What a report is: a subject's columns, filters, grouping and period, as JSON that can be kept. Pure.

Nothing in a definition is SQL or becomes any: names are looked up in the catalogue
(`queries/report_subjects.py`), and what does not stand there is refused; values are bound.
"""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from dashboard import clock, money
from dashboard.clock import Span
from dashboard.errors import Rejected
from dashboard.services import periods

TEXT_MOST = 100
"""How many characters a filter looks for."""
GROUPS_MOST = 4
_NUMBER_MOST = 10**15
_ID_MOST = 2**63 - 1


class FieldKind(StrEnum):
    """What a field holds."""

    TEXT = "text"
    CHOICE = "choice"
    """A text that is one of a few."""
    ID = "id"
    """A number that names something: nothing to add up."""
    NUMBER = "number"
    AMOUNT = "amount"
    """Minor units of the row's field `currency`."""
    TIME = "time"
    DAY = "day"
    """Of the operator's calendar."""


class Operation(StrEnum):
    """How a filter compares."""

    IS = "is"
    HAS = "has"
    """Contains it, whatever the case."""
    LEAST = "least"
    MOST = "most"


_OPERATIONS: Mapping[FieldKind, tuple[Operation, ...]] = {
    FieldKind.TEXT: (Operation.HAS,),
    FieldKind.CHOICE: (Operation.IS,),
    FieldKind.ID: (Operation.IS,),
    FieldKind.NUMBER: (Operation.LEAST, Operation.MOST),
    FieldKind.AMOUNT: (Operation.LEAST, Operation.MOST),
    FieldKind.TIME: (),
    FieldKind.DAY: (),
}


class PeriodKind(StrEnum):
    """The periods of reports: those of figures, and calendar days, weeks and months that are over."""

    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    YEARLY = "yearly"
    TODAY = "today"
    YESTERDAY = "yesterday"
    LAST_WEEK = "last_week"
    LAST_MONTH = "last_month"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class Field:
    """A column that a subject has."""

    name: str
    label: str
    kind: FieldKind = FieldKind.TEXT
    choices: tuple[str, ...] = ()
    """Of a choice, where they are known."""
    is_usual: bool = True
    """Shown unless somebody chooses otherwise."""
    can_group: bool = False
    is_summed: bool = False
    can_filter: bool = True

    @property
    def operations(self) -> tuple[Operation, ...]:
        """How it can be filtered."""
        return _OPERATIONS[self.kind] if self.can_filter else ()


ROWS = Field("rows", "Rows", FieldKind.NUMBER, is_summed=True, can_filter=False)
"""How many rows a group has."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report can be about."""

    name: str
    label: str
    about: str
    """One sentence: what a row is."""
    fields: tuple[Field, ...]
    is_dated: bool = True
    """Whether it is of a period; otherwise it is as of now."""
    usual_group: tuple[str, ...] = ()
    """How the ready-made report of it is grouped."""
    verb: str = "reports:view"
    """What its reader must be allowed."""

    def find(self, name: str) -> Field | None:
        """The field of that name, if there is one."""
        return next((each for each in self.fields if each.name == name), None)

    @property
    def has_currency(self) -> bool:
        """Whether a row has amounts, and so a currency."""
        return self.find("currency") is not None


class Filter(NamedTuple):
    """One condition on a field. `value` is as a person writes it: `deposit`, `-20.00`."""

    field: str
    operation: Operation
    value: str

    @property
    def key(self) -> str:
        """How a form names it."""
        return key_of(self.field, self.operation)


class Choice(NamedTuple):
    """Which period; both days are inclusive, and of the custom kind alone."""

    kind: PeriodKind = PeriodKind.MONTHLY
    first: dt.date | None = None
    last: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Definition:
    """A report as somebody has put it together. Whether it can be had: `problems`."""

    subject: str
    columns: tuple[str, ...] = ()
    """None: the subject's usual ones."""
    filters: tuple[Filter, ...] = ()
    group: tuple[str, ...] = ()
    """None: every row by itself."""
    period: Choice = field(default_factory=Choice)


class Problem(NamedTuple):
    """What is wrong, and with which field of the form."""

    field: str
    message: str


def key_of(name: str, operation: Operation) -> str:
    """How a form names a filter: `least_real`."""
    return f"{operation}_{name}"


def usual(subject: Subject) -> Definition:
    """The ready-made report of a subject."""
    return Definition(subject.name, group=subject.usual_group)


# JSON


def write(definition: Definition) -> str:
    """Canonical JSON text: the same report is the same text."""
    period = definition.period
    days = {"first": period.first, "last": period.last}
    return json.dumps(
        {
            "subject": definition.subject,
            "columns": list(definition.columns),
            "filters": sorted([each.field, each.operation.value, each.value] for each in definition.filters),
            "group": list(definition.group),
            "period": {
                "kind": period.kind.value,
                **{name: day.isoformat() for name, day in days.items() if day},
            },
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )


def read(text: str) -> Definition:
    """What `write` wrote. Raises Rejected for anything of another shape."""
    try:
        found = json.loads(text)
        return _read(found)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Rejected("This report cannot be read.") from None


def _read(found: Any) -> Definition:
    period = found["period"]
    return Definition(
        subject=_text(found["subject"]),
        columns=tuple(map(_text, _list(found["columns"]))),
        filters=tuple(
            Filter(_text(name), Operation(operation), _text(value))
            for name, operation, value in map(_list, _list(found["filters"]))
        ),
        group=tuple(map(_text, _list(found["group"]))),
        period=Choice(PeriodKind(period["kind"]), _day(period.get("first")), _day(period.get("last"))),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _day(value: Any) -> dt.date | None:
    return None if value is None else dt.date.fromisoformat(_text(value))


# What can be had


def problems(definition: Definition, subject: Subject) -> list[Problem]:
    """All that is wrong with it, at the fields of its form; none where it can be had."""
    return [
        *_wrong_names(definition, subject),
        *(problem for each in definition.filters for problem in _wrong_filter(each, definition, subject)),
        *_wrong_period(definition.period, subject),
    ]


def check(definition: Definition, subject: Subject) -> None:
    """Raises Rejected, at its field, for the first problem."""
    for problem in problems(definition, subject):
        raise Rejected(problem.message, field=problem.field)


def _wrong_names(definition: Definition, subject: Subject) -> Iterator[Problem]:
    if definition.subject != subject.name:
        yield Problem("subject", "There is no such subject.")
    for name in definition.columns:
        if subject.find(name) is None:
            yield Problem("columns", "There is no such column any more.")
    for name in definition.group:
        found = subject.find(name)
        if found is None or not found.can_group:
            yield Problem("group", "Reports cannot be grouped by that.")
    if len(set(definition.group)) > GROUPS_MOST:
        yield Problem("group", f"Group by at most {GROUPS_MOST} things.")


def _wrong_filter(one: Filter, definition: Definition, subject: Subject) -> Iterator[Problem]:
    found = subject.find(one.field)
    if found is None or one.operation not in found.operations:
        yield Problem(one.key, "There is no such filter any more.")
        return
    try:
        value_of(one, found, currency_of(definition))
    except Rejected as refused:
        yield Problem(one.key, refused.message)


def currency_of(definition: Definition) -> str | None:
    """The one currency that it is narrowed to, if it is."""
    return next((each.value for each in definition.filters if each.field == "currency"), None)


def value_of(one: Filter, of: Field, currency: str | None) -> str | int:
    """What a filter compares with; amounts in minor units. Raises Rejected for what is no such value."""
    match of.kind:
        case FieldKind.AMOUNT:
            if currency is None:
                raise Rejected("Choose a currency too: an amount is one of a currency.")
            if not money.is_currency(currency):
                raise Rejected("There is no such currency.")
            return money.parse(one.value, currency)
        case FieldKind.NUMBER:
            return _whole(one.value, _NUMBER_MOST)
        case FieldKind.ID:
            return _whole(one.value, _ID_MOST)
        case FieldKind.CHOICE:
            if of.choices and one.value not in of.choices:
                raise Rejected("Choose one of the list.")
            return _plain(one.value)
        case _:
            return _plain(one.value)


def _whole(typed: str, most: int) -> int:
    digits = typed.strip().replace("\u2212", "-")
    unsigned = digits.removeprefix("-")
    if not (unsigned.isascii() and unsigned.isdecimal()) or len(unsigned) > len(str(most)):
        raise Rejected("Enter a whole number.")
    number = int(digits)
    if abs(number) > most:
        raise Rejected("Enter a smaller number.")
    return number


def _plain(typed: str) -> str:
    if not typed.strip() or "\0" in typed:
        raise Rejected("Enter what to look for.")
    if len(typed) > TEXT_MOST:
        raise Rejected(f"Look for at most {TEXT_MOST} characters.")
    return typed.strip()


def _wrong_period(period: Choice, subject: Subject) -> Iterator[Problem]:
    if not subject.is_dated or period.kind != PeriodKind.CUSTOM:
        return
    if period.first is None:
        yield Problem("since", "Enter both days.")
    elif period.last is None:
        yield Problem("until", "Enter both days.")
    elif not (_is_of_our_time(period.first) and _is_of_our_time(period.last)):
        yield Problem("since", "Enter a day of our time.")
    else:
        try:
            periods.custom(period.first, period.last + dt.timedelta(days=1), zone="UTC")
        except Rejected as refused:
            yield Problem(refused.field or "until", refused.message)


def _is_of_our_time(day: dt.date) -> bool:
    return 1970 <= day.year <= 9000


def span(period: Choice, *, now: dt.datetime, zone: str) -> Span:
    """From when until when that is, in the operator's calendar. Raises Rejected where it is no period."""
    today = clock.local(now, zone).date()
    monday, first = today - dt.timedelta(days=today.weekday()), today.replace(day=1)
    match period.kind:
        case PeriodKind.TODAY:
            return clock.between(today, today + dt.timedelta(days=1), zone)
        case PeriodKind.YESTERDAY:
            return clock.between(today - dt.timedelta(days=1), today, zone)
        case PeriodKind.LAST_WEEK:
            return clock.between(monday - dt.timedelta(days=7), monday, zone)
        case PeriodKind.LAST_MONTH:
            return clock.between((first - dt.timedelta(days=1)).replace(day=1), first, zone)
        case PeriodKind.CUSTOM:
            if period.first is None or period.last is None:
                raise Rejected("Enter both days.", field="since")
            return periods.custom(period.first, period.last + dt.timedelta(days=1), zone=zone).span
        case _:
            return periods.named(periods.Kind(period.kind.value), now=now, zone=zone).span


# What it shows


def shown(definition: Definition, subject: Subject) -> tuple[Field, ...]:
    """The columns of its rows, in the subject's order; of groups by what they are grouped, then the sums.

    Sums of amounts are by currency, whatever else they are grouped by.
    """
    chosen = [each for each in subject.fields if each.name in definition.columns]
    if not definition.group:
        return tuple(chosen or [each for each in subject.fields if each.is_usual])
    sums = [each for each in chosen if each.is_summed] or [
        each for each in subject.fields if each.is_summed and each.is_usual
    ]
    return (*keys(definition, subject), ROWS, *sums)


def keys(definition: Definition, subject: Subject) -> tuple[Field, ...]:
    """What it is grouped by, in the order that was chosen, and the currency."""
    named = list(dict.fromkeys(definition.group))
    if subject.has_currency and "currency" not in named:
        named.append("currency")
    found = (subject.find(name) for name in named)
    return tuple(each for each in found if each is not None and each.can_group)


def summed(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Those of the columns whose sums say something."""
    return tuple(each for each in fields if each.is_summed)
