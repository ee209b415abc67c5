"""What subjects of reports are put together from: where their rows come from, and the fields they share."""

from dataclasses import dataclass

from dashboard.services.report_definitions import Field, FieldKind, Subject

ID, DAY = FieldKind.ID, FieldKind.DAY


@dataclass(frozen=True, slots=True)
class Source:
    """A subject, and where its rows come from."""

    subject: Subject
    sql: str
    """A SELECT of every field of the subject by its name."""
    order: tuple[str, ...]
    """By which fields its rows come; what is no field of the subject is a number."""


def text(name: str, label: str, *, is_usual: bool = True, can_group: bool = False) -> Field:
    """A text, filtered by what it contains."""
    return Field(name, label, FieldKind.TEXT, is_usual=is_usual, can_group=can_group)


def choice(name: str, label: str, choices: tuple[str, ...] = (), *, is_usual: bool = True) -> Field:
    """One of a few texts, by which one can group."""
    return Field(name, label, FieldKind.CHOICE, tuple(map(str, choices)), is_usual=is_usual, can_group=True)


def amount(name: str, label: str, *, is_usual: bool = True, is_summed: bool = True) -> Field:
    """Minor units of the row's currency."""
    return Field(name, label, FieldKind.AMOUNT, is_usual=is_usual, is_summed=is_summed)


def number(name: str, label: str, *, is_usual: bool = True, is_summed: bool = True) -> Field:
    """How many."""
    return Field(name, label, FieldKind.NUMBER, is_usual=is_usual, is_summed=is_summed)


def time(name: str, label: str, *, is_usual: bool = True) -> Field:
    """An instant."""
    return Field(name, label, FieldKind.TIME, is_usual=is_usual)


CURRENCY = choice("currency", "Currency")
PLAYER = (
    Field("player_id", "Player id", ID, is_usual=False, can_group=True),
    text("external_id", "External id", can_group=True),
    text("player", "Player", can_group=True),
)
AGENT = text("agent", "Agent in charge", can_group=True, is_usual=False)
CALENDAR = (
    Field("day", "Day", DAY, is_usual=False, can_group=True),
    Field("week", "Week from", DAY, is_usual=False, can_group=True),
    Field("month", "Month from", DAY, is_usual=False, can_group=True),
)
