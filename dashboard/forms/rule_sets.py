"""Rule sets as a manager types them: a pay table that follows the stages and periods that were named."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, cast

from werkzeug.datastructures import MultiDict
from wtforms import Field, IntegerField, RadioField, StringField
from wtforms.validators import InputRequired, Length, NumberRange, StopValidation, ValidationError
from wtforms.widgets import HiddenInput, TextInput

from dashboard.forms.base import DeskForm
from dashboard.forms.filters import choice
from dashboard.services import rule_set_tables
from dashboard.services.andar_bahar import LONGEST
from dashboard.services.rule_set_rows import NAME_LENGTH_MAX
from dashboard.services.rule_sets import (
    LABELS,
    MARKETS,
    PERIODS_MOST,
    SIDE_BETS,
    STAGES_MOST,
    Edge,
    First,
    Pays,
    PaysBy,
    Rules,
    pays_field,
    side_field,
)

Cell = tuple[int, int]
"""A row of the pay table: its stage, and after how many cards its period begins."""

_RATIO = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?|([0-9]{1,7})\s*[/:]\s*([0-9]{1,5})")
_PAYS = re.compile(r"pays-([1-9])-([0-9]{1,2})-[01]")
_TO_ONE = "Enter what it pays to one, such as 0.9 or 9/10."


class RatioField(Field):
    """What a bet pays to one, as a person types it: `0.9`, `1`, `9/10`. `data` is exact, None where empty."""

    widget = TextInput()
    data: Fraction | None

    def __init__(self, label: str, *, is_required: bool, **given: Any) -> None:
        super().__init__(label, render_kw={"inputmode": "decimal", "autocomplete": "off"}, **given)
        self.is_required = is_required

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook: read what was typed; a field that was not sent keeps what it began with."""
        if valuelist:
            self.data = _ratio(valuelist[0]) if valuelist[0] else None

    def pre_validate(self, form: Any) -> None:
        """Refuse nothing where something is owed."""
        if self.is_required and self.data is None and not self.process_errors:
            raise StopValidation(f"{_TO_ONE} 0 gives the stake back.")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else rule_set_tables.to_one(self.data)


class CardsField(Field):
    """Numbers of cards, `2, 4`; `data` is a tuple, ascending."""

    widget = TextInput()
    data: tuple[int, ...]

    def __init__(self, label: str, *, most: int, **given: Any) -> None:
        super().__init__(label, default=(), render_kw={"autocomplete": "off"}, **given)
        self.most = most

    def process_formdata(self, valuelist: list[str]) -> None:
        """WTForms' hook."""
        self.data = _cards(valuelist[0], most=self.most) if valuelist else self.data

    def _value(self) -> str:
        return str(self.raw_data[0]) if self.raw_data else ", ".join(map(str, self.data))


class RuleSetForm(DeskForm):
    """All of a rule set but its pay table, whose fields `laid_out` adds."""

    name: Any = None
    cells: Sequence[Cell] = ()
    """The rows of the pay table, in order."""
    unseen: Sequence[Cell] = ()
    """Those that were not on the page that was sent: nobody has looked at them."""

    first = RadioField(
        "Dealt first",
        choices=[
            choice(First.ANDAR, "Andar"),
            choice(First.BAHAR, "Bahar"),
            choice(First.JOKER_COLOUR, "By joker's colour"),
        ],
        validators=[InputRequired("Choose who is dealt first.")],
    )
    pays_by = RadioField(
        "Pays by",
        choices=[choice(PaysBy.SIDE, "Side"), choice(PaysBy.ORDER, "Order of dealing")],
        validators=[InputRequired("Choose what the pay table tells apart.")],
    )
    stages = CardsField("Betting opens again after", most=STAGES_MOST - 1)
    periods = CardsField("Pay also changes after", most=PERIODS_MOST - 1)

    def has_unseen_rows(self) -> bool:
        """Whether the pay table has rows that nobody has looked at; says so on top of the form."""
        if self.unseen:
            self.form_errors.append("The pay table has new rows: look at what they pay, then send it again.")
        return bool(self.unseen)

    @property
    def first_wrong(self) -> str:
        """What is wrong with the rules first, with its field; empty where nothing is. After `validate`."""
        others = {"name", "seen_version", "csrf_token"}
        faulty = (field for field in self if field.errors and field.name not in others)
        return next((f"{field.label.text}: {field.errors[0]}" for field in faulty), "")

    def rules(self) -> Rules:
        """What was typed. Call it after `validate`. Raises Rejected at what the rules of rules refuse."""
        return Rules(
            first=First(self.first.data),
            stages=(0, *self.stages.data),
            pays_by=PaysBy(self.pays_by.data),
            pays=tuple(
                Pays(stage, after, (self._pays(stage, after, 0), self._pays(stage, after, 1)))
                for stage, after in self.cells
            ),
            side_bets=tuple(
                (selection, ratio)
                for selection in SIDE_BETS
                if (ratio := self[side_field(selection)].data) is not None
            ),
        )

    def show_losing(self, edges: Sequence[Edge], rules: Rules) -> None:
        """Say at the place of each of these edges that the house would lose there."""
        for edge in edges:
            for name in _places(edge, rules):
                message = f"The house would lose {edge.percent.removeprefix('−')}: pay less."
                field = self[name]
                if message not in field.errors:
                    field.errors = [*field.errors, message]

    @property
    def stage_cells(self) -> dict[int, list[Cell]]:
        """The rows of the pay table by stage."""
        found: dict[int, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell[0], []).append(cell)
        return found

    @property
    def columns(self) -> tuple[str, str]:
        """What stands above the two columns of the pay table."""
        is_order = self.pays_by.data == PaysBy.ORDER
        return rule_set_tables.COLUMNS[PaysBy.ORDER if is_order else PaysBy.SIDE]

    def opening(self, stage: int) -> str:
        """When the bets of that stage are taken: `before any card`."""
        return rule_set_tables.opening(self.stage_cells[stage][0][1])

    def span(self, cell: Cell) -> str:
        """Which cards a row is for: `cards 3–4`."""
        return rule_set_tables.span(cell[1], {after for _stage, after in self.cells})

    def cell_field(self, cell: Cell, column: int) -> RatioField:
        """The field in that row and column of the pay table."""
        return cast(RatioField, self[pays_field(*cell, column)])

    def side_fields(self, market: str) -> dict[str, RatioField]:
        """The fields of the side bets of a market, by selection."""
        return {selection: cast(RatioField, self[side_field(selection)]) for selection in MARKETS[market]}

    def _pays(self, stage: int, after: int, column: int) -> Fraction:
        return cast(Fraction, self[pays_field(stage, after, column)].data)


class NewRuleSetForm(RuleSetForm):
    """A rule set that there is not yet."""

    name = StringField(
        "Name",
        validators=[
            InputRequired("Enter a name."),
            Length(max=NAME_LENGTH_MAX, message=f"Use at most {NAME_LENGTH_MAX} characters."),
        ],
        render_kw={"autocomplete": "off"},
    )


class NextVersionForm(RuleSetForm):
    """Another version of one, by somebody who has seen the version before it."""

    seen_version = IntegerField(
        widget=HiddenInput(),
        validators=[
            InputRequired("This form is damaged: reload the page."),
            NumberRange(1, 2**62, message="This form is damaged: reload the page."),
        ],
    )


def laid_out(
    kind: type[RuleSetForm], *, rules: Rules, sent: MultiDict[str, str] | None = None, **data: Any
) -> RuleSetForm:
    """The form with the pay table that fits: of what was `sent`, or of `rules` where nothing was.

    Rows that were not sent begin with what the row before them pays.
    """
    cells = _cells_sent(sent) if sent is not None else [(row.stage, row.after) for row in rules.pays]
    begins = _beginnings(cells, sent, rules)
    pays_by = rules.pays_by if sent is None else sent.get("pays_by")
    columns = rule_set_tables.COLUMNS[PaysBy.ORDER if pays_by == PaysBy.ORDER else PaysBy.SIDE]
    fields: dict[str, Any] = {}
    for (stage, after, column), ratio in begins.items():
        name = f"Stage {stage}, {rule_set_tables.span(after, {at for _, at in cells})}, {columns[column]}"
        fields[pays_field(stage, after, column)] = RatioField(name, is_required=True, default=ratio)
    on = dict(rules.side_bets)
    for selection in SIDE_BETS:
        fields[side_field(selection)] = RatioField(
            LABELS[selection], is_required=False, default=on.get(selection) if sent is None else None
        )
    metaclass: Any = type(kind)
    form: RuleSetForm = metaclass(kind.__name__, (kind,), fields)(
        formdata=sent,
        first=rules.first.value,
        pays_by=rules.pays_by.value,
        stages=rules.stages[1:],
        periods=tuple(after for after in rules.periods if after not in rules.stages),
        **data,
    )
    form.cells = cells
    if sent is not None:
        form.unseen = [cell for cell in cells if pays_field(*cell, 0) not in sent]
    return form


def _beginnings(
    cells: Sequence[Cell], sent: MultiDict[str, str] | None, rules: Rules
) -> dict[tuple[int, int, int], Fraction]:
    known = {(row.stage, row.after): row.ratios for row in rules.pays} if sent is None else {}
    found: dict[tuple[int, int, int], Fraction] = {}
    for column in (0, 1):
        last = Fraction(1)
        for stage, after in cells:
            if (stage, after) in known:
                last = known[stage, after][column]
            elif sent is not None:
                last = _readable(sent.get(pays_field(stage, after, column), ""), last)
            found[stage, after, column] = last
    return {(*cell, column): found[*cell, column] for cell in cells for column in (0, 1)}


def _cells_sent(sent: Mapping[str, str]) -> list[Cell]:
    """By the stages and periods that were typed; by the rows of the page where they are unreadable."""
    try:
        stages = (0, *_cards(sent.get("stages", ""), most=STAGES_MOST - 1))
        others = _cards(sent.get("periods", ""), most=PERIODS_MOST - 1)
    except ValueError:
        shown = {(int(found[1]), int(found[2])) for name in sent if (found := _PAYS.fullmatch(name))}
        return sorted(shown)[: STAGES_MOST * PERIODS_MOST] or [(1, 0)]
    periods = sorted({*stages, *others})[:PERIODS_MOST]
    return [(stage, after) for stage, opens in enumerate(stages, 1) for after in periods if after >= opens]


def _cards(text: str, *, most: int) -> tuple[int, ...]:
    parts = [part for part in re.split(r"[,;\s]+", text) if part]
    if not all(re.fullmatch("[0-9]{1,2}", part) and 1 <= int(part) < LONGEST for part in parts):
        raise ValidationError(f"Enter numbers of cards from 1 to {LONGEST - 1}, such as 2, 4.")
    if len(set(parts)) > most:
        raise ValidationError(f"At most {most} of them.")
    return tuple(sorted({int(part) for part in parts}))


def _ratio(text: str) -> Fraction:
    match = _RATIO.fullmatch(text)
    if match is None or (match[4] and not int(match[4])):
        raise ValidationError(_TO_ONE)
    if match[3]:
        return Fraction(int(match[3]), int(match[4]))
    return Fraction(f"{match[1]}.{match[2] or 0}")


def _readable(text: str, otherwise: Fraction) -> Fraction:
    try:
        return _ratio(text.strip())
    except ValidationError:
        return otherwise


def _places(edge: Edge, rules: Rules) -> list[str]:
    if edge.selection in SIDE_BETS:
        return [side_field(edge.selection)]
    table = rule_set_tables.tables(rules)[edge.stage - 1]
    return [
        pays_field(edge.stage, table.lines[0].after, column)
        for column, edges in enumerate(table.edges)
        if edge.value in {shown.value for shown in edges}
    ]
