"""What becomes of the old tables of loyalty, patient by patient, before anything is written. Pure.

A patient moves in whole or not at all: where one row is refused, the patient's other rows are held back,
so that nobody stands there with half of their points, and a mended file brings in the rest.
"""

import datetime as dt
import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dashboard import clock
from dashboard.services import loyalty_tiers
from dashboard.services.imports import legacy_loyalty_tiers, legacy_values
from dashboard.services.imports import legacy_loyalty_values as values
from dashboard.services.imports.legacy_files import Row, Tables
from dashboard.services.imports.legacy_loyalty_files import MOVED
from dashboard.services.imports.legacy_loyalty_tiers import CardType
from dashboard.services.imports.legacy_report import Note, RefusedRow
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.points_standing import Programme

UNENDING_YEARS = 10
"""Points that never expired there are valid for so long from the day on which they move in."""


@dataclass(frozen=True, slots=True)
class House:
    """Where the patients move in."""

    operator_id: int
    programme: Programme
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Points that a patient was given."""

    row: Row
    at: dt.datetime
    points: int
    expires_on: dt.date
    amount: int | None
    """What was paid, in minor units, where it is known."""
    reference: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """Points that a patient redeemed, or that were taken off."""

    row: Row
    at: dt.datetime
    points: int
    payment: str | None = None

    @property
    def is_redemption(self) -> bool:
        """Whether it was redeemed; a load of less than nothing took it off."""
        return self.row.table == "loyalty_redemptions"


@dataclass(frozen=True, slots=True)
class Step:
    """A patient comes to a tier, or to none (no code)."""

    row: Row
    at: dt.datetime
    code: str | None
    valid_until: dt.date | None
    reason: str


@dataclass(frozen=True, slots=True)
class Card:
    """A card that a patient has or had."""

    row: Row
    number: str
    code: str
    issued_on: dt.date
    expires_on: dt.date
    is_active: bool
    """Whether it is the one in use there."""


@dataclass(slots=True)
class Moving:
    """A patient who is to move in, with all that is theirs."""

    old_id: str
    rows: list[Row] = field(default_factory=list)
    events: list[Load | Use | Step] = field(default_factory=list)
    """In time order; at the same instant loads first."""
    cards: list[Card] = field(default_factory=list)
    outcomes: dict[int, str] = field(default_factory=dict)
    """By `id` of a row that did not move: `inactive`, `deleted` or `left_out`."""
    loaded: int = 0
    redeemed: int = 0
    inactive: int = 0
    deleted: int = 0
    """Points, as `LegacyMember` has them."""

    def digest(self) -> bytes:
        """SHA-256 over all rows."""
        return hashlib.sha256(b"".join(sorted(row.digest() for row in self.rows))).digest()

    @property
    def card_in_use(self) -> Card | None:
        """The card that says which tier the patient is in."""
        return next((card for card in self.cards if card.is_active), None)


@dataclass(slots=True)
class Plan:
    """Who moves in, and what does not."""

    types: Mapping[str, CardType]
    """By code: which tier each is, or is to become."""
    moving: list[Moving]
    refused: list[RefusedRow]
    notes: list[Note]


def make(tables: Tables, house: House, *, now: dt.datetime) -> Plan:
    """Read every row, put them together by patient, and sort out what cannot move in."""
    return _Maker(tables, house, now=now).plan()


class _Maker:
    def __init__(self, tables: Tables, house: House, *, now: dt.datetime) -> None:
        self._tables, self._house, self._now = tables, house, now
        self._zone = house.programme.timezone
        self._refused: list[RefusedRow] = []
        self._notes: list[Note] = []
        self._types: dict[str, CardType] = {}
        """By old id."""
        self._numbers: dict[str, str] = {}
        """Whose card has that number, by number."""
        self._loads: dict[str, str] = {}
        """Whose load it was, by old id of `loyalty_points`."""
        self._wrong: list[tuple[Row, str]] = []
        """Rows of the patient at hand, and what is wrong with each."""

    def plan(self) -> Plan:
        self._read_types()
        self._loads = {row.old_id: row.player_id for row in self._tables.rows("loyalty_points")}
        moving = [
            made for old_id, rows in self._by_patient().items() if (made := self._patient(old_id, rows))
        ]
        types = {one.tier.code: one for one in self._types.values()}
        return Plan(types, moving, self._refused, self._notes)

    def _read_types(self) -> None:
        taken = list(self._house.tiers)
        for row in self._tables.rows("loyalty_card_types"):
            try:
                if row.old_id in self._types:
                    raise ValueError(f"the card type {row.old_id} is there twice")
                made, notes = legacy_loyalty_tiers.read(
                    row, taken, currency=self._house.programme.currency, place=len(self._types) + 1
                )
            except ValueError as error:
                self._refuse(row, str(error))
                continue
            self._types[row.old_id] = made
            if not made.is_there:
                taken.append(made.tier)
            for text in notes:
                self._note(row, text)

    def _by_patient(self) -> dict[str, dict[str, list[Row]]]:
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        lowered: dict[str, str] = {}
        for row in self._tables.moved():
            try:
                legacy_values.identifier(row.player_id, what="the patient's id")
            except ValueError as error:
                self._refuse(row, str(error))
                continue
            if lowered.setdefault(row.player_id.lower(), row.player_id) != row.player_id:
                other = lowered[row.player_id.lower()]
                self._refuse(row, f"the id {row.player_id} differs from {other} by its capitals alone")
            else:
                found[row.player_id][row.table].append(row)
        return found

    def _patient(self, old_id: str, rows: Mapping[str, list[Row]]) -> Moving | None:
        """The patient with all that is theirs; None, and all rows refused, where one of them is."""
        self._wrong = []
        told = len(self._notes)
        moving = Moving(old_id, [row for table in MOVED for row in rows.get(table, ())])
        self._refuse_doubles(moving.rows)
        for table, read in (
            ("loyalty_points", self._read_points),
            ("loyalty_redemptions", self._read_redemption),
            ("patient_loyalty_cards", self._read_card),
            ("loyalty_card_tier_history", self._read_step),
        ):
            for row in rows.get(table, ()):
                self._attempt(read, moving, row)
        if self._wrong:
            # What is told of a patient who does not move in would only distract from the reason why.
            del self._notes[told:]
            self._hold_back(moving.rows)
            return None
        self._leave_one_in_use(moving)
        if not any(isinstance(event, Step) for event in moving.events):
            self._steps_of_cards(moving)
        moving.events.sort(key=_in_time)
        return moving

    def _read_points(self, moving: Moving, row: Row) -> None:
        points = values.whole(row["points"], what="points")
        moving.loaded += points
        if values.is_deleted(row):
            moving.deleted += points
            moving.outcomes[id(row)] = "deleted"
            return
        at = self._instant(row, "created_at", row["created_at"])
        if row["is_active"] and not legacy_values.flag(row["is_active"], what="is_active"):
            moving.inactive += points
            moving.outcomes[id(row)] = "inactive"
        elif points > 0:
            moving.events.append(self._load(row, at, points))
        elif points < 0:
            self._note(row, f"{points:,} points: taken off, as an adjustment")
            moving.events.append(Use(row, at, -points))
        else:
            self._leave_out(moving, row, "no points")

    def _load(self, row: Row, at: dt.datetime, points: int) -> Load:
        day = clock.local(at, self._zone).date()
        expires_on = values.day(row["expiry_date"], what="expiry_date")
        if expires_on is None:
            today = clock.local(self._now, self._zone).date()
            expires_on = loyalty_tiers.months_later(today, 12 * UNENDING_YEARS)
            self._note(row, f"{points:,} points never expire there: here on {expires_on}")
        if expires_on < day:
            raise ValueError(f"expiry_date: {expires_on} is before {day}, when they were loaded")
        currency = self._house.programme.currency
        amount = legacy_values.amount(row["points_value"], currency, what="points_value", minor_units=False)
        legacy_values.not_negative(amount, what="points_value")
        return Load(row, at, points, expires_on, amount or None, _reference(row["reference_id"]))

    def _read_redemption(self, moving: Moving, row: Row) -> None:
        points = values.whole(row["points_redeemed"], what="points_redeemed")
        if points < 0:
            raise ValueError("points_redeemed is negative")
        moving.redeemed += points
        if values.is_deleted(row):
            moving.deleted -= points
            moving.outcomes[id(row)] = "deleted"
            return
        if not points:
            self._leave_out(moving, row, "no points")
            return
        at = self._of_the_day(row)
        owner = self._loads.get(row["point_id"], moving.old_id) if row["point_id"] else moving.old_id
        if owner != moving.old_id:
            self._note(row, f"point_id {row['point_id']} is a load of patient {owner}")
        moving.events.append(Use(row, at, points, _reference(row["payment_id"])))

    def _of_the_day(self, row: Row) -> dt.datetime:
        """When a redemption was: without a time of day, at the time of the row, or at the end of the day.

        So that what was loaded on the same day was there for it.
        """
        day = values.only_a_day(row["redemption_date"])
        if day is None:
            return self._instant(row, "redemption_date", row["redemption_date"] or row["created_at"])
        span = clock.between(day, day + dt.timedelta(days=1), self._zone)
        if span.start > self._now:
            raise ValueError(f"redemption_date: “{row['redemption_date']}” lies in the future")
        written = values.moment_or_none(row["created_at"])
        if written is not None and span.start <= written < span.end and written <= self._now:
            return written
        return min(span.end - dt.timedelta(seconds=1), self._now)

    def _read_card(self, moving: Moving, row: Row) -> None:
        code = self._code(row)
        if values.is_deleted(row):
            moving.outcomes[id(row)] = "deleted"
            return
        is_active = not row["is_active"] or legacy_values.flag(row["is_active"], what="is_active")
        issued_on = values.day(row["issue_date"] or row["created_at"], what="issue_date")
        months = self._types[row["card_type_id"]].tier.validity_months
        expires_on = values.day(row["expiry_date"], what="expiry_date")
        if issued_on is None:
            raise ValueError("issue_date is empty, and so is created_at")
        if expires_on is None:
            expires_on = loyalty_tiers.months_later(issued_on, months)
        if expires_on < issued_on:
            raise ValueError(f"expiry_date: {expires_on} is before {issued_on}, when it was issued")
        if clock.between(issued_on, issued_on, self._zone).start > self._now:
            raise ValueError(f"issue_date: “{issued_on}” lies in the future")
        moving.cards.append(Card(row, self._number(moving, row), code, issued_on, expires_on, is_active))

    def _number(self, moving: Moving, row: Row) -> str:
        """The card's number; empty, with a note, where none of ours can be that."""
        number = row["card_number"]
        if not values.is_card_number(number):
            self._leave_out(
                moving, row, f"“{number}” is no card number: the card is left out, its tier counts"
            )
            return ""
        owner = self._numbers.setdefault(number, moving.old_id)
        if owner != moving.old_id or any(card.number == number for card in moving.cards):
            self._leave_out(moving, row, f"{number} is already a card of patient {owner}: left out")
            return ""
        return number

    def _read_step(self, moving: Moving, row: Row) -> None:
        if values.is_deleted(row):
            moving.outcomes[id(row)] = "deleted"
            return
        code = self._code(row) if row["card_type_id"] else None
        at = self._instant(row, "change_date", row["change_date"])
        valid_until = None
        if code is not None:
            valid_until = self._valid_until(moving, row["card_type_id"], clock.local(at, self._zone).date())
        reason = f"Moved in: {row['reason']}" if row["reason"] else "Moved in from the history of tiers"
        moving.events.append(Step(row, at, code, valid_until, reason[:500]))

    def _valid_until(self, moving: Moving, type_id: str, day: dt.date) -> dt.date:
        """Until when a tier is valid that begins on that day: as its card says, or as the tier does."""
        tier = self._types[type_id].tier
        ends = [
            card.expires_on
            for card in moving.cards
            if card.code == tier.code and card.issued_on <= day <= card.expires_on
        ]
        return max(ends, default=loyalty_tiers.months_later(day, tier.validity_months))

    def _leave_one_in_use(self, moving: Moving) -> None:
        """Of several active cards the one that was issued last stays in use."""
        active = sorted(
            (card for card in moving.cards if card.is_active),
            key=lambda card: (card.issued_on, card.row.line),
        )
        for card in active[:-1]:
            place = moving.cards.index(card)
            moving.cards[place] = Card(
                card.row, card.number, card.code, card.issued_on, card.expires_on, is_active=False
            )
            self._note(card.row, f"line {active[-1].row.line} is a later card of this patient: not in use")

    def _steps_of_cards(self, moving: Moving) -> None:
        """Where no history says it, each card brought its tier on the day of its issue."""
        for card in moving.cards:
            at = clock.between(card.issued_on, card.issued_on, self._zone).start
            reason = f"Moved in: card of {card.issued_on}"
            moving.events.append(Step(card.row, at, card.code, card.expires_on, reason))

    def _code(self, row: Row) -> str:
        found = self._types.get(row["card_type_id"])
        if found is None:
            raise ValueError(f"card_type_id: there is no card type “{row['card_type_id']}” that moves in")
        return found.tier.code

    def _instant(self, row: Row, column: str, cell: str) -> dt.datetime:
        read = values.instant(cell, what=column, zone=self._zone)
        if read is None:
            raise ValueError(f"{column} is empty")
        if read > self._now:
            raise ValueError(f"{column}: “{cell}” lies in the future")
        return read

    def _attempt(self, read: Callable[[Moving, Row], None], moving: Moving, row: Row) -> None:
        try:
            read(moving, row)
        except ValueError as error:
            self._wrong.append((row, str(error)))

    def _refuse_doubles(self, rows: Sequence[Row]) -> None:
        first: dict[tuple[str, str], Row] = {}
        for row in rows:
            other = first.setdefault((row.table, old_id(row)), row)
            if other is not row:
                self._wrong.append((row, f"line {other.line} has that id already"))
            if len(old_id(row)) > values.ID_MAX:
                self._wrong.append((row, f"its id has more than {values.ID_MAX} characters"))

    def _hold_back(self, rows: Sequence[Row]) -> None:
        """Refuse the rows that are wrong, and with them the patient's others."""
        wrong: dict[int, list[str]] = defaultdict(list)
        for row, reason in self._wrong:
            wrong[id(row)].append(reason)
        first = self._wrong[0][0]
        held = f"held back with line {first.line} of {self._tables.file(first.table)}"
        for row in rows:
            self._refuse(row, "; ".join(wrong[id(row)]) or held)

    def _refuse(self, row: Row, reason: str) -> None:
        self._refused.append(RefusedRow(row.table, self._tables.file(row.table), row.line, reason))

    def _note(self, row: Row, text: str) -> None:
        self._notes.append(Note(self._tables.file(row.table), row.line, row["player_id"], text))

    def _leave_out(self, moving: Moving, row: Row, text: str) -> None:
        moving.outcomes[id(row)] = "left_out"
        self._note(row, text)


def old_id(row: Row) -> str:
    """The id of a row in its table; a history without ids has its lines."""
    return row["id"] or f"line {row.line}"


def _reference(cell: str) -> str | None:
    return cell[:100] or None


def _in_time(event: Load | Use | Step) -> tuple[dt.datetime, int, int]:
    return event.at, (Step, Load, Use).index(type(event)), event.row.line
