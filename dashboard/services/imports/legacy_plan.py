"""What becomes of the old tables, player by player, before anything is written. Pure.

A player moves in whole or not at all: where one row is refused, the player's other rows are held back,
so that no wallet stands there with half of its money, and a mended file brings in the rest.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dashboard import money
from dashboard.models.bonus import BonusState
from dashboard.models.vip import Level
from dashboard.services import vip
from dashboard.services.imports import legacy_grants as grants
from dashboard.services.imports import legacy_values as values
from dashboard.services.imports.legacy_files import MOVED, Row, Tables
from dashboard.services.imports.legacy_grants import Grant
from dashboard.services.imports.legacy_report import Difference, Note, RefusedRow

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, slots=True)
class House:
    """Where the players move in."""

    operator_id: int
    currency: str
    currencies: frozenset[str]
    """Those with VIP rules: in any other, no change would ever be possible."""
    xp_from: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Opening:
    """What one balance begins with, in minor units; both parts may be 0."""

    row: Row
    currency: str
    real: int
    bonus: int
    pending: int

    @property
    def total(self) -> int:
        """Real and bonus together."""
        return self.real + self.bonus


@dataclass(frozen=True, slots=True)
class Standing:
    """A player's VIP level and xp."""

    level: str
    xp: int
    total_xp: int
    reason: str


@dataclass(slots=True)
class Moving:
    """A player who is to move in, with all that is the player's."""

    old_id: str
    name: str
    email: str | None = None
    country: str | None = None
    created_at: dt.datetime | None = None
    standing: Standing | None = None
    frozen: bool = False
    openings: dict[str, Opening] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


@dataclass(slots=True)
class Plan:
    """Who moves in, and what does not."""

    moving: list[Moving]
    refused: list[RefusedRow]
    differences: list[Difference]
    notes: list[Note]
    recorded: dict[str, tuple[int, int]]
    """By currency: real and bonus that all readable old balances add up to, moving in or not."""


def make(tables: Tables, house: House, *, minor_units: bool, now: dt.datetime) -> Plan:
    """Read every row, put them together by player, and sort out what cannot move in."""
    maker = _Maker(tables, house, minor_units=minor_units, now=now)
    return maker.plan()


class _Maker:
    def __init__(self, tables: Tables, house: House, *, minor_units: bool, now: dt.datetime) -> None:
        self._tables, self._house = tables, house
        self._minor_units, self._now = minor_units, now
        self._codes = {row["id"]: row["code"].upper() for row in tables.rows("currencies")}
        self._ranks = {row["id"]: row["name"] for row in tables.rows("vip_ranks")}
        self._kinds = grants.kinds(tables.rows("bonuses"))
        self._refused: list[RefusedRow] = []
        self._differences: list[Difference] = []
        self._notes: list[Note] = []
        self._recorded: dict[str, tuple[int, int]] = {}
        self._emails: dict[str, str] = {}
        self._wrong: list[tuple[Row, str]] = []
        """Rows of the player at hand, and what is wrong with each."""

    def plan(self) -> Plan:
        by_player = self._by_player()
        moving = [made for old_id, rows in by_player.items() if (made := self._player(old_id, rows))]
        self._refused.sort(key=lambda row: (list(MOVED).index(row.table), row.line))
        return Plan(moving, self._refused, self._differences, self._notes, self._recorded)

    def _by_player(self) -> dict[str, dict[str, list[Row]]]:
        """Each player's rows by table. Rows that are nobody's are refused here."""
        found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
        listed = {row["id"] for row in self._tables.rows("users")}
        lowered: dict[str, str] = {}
        for row in self._tables.moved():
            try:
                values.identifier(row.player_id, what="the player's id")
                values.identifier(row.old_id, what="the id")
            except ValueError as error:
                self._refuse(row, str(error))
                continue
            if listed and row.player_id not in listed:
                self._refuse(row, f"{self._tables.file('users')} has no player {row.player_id}")
            elif lowered.setdefault(row.player_id.lower(), row.player_id) != row.player_id:
                other = lowered[row.player_id.lower()]
                self._refuse(row, f"the id {row.player_id} differs from {other} by its capitals alone")
            else:
                found[row.player_id][row.table].append(row)
        return found

    def _player(self, old_id: str, rows: Mapping[str, list[Row]]) -> Moving | None:
        """The player with all that is theirs; None, and all rows refused, where one of them is."""
        self._wrong = []
        told = len(self._differences), len(self._notes)
        moving = Moving(
            old_id, f"Player {old_id}", rows=[row for table in MOVED for row in rows.get(table, ())]
        )
        self._refuse_doubles(moving.rows)
        for row in rows.get("users", ())[:1]:
            self._attempt(self._describe, moving, row)
        for row in rows.get("balances", ()):
            self._attempt(self._place_balance, moving, row)
        for row in [*rows.get("wallets", ()), *rows.get("users", ())]:
            self._attempt(self._place_container, moving, row)
        for row in rows.get("vip_infos", ())[:1]:
            self._attempt(self._place_standing, moving, row)
        for row in rows.get("player_bonuses", ()):
            self._attempt(self._place_grant, moving, row)
        if self._wrong:
            # What is told of a player who does not move in would only distract from the reason why.
            del self._differences[told[0] :], self._notes[told[1] :]
            self._hold_back(moving.rows)
            return None
        self._share_out(moving)
        return moving

    def _attempt(self, make: Callable[[Moving, Row], None], moving: Moving, row: Row) -> None:
        try:
            make(moving, row)
        except ValueError as error:
            self._wrong.append((row, str(error)))

    def _refuse_doubles(self, rows: list[Row]) -> None:
        first: dict[tuple[str, str], Row] = {}
        for row in rows:
            # There is one row of VIP for each player, whatever its own id.
            key = row.table, row.player_id if row.table == "vip_infos" else row.old_id
            other = first.setdefault(key, row)
            if other is not row:
                self._wrong.append((row, f"line {other.line} has that id already"))

    def _hold_back(self, rows: list[Row]) -> None:
        """Refuse the rows that are wrong, and with them the player's others."""
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
        self._notes.append(Note(self._tables.file(row.table), row.line, row.player_id, text))

    def _compare(self, row: Row, currency: str, what: str, *, ours: int, recorded: int) -> None:
        if ours != recorded:
            file = self._tables.file(row.table)
            self._differences.append(
                Difference(file, row.line, row.player_id, currency, what, ours, recorded)
            )

    def _amount(self, row: Row, column: str, currency: str) -> int:
        return values.amount(row[column], currency, what=column, minor_units=self._minor_units)

    def _currency(self, cell: str) -> str:
        if not cell:
            return self._house.currency
        code = self._codes.get(cell, cell).upper()
        if not money.is_currency(code):
            raise ValueError(f"“{cell}” is no currency, and no currencies.csv says what it stands for")
        if code not in self._house.currencies:
            raise ValueError(f"the operator has no VIP rules in {code}: no change would be possible in it")
        return code

    def _describe(self, moving: Moving, row: Row) -> None:
        name = row["name"] or row["username"]
        moving.name = name[:200] or moving.name
        moving.created_at = values.past_moment(row["created_at"], what="created_at", now=self._now)
        email, country = row["email"].lower(), row["country"].upper()
        if email and not _EMAIL.fullmatch(email):
            self._note(row, f"“{email}” is no e-mail address: left out")
        elif email and self._emails.setdefault(email, moving.old_id) != moving.old_id:
            self._note(row, f"{email} is already that of player {self._emails[email]}: left out")
        else:
            moving.email = email or None
        if country and not re.fullmatch("[A-Z]{2}", country):
            self._note(row, f"“{row['country']}” is no country code of two letters: left out")
        else:
            moving.country = country or None

    def _place_balance(self, moving: Moving, row: Row) -> None:
        currency = self._currency(row["currency"])
        real = self._amount(row, "amount", currency)
        bonus, pending = (
            values.not_negative(self._amount(row, column, currency), what=column)
            for column in ("bonus", "pending")
        )
        self._place(moving, Opening(row, currency, real, bonus, pending))
        if pending > max(0, real):
            raise ValueError(f"pending is more than the real balance of {money.show(real, currency)}")
        for column, ours in (
            ("real_balance", real),
            ("bonus_balance", bonus),
            ("total_balance", real + bonus),
        ):
            if row[column]:
                recorded = self._amount(row, column, currency)
                self._compare(row, currency, column, ours=ours, recorded=recorded)

    def _place_container(self, moving: Moving, row: Row) -> None:
        """A balance on the wallet or the user: the money itself where there is no other, or to compare."""
        moving.frozen |= values.flag(row["is_frozen"], what="is_frozen")
        if not row["balance"]:
            return
        currency = self._currency(row["currency"])
        recorded = self._amount(row, "balance", currency)
        opening = moving.openings.get(currency)
        if opening is None or opening.row.table == row.table:
            self._place(moving, Opening(row, currency, recorded, 0, 0))
        else:
            what = f"balance in {row.table}"
            self._compare(row, currency, what, ours=opening.total, recorded=recorded)

    def _place(self, moving: Moving, opening: Opening) -> None:
        real, bonus = self._recorded.get(opening.currency, (0, 0))
        self._recorded[opening.currency] = (real + opening.real, bonus + opening.bonus)
        other = moving.openings.setdefault(opening.currency, opening)
        if other is not opening:
            raise ValueError(f"line {other.row.line} is this player's balance in {opening.currency} already")

    def _place_standing(self, moving: Moving, row: Row) -> None:
        xp = values.count(row["xp"], what="xp")
        total_xp = values.count(row["total_xp"], what="total_xp") if row["total_xp"] else xp
        if xp > total_xp:
            raise ValueError(f"xp of {xp} are more than the total of {total_xp}")
        rank = self._ranks.get(row["current_rank_id"], row["current_rank_id"])
        for name in (rank, row["level"]):
            if name.lower() in set(Level):
                moving.standing = Standing(name.lower(), xp, total_xp, f"Moved in with rank {name}.")
                return
        if rank:
            self._note(row, f"rank “{rank}” is none of our levels: the level follows from total xp")
        level = vip.level_for(total_xp, self._house.xp_from)
        moving.standing = Standing(level, xp, total_xp, f"Moved in with {total_xp} xp.")

    def _place_grant(self, moving: Moving, row: Row) -> None:
        currency = self._currency(row["currency"])
        if not row["currency"] and len(moving.openings) == 1:
            (currency,) = moving.openings
        elif not row["currency"] and moving.openings and currency not in moving.openings:
            raise ValueError("it says no currency, and the player has several balances")
        kind = self._kinds.get(row["bonus_id"])
        moving.grants.append(grants.read(row, currency, kind, minor_units=self._minor_units, now=self._now))

    def _share_out(self, moving: Moving) -> None:
        """Give every balance's bonus to its grants, oldest first in the order of the player."""
        moving.grants.sort(key=lambda grant: (grant.granted_at, grant.line or 0))
        for currency in sorted({*moving.openings, *(grant.currency for grant in moving.grants)}):
            opening = moving.openings.get(currency)
            bonus = opening.bonus if opening else 0
            own = [grant for grant in moving.grants if grant.currency == currency]
            active = [grant for grant in own if grant.state == BonusState.ACTIVE]
            if opening and bonus and not active:
                moving.grants.append(grants.moved_in(currency, bonus, now=self._now))
                continue
            granted = sum(grant.amount for grant in active)
            if opening and bonus > granted:
                self._compare(opening.row, currency, "bonus of grants", ours=granted, recorded=bonus)
            grants.spread(own, bonus)
        for grant in moving.grants:
            self._note_grant(moving, grant)

    def _note_grant(self, moving: Moving, grant: Grant) -> None:
        """Say where money will move by itself because of what moved in."""
        amount = f"{money.show(grant.amount, grant.currency)} {grant.currency}"
        if grant.state == BonusState.QUEUED:
            text = f"{amount} of {grant.name} are queued: they are given when their turn comes"
        elif grant.state == BonusState.ACTIVE and grant.wagered >= grant.required:
            text = f"{grant.name} is wagered and was not paid out: the next bet that it stakes completes it"
        else:
            return
        if grant.line is not None:
            file = self._tables.file("player_bonuses")
            self._notes.append(Note(file, grant.line, moving.old_id, text))
