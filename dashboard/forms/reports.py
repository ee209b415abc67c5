"""Reports: which columns, filters, grouping and period somebody wants of a subject; and keeping it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import new_class
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, Field, SelectField, StringField
from wtforms.validators import InputRequired, Length

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import Column, DayField, FilterForm, choice, spoken
from dashboard.services import report_definitions
from dashboard.services.report_definitions import (
    Choice,
    Definition,
    FieldKind,
    Filter,
    Operation,
    PeriodKind,
    Subject,
    key_of,
)
from dashboard.services.report_definitions import Field as SubjectField

NAME_MOST = 80
_PERIODS: Mapping[PeriodKind, str] = {
    PeriodKind.TODAY: "Today",
    PeriodKind.YESTERDAY: "Yesterday",
    PeriodKind.LAST_WEEK: "Last week",
    PeriodKind.LAST_MONTH: "Last month",
    PeriodKind.DAILY: "24 hours",
    PeriodKind.WEEKLY: "7 days",
    PeriodKind.MONTHLY: "30 days",
    PeriodKind.YEARLY: "12 months",
    PeriodKind.CUSTOM: "Other days",
}
_SAYS = {Operation.LEAST: "from", Operation.MOST: "to"}
_NOTHING = "none"
"""Stands in the URL for no grouping, where the ready-made report has one."""


class ReportForm(FilterForm):
    """What somebody wants of `subject`; its fields are made by `form_of`."""

    subject: ClassVar[Subject]

    def __init__(self, given: Any, *, currencies: Sequence[str]) -> None:
        super().__init__(given)
        if "period" in self._fields and not self.period.data:
            self.period.data = PeriodKind.MONTHLY.value
        if "is_currency" in self._fields:
            codes = [choice(code, code) for code in currencies]
            self.is_currency.choices = [choice("", "Every currency"), *codes]
        self.grouped = self._grouping(given)

    def _grouping(self, given: Any) -> tuple[str, ...]:
        if "group" not in given:
            return self.subject.usual_group
        wanted = ",".join(given.getlist("group")).split(",")
        return tuple(each.name for each in self.groups if each.name in wanted)

    @property
    def groups(self) -> list[SubjectField]:
        """By what one can group."""
        return [each for each in self.subject.fields if each.can_group]

    @property
    def filter_names(self) -> list[str]:
        """The fields that narrow the rows, the currency first."""
        keys = [key_of(each.name, operation) for each in self.subject.fields for operation in each.operations]
        return sorted(keys, key=lambda key: key != "is_currency")

    def uses(self, names: Sequence[str]) -> bool:
        """Whether one of these fields is filled in, rightly or wrongly."""
        return any(self._fields[name].data or self._fields[name].errors for name in names)

    @property
    def is_custom(self) -> bool:
        """Whether the days are typed."""
        return "period" in self._fields and bool(self.period.data == PeriodKind.CUSTOM)

    def arranged(self) -> dict[str, str]:
        """Columns and grouping as they stand in the URL, where they are not the usual ones."""
        found: dict[str, str] = super().arranged()
        if self.grouped != self.subject.usual_group:
            found["group"] = ",".join(self.grouped) or _NOTHING
        return found

    def wanted(self) -> Definition:
        """The report asked for, without what is wrong of it, which then stands at its field.

        Call it after `validate`.
        """
        asked = Definition(
            self.subject.name,
            columns=self.shown if self.shown != self._usual() else (),
            filters=tuple(self._filters()),
            group=self.grouped,
            period=self._period(),
        )
        wrong = {problem.field: problem.message for problem in self._problems(asked)}
        for name, message in wrong.items():
            if name in self._fields:
                self._fields[name].errors = [*self._fields[name].errors, message]
        return replace(
            asked,
            filters=tuple(each for each in asked.filters if each.key not in wrong),
            group=() if "group" in wrong else asked.group,
            period=Choice() if {"since", "until"} & set(wrong) else asked.period,
        )

    def _problems(self, asked: Definition) -> list[report_definitions.Problem]:
        found = report_definitions.problems(asked, self.subject)
        if any(problem.field == "group" for problem in found):
            self.form_errors.extend(each.message for each in found if each.field == "group")
        return found

    def _filters(self) -> Iterator[Filter]:
        for each in self.subject.fields:
            for operation in each.operations:
                value = self.good(key_of(each.name, operation))
                if value:
                    yield Filter(each.name, operation, str(value))

    def _period(self) -> Choice:
        if "period" not in self._fields:
            return Choice()
        kind = PeriodKind(self.good("period") or PeriodKind.MONTHLY)
        if kind != PeriodKind.CUSTOM:
            return Choice(kind)
        return Choice(kind, self.good("since"), self.good("until"))


class PlayerReportForm(FilterForm):
    """Of which period one player's report is."""

    period = SelectField(
        "Period", choices=[choice(*each) for each in _PERIODS.items()], validate_choice=False
    )
    since = DayField("From")
    until = DayField("To")

    def __init__(self, given: Any) -> None:
        super().__init__(given)
        if not self.period.data:
            self.period.data = PeriodKind.MONTHLY.value

    def wanted(self, subject: Subject) -> Choice:
        """The period asked for; the usual one where what was typed is none, with the error at its field."""
        kind = PeriodKind(self.good("period") or PeriodKind.MONTHLY)
        asked = Choice(kind, self.good("since"), self.good("until"))
        wrong = report_definitions.problems(Definition(subject.name, period=asked), subject)
        for name, message in wrong:
            self._fields[name].errors = [*self._fields[name].errors, message]
        return Choice() if wrong else asked


class SavedReportForm(DeskForm):
    """What a report is called, and who sees it."""

    scope = "report"

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_MOST, message=f"A name has at most {NAME_MOST} characters."),
        ],
        render_kw={"autocomplete": "off", "maxlength": NAME_MOST},
    )
    is_shared = BooleanField("All staff who see reports see it")


def form_of(subject: Subject, given: Any, *, currencies: Sequence[str]) -> ReportForm:
    """The form of a subject, filled in from what stands in the URL."""
    return _class_of(subject)(given, currencies=currencies)


def query_of(definition: Definition, subject: Subject) -> dict[str, str]:
    """What stands in the URL of a report; the other way than `ReportForm.wanted`."""
    period = definition.period
    days = {"since": period.first, "until": period.last}
    found = {each.key: each.value for each in definition.filters}
    if subject.is_dated:
        found["period"] = period.kind.value
        found |= {name: day.isoformat() for name, day in days.items() if day}
    if definition.columns:
        found["cols"] = ",".join(definition.columns)
    if definition.group != subject.usual_group:
        found["group"] = ",".join(definition.group) or _NOTHING
    return found


def given_by(definition: Definition, subject: Subject) -> MultiDict[str, str]:
    """The same as a request would bring it."""
    return MultiDict(query_of(definition, subject))


def written(query: Mapping[str, str]) -> str:
    """As it stands behind the question mark; empty for nothing."""
    return urlencode({name: value for name, value in query.items() if value})


@cache
def _class_of(subject: Subject) -> type[ReportForm]:
    fields: dict[str, Any] = {}
    if subject.is_dated:
        kinds = [choice(*each) for each in _PERIODS.items()]
        fields["period"] = SelectField("Period", choices=kinds, validate_choice=False)
        fields["since"], fields["until"] = DayField("From"), DayField("To")
    for each in subject.fields:
        for operation in each.operations:
            fields[key_of(each.name, operation)] = _field(each, operation)
    shown = tuple(Column(each.name, each.label, each.is_usual) for each in subject.fields)
    body = {**fields, "columns": shown, "subject": subject}
    return cast(
        type[ReportForm], new_class("ReportForm", (ReportForm,), exec_body=lambda room: room.update(body))
    )


def _field(of: SubjectField, operation: Operation) -> Field:
    if of.kind == FieldKind.CHOICE:
        offered = [choice("", "Any"), *(choice(each, spoken(each)) for each in of.choices)]
        return SelectField(of.label, choices=offered, validate_choice=False)
    label = f"{of.label} {_SAYS[operation]}" if operation in _SAYS else of.label
    is_figure = of.kind in {FieldKind.NUMBER, FieldKind.AMOUNT, FieldKind.ID}
    return StringField(label, render_kw={"inputmode": "decimal"} if is_figure else {})
