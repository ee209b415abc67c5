"""Any sequence of changes, reversals, freezes and sets, against a model of plain Python.

The model knows the specification's rules and nothing of the code: sums of lists, and a date in UTC.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, NullPool, create_engine, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType as T
from dashboard.services import balances, chain, standings, wallets
from dashboard.services.actors import SYSTEM, Actor
from tests.builders import NOW, change_request, make_actor, make_operator, make_player
from tests.conftest import database_url
from tests.vip_table import CRITICAL_THRESHOLD, TABLE, WARNING_THRESHOLD, Row

CURRENCIES = ("USD", "EUR")
LEVELS = (TABLE[0], TABLE[5])
"""The first player has no level, the second is diamond."""
OPENING = 30_000_00
LIMITED = {T.DEPOSIT, T.WITHDRAWAL, T.ADJUSTMENT}
COVERED = {T.WITHDRAWAL, T.WAGER}
IRREVERSIBLE = {T.REVERSAL, T.WAGER, T.SETTLEMENT, T.REFUND}
FREE = {T.SETTLEMENT, T.REFUND, T.REVERSAL}
"""What a frozen wallet takes and no rule refuses."""
LINES = {"warning": WARNING_THRESHOLD * 100, "critical": CRITICAL_THRESHOLD * 100, "negative": 0}

_ENTRIES = text("SELECT * FROM wallet_entries WHERE player_id = ANY(:players) ORDER BY 1, 2, 3")

seats = st.integers(0, len(LEVELS) - 1)
currencies = st.sampled_from(CURRENCIES)
sizes = st.one_of(
    st.integers(1, 200_000),
    st.sampled_from([1, 25_000_00, 12_500_00, 12_500_01, 500_000_00, 10_000_00, 1_000_000_00, 4_999_999_99]),
)
margins = st.sampled_from([-1, 0, 4_99, 5_00, 49_99, 50_00])
"""Above a line: 5 % of 100.00 and of 1,000.00, and a cent less."""


@dataclass
class Entry:
    change_type: T
    delta: int
    on: dt.date
    reverses: int | None = None


@dataclass
class Journal:
    entries: list[Entry] = field(default_factory=list)
    open_alerts: set[str] = field(default_factory=set)

    @property
    def real(self) -> int:
        return sum(entry.delta for entry in self.entries)

    def used(self, of_period: Callable[[dt.date], object], today: dt.date) -> int:
        return sum(
            abs(entry.delta)
            for entry in self.entries
            if entry.change_type in LIMITED and of_period(entry.on) == of_period(today)
        )

    def append(self, entry: Entry) -> None:
        before, after = self.real, self.real + entry.delta
        for name, line in LINES.items():
            if before >= line > after:
                self.open_alerts.add(name)
            elif after > before and after * 20 >= line * 21:
                self.open_alerts.discard(name)
        self.entries.append(entry)


@dataclass
class Made:
    """A change that was made by a key of its own, and how to send it again."""

    work: Callable[[Session], object]
    request: balances.Request
    currency: str
    sequence: int


class JournalMachine(RuleBasedStateMachine):
    """Two players of one operator, two currencies; time moves on in hours."""

    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self._connection = self.engine.connect()
        self._transaction = self._connection.begin()
        self.session = Session(
            self._connection, join_transaction_mode="create_savepoint", expire_on_commit=False
        )
        operator = make_operator(self.session, currencies=CURRENCIES[1:], timezone="UTC")
        self.manager: Actor = make_actor(self.session, operator_id=operator, role=Role.MANAGER)
        self.players = [
            make_player(self.session, operator_id=operator, balance_minor=OPENING) for _ in LEVELS
        ]
        for player, row in zip(self.players, LEVELS, strict=True):
            self.session.execute(
                text("UPDATE wallets SET vip_level = :level WHERE player_id = :p"),
                {"level": row.level, "p": player},
            )
        self.now = NOW
        self.journals = {(seat, code): Journal() for seat in range(len(LEVELS)) for code in CURRENCIES}
        for seat in range(len(LEVELS)):
            self.journals[seat, CURRENCIES[0]].append(Entry(T.OPENING, OPENING, NOW.date()))
        self.frozen: set[int] = set()
        self.made: list[Made] = []
        self.touched = (0, CURRENCIES[0])
        self.count = 0

    def teardown(self) -> None:
        self.session.close()
        self._transaction.rollback()
        self._connection.close()

    # What can happen

    @rule(hours=st.sampled_from([1, 11, 24, 24 * 6]))
    def time_passes(self, hours: int) -> None:
        self.now += dt.timedelta(hours=hours)

    # One rule for each kind of change: the more rules there are of them, the more of them happen.

    @rule(seat=seats, currency=currencies, size=sizes)
    def deposit(self, seat: int, currency: str, size: int) -> None:
        self.change(seat, currency, T.DEPOSIT, size)

    @rule(seat=seats, currency=currencies, size=sizes)
    def withdraw(self, seat: int, currency: str, size: int) -> None:
        self.change(seat, currency, T.WITHDRAWAL, -size)

    @rule(seat=seats, currency=currencies, size=sizes, sign=st.sampled_from([1, -1]))
    def adjust(self, seat: int, currency: str, size: int, sign: int) -> None:
        self.change(seat, currency, T.ADJUSTMENT, sign * size)

    @rule(seat=seats, currency=currencies, size=sizes)
    def charge(self, seat: int, currency: str, size: int) -> None:
        self.change(seat, currency, T.FEE, -size)

    @rule(seat=seats, currency=currencies, size=sizes)
    def play(self, seat: int, currency: str, size: int) -> None:
        self.change(seat, currency, T.WAGER, -size)

    @rule(seat=seats, currency=currencies, size=sizes, change_type=st.sampled_from([T.SETTLEMENT, T.REFUND]))
    def win(self, seat: int, currency: str, size: int, change_type: T) -> None:
        self.change(seat, currency, change_type, size)

    @rule(seat=seats, currency=currencies, short=st.sampled_from([0, 1, -1]), sign=st.sampled_from([1, -1]))
    def adjust_to_the_limit(self, seat: int, currency: str, short: int, sign: int) -> None:
        used = self.journals[seat, currency].used(by_day, self.now.date())
        size = LEVELS[seat].daily_limit * 100 - used - short
        if size > 0:
            self.change(seat, currency, T.ADJUSTMENT, sign * size)

    @rule(seat=seats, currency=currencies, short=st.sampled_from([0, 1, -1]), up=st.booleans())
    def move_to_the_edge(self, seat: int, currency: str, short: int, up: bool) -> None:
        real, row = self.journals[seat, currency].real, LEVELS[seat]
        size = row.max_balance * 100 - real if up else real - row.min_balance * 100
        if up and size - short > 0:
            self.change(seat, currency, T.DEPOSIT, size - short)
        elif not up and size - short > 0:
            self.change(seat, currency, T.FEE, -(size - short))

    @rule(seat=seats, currency=currencies, line=st.sampled_from(list(LINES.values())), above=margins)
    def tremble_around_a_line(self, seat: int, currency: str, line: int, above: int) -> None:
        delta = line + above - self.journals[seat, currency].real
        if delta:
            self.change(seat, currency, T.SETTLEMENT if delta > 0 else T.FEE, delta)

    def change(self, seat: int, currency: str, change_type: T, delta: int) -> None:
        request = change_request(
            self.players[seat], delta, change_type, currency=currency, key=self.fresh_key()
        )
        seen_version = len(self.journals[seat, currency].entries)
        work = partial(
            balances.change, request=request, actor=SYSTEM, now=self.now, seen_version=seen_version
        )

        outcome = self.attempt(work)

        if refusals := self.refusals(seat, currency, change_type, delta):
            assert isinstance(outcome, balances.ChangeRefused)
            assert {problem.code for problem in outcome.judgement.validation.errors} == refusals
        else:
            self.expect_made(outcome, seat, currency, Entry(change_type, delta, self.now.date()))
            self.made.append(Made(work, request, currency, seen_version + 1))

    @rule(seat=seats, currency=currencies, back=st.integers(-1, 3))
    def reverse(self, seat: int, currency: str, back: int) -> None:
        entries = self.journals[seat, currency].entries
        # One of the last entries, or one that does not exist.
        sequence = len(entries) - (back % len(entries) if entries and back >= 0 else -1)
        work = partial(
            balances.reverse,
            player_id=self.players[seat],
            currency=currency,
            sequence=sequence,
            reason="Entered twice",
            actor=SYSTEM,
            idempotency_key=self.fresh_key(),
            now=self.now,
        )

        outcome = self.attempt(work)

        if sequence > len(entries):
            assert isinstance(outcome, NotFound)
        elif entries[sequence - 1].change_type in IRREVERSIBLE or sequence in {e.reverses for e in entries}:
            assert type(outcome) is Rejected
        else:
            entry = Entry(T.REVERSAL, -entries[sequence - 1].delta, self.now.date(), sequence)
            self.expect_made(outcome, seat, currency, entry)
            request = change_request(self.players[seat], entry.delta, key=work.keywords["idempotency_key"])
            self.made.append(Made(work, request, currency, len(entries)))

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 10**6))
    def send_again(self, which: int) -> None:
        made = self.made[which % len(self.made)]

        outcome = self.attempt(made.work)

        assert isinstance(outcome, balances.BalanceChange)
        assert outcome.repeated
        assert (outcome.entry.currency, outcome.entry.sequence) == (made.currency, made.sequence)

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 10**6), currency=currencies, size=sizes)
    def use_a_key_again(self, which: int, currency: str, size: int) -> None:
        made = self.made[which % len(self.made)]
        other = replace(made.request, currency=currency, real_delta=size, reason="Something else")

        outcome = self.attempt(partial(balances.change, request=other, actor=SYSTEM, now=self.now))

        assert isinstance(outcome, balances.KeyReused)
        assert (outcome.entry.currency, outcome.entry.sequence) == (made.currency, made.sequence)

    @rule(seat=seats, currency=currencies, off=st.sampled_from([-1, 1]))
    def look_at_an_old_page(self, seat: int, currency: str, off: int) -> None:
        version = len(self.journals[seat, currency].entries)
        request = change_request(self.players[seat], 1, currency=currency, key=self.fresh_key())

        outcome = self.attempt(
            partial(balances.change, request=request, actor=SYSTEM, now=self.now, seen_version=version + off)
        )

        assert isinstance(outcome, balances.StaleBalance)
        assert (outcome.seen_version, outcome.version) == (version + off, version)

    @rule(currency=currencies, size=sizes, change_type=st.sampled_from([T.SETTLEMENT, T.FEE]))
    def post_many(self, currency: str, size: int, change_type: T) -> None:
        delta, key = size if change_type == T.SETTLEMENT else -size, self.fresh_key()
        dated = [
            balances.Dated(
                change_request(player, delta, change_type, currency=currency, key=key), SYSTEM, self.now
            )
            for player in self.players
        ]
        work = partial(balances.post_many, changes=dated, with_alerts=True)

        written, again = self.attempt(work), self.attempt(work)

        for seat in range(len(LEVELS)):
            self.journals[seat, currency].append(Entry(change_type, delta, self.now.date()))
        assert isinstance(written, list)
        assert {(entry.player_id, entry.sequence, entry.real_after) for entry in written} == {
            (player, len(self.journals[seat, currency].entries), self.journals[seat, currency].real)
            for seat, player in enumerate(self.players)
        }
        assert again == []

    @rule(seat=seats, unfreezes=st.booleans())
    def freeze_or_unfreeze(self, seat: int, unfreezes: bool) -> None:
        move = wallets.unfreeze if unfreezes else wallets.freeze

        outcome = self.attempt(
            partial(move, player_id=self.players[seat], reason="Dispute", actor=self.manager, now=self.now)
        )

        assert isinstance(outcome, Conflict) is (unfreezes is not (seat in self.frozen))
        if unfreezes:
            self.frozen.discard(seat)
        else:
            self.frozen.add(seat)

    # What must always be so

    @invariant()
    def the_database_is_what_the_model_says(self) -> None:
        players = {"players": self.players}
        rows = self.session.execute(text("SELECT * FROM balances WHERE player_id = ANY(:players)"), players)
        entries: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for found in self.session.execute(_ENTRIES, players).mappings():
            place = (self.players.index(found["player_id"]), found["currency"])
            entries.setdefault(place, []).append(dict(found))
        assert set(entries) == {place for place, journal in self.journals.items() if journal.entries}

        for row in rows:
            place = (self.players.index(row.player_id), row.currency)
            real, head, sequence = 0, chain.GENESIS, 0
            pairs = zip(entries.get(place, []), self.journals[place].entries, strict=True)
            for sequence, (entry, modelled) in enumerate(pairs, start=1):
                assert (entry["sequence"], entry["real_before"]) == (sequence, real)
                assert entry["real_delta"] == modelled.delta
                assert (entry["change_type"], entry["reverses"]) == (modelled.change_type, modelled.reverses)
                real += modelled.delta
                head = chain.digest(entry, head)
                assert (entry["real_after"], bytes(entry["hash"])) == (real, head)
            assert (row.real, row.version, bytes(row.head)) == (real, sequence, head)

    @invariant()
    def what_is_used_of_the_limits_is_gross(self) -> None:
        seat, currency = self.touched
        journal, player, today = self.journals[self.touched], self.players[seat], self.now.date()
        if journal.entries:
            at = standings.look(self.session, player_id=player, currency=currency, actor=SYSTEM)
            used = standings.used(self.session, player_id=player, located=at, now=self.now)
            assert used == (journal.used(by_day, today), journal.used(by_week, today))

    @invariant()
    def an_alert_is_open_from_its_crossing_until_it_is_clear(self) -> None:
        rows = self.session.execute(
            text(
                "SELECT player_id, currency, type FROM alerts"
                " WHERE state <> 'resolved' AND type = ANY(:types)"
            ),
            {"types": list(LINES)},
        )
        there = {(row.player_id, row.currency, row.type) for row in rows}

        assert there == {
            (self.players[seat], currency, name)
            for (seat, currency), journal in self.journals.items()
            for name in journal.open_alerts
        }

    # The specification's rules

    def refusals(self, seat: int, currency: str, change_type: T, delta: int) -> set[str]:
        row, journal, today = LEVELS[seat], self.journals[seat, currency], self.now.date()
        found = set()
        if seat in self.frozen and change_type not in FREE:
            found.add("frozen")
        if change_type in COVERED and -delta > max(0, journal.real):
            found.add("not_withdrawable")
        if change_type not in FREE:
            found |= out_of_range(row, journal.real + delta, delta)
        if change_type in LIMITED:
            if journal.used(by_day, today) + abs(delta) > row.daily_limit * 100:
                found.add("daily_limit")
            if journal.used(by_week, today) + abs(delta) > row.weekly_limit * 100:
                found.add("weekly_limit")
        return found

    # Helpers

    def fresh_key(self) -> str:
        self.count += 1
        return f"fresh-{self.count}"

    def attempt(self, work: Callable[[Session], object]) -> object:
        """What it returned or which refusal it raised; a refusal leaves everything as it was."""
        savepoint = self.session.begin_nested()
        try:
            outcome = work(self.session)
        except (Rejected, Conflict, NotFound) as refusal:
            savepoint.rollback()
            return refusal
        savepoint.commit()
        return outcome

    def expect_made(self, outcome: object, seat: int, currency: str, entry: Entry) -> None:
        self.touched = (seat, currency)
        journal = self.journals[seat, currency]
        journal.append(entry)
        assert isinstance(outcome, balances.BalanceChange)
        assert not outcome.repeated
        assert (outcome.entry.sequence, outcome.entry.real_after) == (len(journal.entries), journal.real)


def out_of_range(row: Row, after: int, delta: int) -> set[str]:
    if delta < 0 and after < row.min_balance * 100:
        return {"below_minimum"}
    if delta > 0 and after > row.max_balance * 100:
        return {"above_maximum"}
    return set()


def by_day(on: dt.date) -> object:
    return on


def by_week(on: dt.date) -> object:
    return on.isocalendar()[:2]


def test_the_journal_is_what_the_model_says(shared_database: str) -> None:
    class Machine(JournalMachine):
        engine = create_engine(database_url("app", shared_database), poolclass=NullPool)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
