"""What the forms that narrow a list share. They are sent by GET, and what is not valid asks for nothing.

Beside its filters a list may have an order (`sort`) and a choice of columns (`cols`). They stand in the
same URL, but take no row away: they are no filters, and have no chips.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

from wtforms import DateField, SelectField, ValidationError
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than the stubs

from dashboard import clock
from dashboard.forms.base import DeskForm


class Chip(NamedTuple):
    """A filter that is on: the name of its field, and what it says."""

    name: str
    text: str


class Column(NamedTuple):
    """A column of a list that people may show or leave out."""

    name: str
    label: str
    is_usual: bool = True
    """Shown unless somebody chooses otherwise."""
    is_fixed: bool = False
    """Always shown."""


class FilterForm(DeskForm):
    """A form whose fields stand in the URL, with the order and the columns of its list."""

    columns: ClassVar[Sequence[Column]] = ()
    orders: ClassVar[Mapping[str, str]] = {"": "Latest first"}
    """What `sort` may be, in words; the first is what the list does by itself. A minus means descending."""

    class Meta(DeskForm.Meta):
        """Reading needs no token."""

        csrf = False

    def __init__(self, given: Any) -> None:
        super().__init__(given)
        wanted = given.get("sort", "")
        self.order: str = wanted if wanted in self.orders else next(iter(self.orders))
        self.shown: tuple[str, ...] = self._chosen(",".join(given.getlist("cols")).split(","))

    @classmethod
    def names(cls) -> frozenset[str]:
        """All that may stand in the URL of such a list."""
        fields = {name for name in dir(cls) if hasattr(getattr(cls, name), "_formfield")}
        return frozenset(fields | {"sort", "cols"})

    def arranged(self) -> dict[str, str]:
        """Order and columns as they stand in the URL, where they are not the usual ones."""
        found = {}
        if self.order != next(iter(self.orders)):
            found["sort"] = self.order
        if self.shown != self._usual():
            found["cols"] = ",".join(self.shown)
        return found

    def asked(self) -> dict[str, str]:
        """All of the list that stands in the URL. Call it after `validate`."""
        return {**self.filters(), **self.arranged()}

    def _chosen(self, names: Sequence[str]) -> tuple[str, ...]:
        known = {column.name for column in self.columns}
        if not known & set(names):
            return self._usual()
        return tuple(column.name for column in self.columns if column.is_fixed or column.name in names)

    def _usual(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.is_usual)

    def filters(self) -> dict[str, str]:
        """The filters in force as they stand in the URL. Call it after `validate`."""
        typed = {
            name: str(field.raw_data[0]).strip() for name, field in self._fields.items() if field.raw_data
        }
        return {name: text for name, text in typed.items() if text and self.good(name)}

    def good(self, name: str) -> Any:
        """The value of a field that is valid, else None."""
        field = self._fields[name]
        if field.errors or (isinstance(field, SelectField) and not _is_offered(field)):
            return None
        return field.data

    def chosen_id(self, name: str) -> int | None:
        """The id that is chosen in a select of people, if any."""
        chosen = self.good(name)
        return int(chosen) if chosen else None

    def chips(self) -> list[Chip]:
        """What is in force, in words."""
        return [Chip(name, _said(self._fields[name])) for name in self.filters()]


class DayField(DateField):
    """A day of the operator's calendar."""

    def process_formdata(self, valuelist: list[str]) -> None:
        """A form sends the field also where nothing was typed: that is no day, and nothing wrong."""
        super().process_formdata([value for value in valuelist if value.strip()])

    def pre_validate(self, form: Any) -> None:
        """A day that a calendar of instants can hold."""
        if self.data and not 1970 <= self.data.year <= 9000:
            raise ValidationError("Enter a day of our time.")


def day_span(
    first: dt.date | None, last: dt.date | None, timezone: str
) -> tuple[dt.datetime | None, dt.datetime | None]:
    """From the beginning of `first` to the end of `last` (exclusive), each None where it is not given."""
    start = clock.between(first, first, timezone).start if first else None
    end = clock.between(last, last + dt.timedelta(days=1), timezone).end if last else None
    return start, end


def choices(anything: str, kinds: Iterable[StrEnum]) -> list[Any]:
    """`anything` for no choice, then each kind in words."""
    return [SelectChoice("", anything), *(SelectChoice(kind.value, spoken(kind)) for kind in kinds)]


def choice(value: str, label: str) -> Any:
    """One line of a select."""
    return SelectChoice(value, label)


def people(anybody: str, names: Mapping[int, str], me: int) -> list[Any]:
    """`anybody` for no choice, then whoever asks, then everybody else, by login id."""
    others = [SelectChoice(str(key), name) for key, name in names.items() if key != me]
    mine = [SelectChoice(str(me), f"Me ({names[me]})")] if me in names else []
    return [SelectChoice("", anybody), *mine, *others]


def spoken(kind: str) -> str:
    """`significant_drop` as `Significant drop`."""
    return kind.replace("_", " ").capitalize()


def _is_offered(field: Any) -> bool:
    return any(choice.value == field.data for choice in field.choices or ())


def _said(field: Any) -> str:
    label, value = str(field.label.text), field.data
    if hasattr(field, "choices"):
        return next(f"{label}: {choice.label}" for choice in field.choices if choice.value == value)
    if isinstance(value, dt.date):
        return f"{label} {value.day} {value:%b %Y}"
    return label if value is True else f"{label}: {value}"
