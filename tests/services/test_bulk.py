"""Lists of changes: rehearsed by the posting code, posted row by row or all at once, each row once."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pytest
from flask import Flask
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.jobs import bulk_work
from dashboard.models import Balance, BulkRow, BulkRun, ChangeRequest, Login, StaffLog, VipRule, WalletEntry
from dashboard.models.bulk import BulkMode
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import bulk, bulk_check, bulk_rows, players, wallets
from dashboard.services.actors import Actor
from dashboard.services.bulk_rows import Defaults
from tests import builders
from tests.builders import NOW, make_actor, make_operator

T = TypeVar("T")
BEST, ALL = BulkMode.BEST_EFFORT, BulkMode.ALL_OR_NOTHING


def never() -> bool:
    return False


@dataclass(frozen=True)
class House:
    """An operator with a manager and players K-1, K-2 …, in the application's context."""

    operator: int
    manager: Actor

    def write(self, work: Callable[[Session], T]) -> T:
        with db.writing() as session:
            return work(session)

    def read(self, work: Callable[[Session], T]) -> T:
        with db.reading() as session:
            return work(session)

    def players(self, count: int, *, balance_minor: int = 0) -> list[int]:
        new = [players.NewPlayer(f"K-{number}", f"Player {number}") for number in range(1, count + 1)]

        def make(session: Session) -> list[int]:
            made = players.register(session, operator_id=self.operator, players=new, now=NOW)
            for player_id in made.values() if balance_minor else []:
                builders.change(session, player_id, balance_minor, ChangeType.OPENING)
            return list(made.values())

        return self.write(make)

    def kept(self, *lines: str, actor: Actor | None = None) -> int:
        """A list that is kept and not rehearsed."""
        rows = bulk_rows.read("\n".join(lines), Defaults("USD", reason="Prize"))
        who = actor or self.manager
        return self.write(
            lambda session: bulk.create(session, rows=rows, name="prizes.csv", actor=who, now=NOW)
        )

    def checked(self, *lines: str, batch: int = 10**6) -> int:
        """A list that is rehearsed."""
        run_id = self.kept(*lines)
        self.check(run_id, batch=batch)
        return run_id

    def check(self, run_id: int, *, batch: int = 10**6, should_stop: Callable[[], bool] = never) -> None:
        rehearse = partial(db.rehearsing, lock_timeout_ms=1_000)
        bulk_check.check(
            db.transact, rehearse, run_id=run_id, now=clock.now, batch=batch, should_stop=should_stop
        )

    def start(self, run_id: int, mode: BulkMode = BEST, **given: Any) -> None:
        asked = {"means_amounts": False, "means_twice": False, "actor": self.manager, **given}
        self.write(lambda session: bulk.start(session, run_id=run_id, mode=mode, now=NOW, **asked))

    def post(self, run_id: int, *, should_stop: Callable[[], bool] = never) -> None:
        """As the worker does."""
        bulk_work.go_on(run_id, should_stop=should_stop)

    def rows(self, run_id: int) -> Sequence[BulkRow]:
        wanted = select(BulkRow).filter_by(run_id=run_id).order_by(BulkRow.line)
        return self.read(lambda session: session.scalars(wanted).all())

    def states(self, run_id: int) -> Counter[str]:
        return Counter(row.state for row in self.rows(run_id))

    def run(self, run_id: int) -> BulkRun:
        return self.read(lambda session: session.scalars(select(BulkRun).filter_by(id=run_id)).one())

    def real(self, player_id: int) -> int:
        wanted = select(Balance.real).filter_by(player_id=player_id, currency="USD")
        return self.read(lambda session: session.scalars(wanted).one())

    def keys(self) -> list[str]:
        """Of every entry that came from a list."""
        wanted = select(WalletEntry.idempotency_key).where(WalletEntry.idempotency_key.startswith("bulk:"))
        return self.read(lambda session: list(session.scalars(wanted)))

    def set_rules(self, **figures: int) -> None:
        self.write(lambda session: session.execute(update(VipRule).values(**figures)))

    def freeze(self, player_id: int) -> None:
        self.write(
            lambda session: wallets.freeze(
                session, player_id=player_id, reason="Dispute", actor=self.manager, now=NOW
            )
        )

    def logged(self) -> list[tuple[str, str]]:
        wanted = select(StaffLog.action, StaffLog.details).where(StaffLog.action.startswith("bulk."))
        return self.read(
            lambda session: [
                (row.action, row.details) for row in session.execute(wanted.order_by(StaffLog.id))
            ]
        )


@pytest.fixture
def house(app: Flask) -> Iterator[House]:
    with app.app_context(), clock.frozen(NOW):
        with db.writing() as session:
            operator = make_operator(session, undo_seconds=30)
            manager = make_actor(session, operator_id=operator, role=Role.MANAGER)
        yield House(operator, manager)


class TestPlayers:
    def test_are_found_by_external_id_e_mail_and_number(self, house: House) -> None:
        new = players.NewPlayer("Ab-7", "Mira Holm", email="mira@harbour.test")
        (player,) = house.write(
            lambda session: players.register(session, operator_id=house.operator, players=[new], now=NOW)
        ).values()

        run = house.checked("aB-7,1", "MIRA@harbour.test,2", f"{player},3", f"#{player},4")

        assert [row.player_id for row in house.rows(run)] == [player] * 4
        assert [row.real_after for row in house.rows(run)] == [1_00, 3_00, 6_00, 10_00]

    def test_who_is_nobody_here_is_refused(self, house: House) -> None:
        elsewhere = house.write(make_operator)
        stranger = house.write(
            lambda session: builders.make_player(session, operator_id=elsewhere, external_id="X-1")
        )

        run = house.checked("X-1,1", f"{stranger},1", "99999999999999999999,1")

        assert {row.message for row in house.rows(run)} == {
            "There is no player of that external id, e-mail or number."
        }

    def test_who_could_be_two_is_refused(self, house: House) -> None:
        (first,) = house.players(1)
        house.write(
            lambda session: builders.make_player(
                session, operator_id=house.operator, external_id=str(first), name="Other"
            )
        )

        run = house.checked(f"{first},1", f"#{first},1")

        assert [row.state for row in house.rows(run)] == ["refused", "ready"]


class TestRehearsal:
    def test_rows_on_one_player_see_each_other_and_nothing_stays(self, house: House) -> None:
        (player,) = house.players(1)
        house.set_rules(max_balance=100_00)

        run = house.checked("K-1,60,deposit", "K-1,60,deposit", "K-1,-30,adjustment", "K-1,60,deposit")

        assert [(row.state, row.real_before, row.real_after) for row in house.rows(run)] == [
            ("ready", 0, 60_00),
            ("refused", 60_00, 120_00),
            ("ready", 60_00, 30_00),
            ("ready", 30_00, 90_00),
        ]
        assert "120.00" in (house.rows(run)[1].message or "")
        assert (house.real(player), house.keys()) == (0, [])

    def test_the_list_stays_within_its_makers_allowance(self, house: House) -> None:
        house.players(3)
        house.write(
            lambda session: builders.allow(session, house.manager.id, per_change=50_00, per_day=100_00)
        )

        run = house.checked("K-1,50.01", "K-1,50", "K-2,40", "K-3,10.01", "K-3,10")

        assert [row.state for row in house.rows(run)] == ["refused", "ready", "ready", "refused", "ready"]
        assert "would reach 100.01 of 100.00" in (house.rows(run)[3].message or "")

    def test_what_a_second_person_will_decide_is_marked(self, house: House) -> None:
        house.players(1)
        house.set_rules(approval_threshold=100_00)

        run = house.checked("K-1,60", "K-1,60", "K-1,40")

        assert [(row.state, row.waits) for row in house.rows(run)] == [
            ("ready", False),
            ("ready", True),
            ("ready", False),
        ]

    def test_what_is_unusually_large_is_marked(self, house: House) -> None:
        house.players(1)

        run = house.checked("K-1,5", "K-1,50", "K-1,500.01")

        assert [row.largest for row in house.rows(run)] == [None, None, 50_00]

    def test_a_currency_without_rules_refuses(self, house: House) -> None:
        house.players(1)
        assert "There is no VIP rule for CHF" in (house.rows(house.checked("K-1,5,CHF"))[0].message or "")

    def test_taken_up_again_it_begins_anew(self, house: House) -> None:
        house.players(6)
        run = house.kept(*[f"K-{number},5" for number in range(1, 7)], "nobody,5")
        stops = iter([False, True])

        house.check(run, batch=2, should_stop=lambda: next(stops))
        assert house.states(run) == {"ready": 2, "read": 4, "refused": 1}
        assert house.run(run).state == "checking"
        house.check(run)

        assert house.states(run) == {"ready": 6, "refused": 1}
        assert house.run(run).state == "checked"

    def test_cancelled_it_ends(self, house: House) -> None:
        house.players(3)
        run = house.kept("K-1,5", "K-2,5", "K-3,5")

        def cancel() -> bool:
            house.write(lambda session: bulk.cancel(session, run_id=run, actor=house.manager, now=NOW))
            return False

        house.check(run, batch=1, should_stop=cancel)

        assert house.run(run).state == "cancelled"
        assert house.states(run) == {"read": 3}

    def test_checked_again_it_judges_by_what_is_now(self, house: House) -> None:
        frozen, _ = house.players(2)
        run = house.checked("K-1,5", "K-2,5", "nobody,5")
        house.freeze(frozen)

        house.write(lambda session: bulk.check_again(session, run_id=run, actor=house.manager, now=NOW))
        house.check(run)

        assert [row.state for row in house.rows(run)] == ["refused", "ready", "refused"]


class TestPosting:
    def test_every_row_that_can_be(self, house: House) -> None:
        one, two = house.players(2)
        house.set_rules(approval_threshold=100_00)
        run = house.checked("K-1,60,deposit,Card", "K-2,150,deposit", "nobody,1", "K-1,-10")

        house.start(run)
        house.post(run)

        rows = house.rows(run)
        assert [row.state for row in rows] == ["posted", "waiting", "refused", "posted"]
        assert (house.real(one), house.real(two)) == (50_00, 0)
        assert [row.sequence for row in rows] == [1, None, None, 2]
        asked = house.read(lambda session: session.scalars(select(ChangeRequest)).one())
        assert (asked.id, asked.state) == (rows[1].request_id, "waiting")
        entry = house.read(
            lambda session: session.scalars(select(WalletEntry).filter_by(player_id=one, sequence=1)).one()
        )
        assert (entry.idempotency_key, entry.reference, entry.reason, entry.performed_by) == (
            f"bulk:{run}:1",
            f"bulk {run}",
            "Card",
            house.manager.reference,
        )
        assert [action for action, _ in house.logged()] == ["bulk.checked", "bulk.started", "bulk.done"]
        assert house.logged()[-1][1] == f'{{"list": {run}, "posted": 2, "refused": 1, "waiting": 1}}'

    def test_what_is_refused_meanwhile_is_on_record_and_the_rest_goes_on(self, house: House) -> None:
        one, _two = house.players(2)
        run = house.checked("K-1,5", "K-2,5")
        house.start(run)
        house.freeze(one)

        house.post(run)

        assert [row.state for row in house.rows(run)] == ["refused", "posted"]
        assert house.read(lambda session: session.scalar(text("SELECT count(*) FROM refusals"))) == 1

    def test_all_or_nothing_posts_all(self, house: House) -> None:
        made = house.players(40)
        run = house.checked(*[f"K-{number},5" for number in range(1, 41)])

        house.start(run, ALL)
        house.post(run)

        assert house.states(run) == {"posted": 40}
        assert {house.real(player) for player in made} == {5_00}
        assert house.run(run).state == "done"

    def test_all_or_nothing_is_not_begun_with_a_refused_row(self, house: House) -> None:
        house.players(1)
        run = house.checked("K-1,5", "nobody,5")

        with pytest.raises(Rejected, match=r"Nothing was posted: 1 row is refused \(line 2\)") as refused:
            house.start(run, ALL)
        assert refused.value.field == "mode"

    def test_all_or_nothing_posts_nothing_where_one_is_refused_meanwhile(self, house: House) -> None:
        made = house.players(5)
        run = house.checked(*[f"K-{number},5" for number in range(1, 6)])
        house.start(run, ALL)
        house.freeze(made[3])

        house.post(run)

        assert house.states(run) == {"ready": 4, "refused": 1}
        assert (house.keys(), house.run(run).state, house.run(run).mode) == ([], "checked", None)
        assert "frozen" in (house.rows(run)[3].message or "")
        house.start(run)
        house.post(run)
        assert house.states(run) == {"posted": 4, "refused": 1}

    def test_all_or_nothing_can_be_cancelled_to_the_last_moment(self, house: House) -> None:
        house.players(2)
        run = house.checked("K-1,5", "K-2,5")
        house.start(run, ALL)

        def cancel() -> bool:
            house.write(lambda session: bulk.cancel(session, run_id=run, actor=house.manager, now=NOW))
            return False

        house.post(run, should_stop=cancel)

        assert (house.keys(), house.states(run)) == ([], {"ready": 2})
        assert house.run(run).state == "cancelled"

    def test_cancelled_half_way_what_is_posted_stays(self, house: House) -> None:
        house.players(5)
        run = house.checked(*[f"K-{number},5" for number in range(1, 6)])
        house.start(run)
        turns = itertools.count(1)
        house.post(run, should_stop=lambda: next(turns) > 2)

        counts = house.write(lambda session: bulk.cancel(session, run_id=run, actor=house.manager, now=NOW))
        house.post(run)

        assert (counts.posted, counts.ready) == (2, 3)
        assert house.states(run) == {"posted": 2, "ready": 3}
        with pytest.raises(Conflict, match="cancelled already"):
            house.start(run)

    def test_unusually_large_amounts_must_be_meant(self, house: House) -> None:
        house.players(1)
        run = house.checked("K-1,5", "K-1,500")

        with pytest.raises(Rejected, match="unusually large"):
            house.start(run)
        house.start(run, means_amounts=True)
        house.post(run)

        assert house.states(run) == {"posted": 2}

    def test_an_amount_that_nobody_looked_at_is_refused(self, house: House) -> None:
        (player,) = house.players(1)
        run = house.checked("K-1,400,deposit")
        house.start(run)
        house.write(lambda session: builders.change(session, player, 5_00))

        house.post(run)

        assert "More than 10 times" in (house.rows(run)[0].message or "")

    def test_the_same_list_again_must_be_meant(self, house: House) -> None:
        house.players(1)
        first = house.checked("K-1,5")
        house.start(first)
        house.post(first)
        again = house.checked("player;amount", "K-1;5.00")

        with pytest.raises(Rejected, match="posted before"):
            house.start(again)
        house.start(again, means_twice=True)

    def test_only_its_maker_posts_it(self, house: House) -> None:
        house.players(1)
        run = house.checked("K-1,5")
        other = house.write(lambda session: make_actor(session, operator_id=house.operator, role=Role.ADMIN))

        with pytest.raises(Rejected, match="Only the person who made"):
            house.start(run, actor=other)
        stranger = house.write(
            lambda session: make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)
        )
        with pytest.raises(NotFound):
            house.start(run, actor=stranger)

    def test_started_twice_it_is_one_posting(self, house: House) -> None:
        house.players(1)
        run = house.checked("K-1,5")
        house.start(run)

        with pytest.raises(Conflict, match="being posted already"):
            house.start(run)
        house.post(run)
        house.post(run)

        assert len(house.keys()) == 1
        jobs = "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'bulk:go_on'"
        assert house.read(lambda session: session.scalar(text(jobs))) == 1

    def test_whose_maker_lost_the_right_is_cancelled(self, house: House) -> None:
        house.players(2)
        run = house.checked("K-1,5", "K-2,5")
        house.start(run)
        house.write(lambda session: session.execute(update(Login).values(role=Role.AGENT)))

        house.post(run)

        assert (house.run(run).state, house.keys()) == ("cancelled", [])


def test_a_thousand_rows_of_which_thirty_seven_are_bad(house: House) -> None:
    made = house.players(1000)
    for player in made[:10]:
        house.freeze(player)
    lines = [f"K-{number},{number % 9 + 1}.00,deposit" for number in range(1, 1001)]
    for line in range(100, 110):
        lines[line] = f"nobody-{line},5.00,deposit"
    for line in range(200, 210):
        lines[line] = f"K-{line},five,deposit"
    for line in range(300, 307):
        lines[line] = f"K-{line + 1},30000.00,deposit"
    bad = {*range(1, 11), *range(101, 111), *range(201, 211), *range(301, 308)}

    run = house.checked(*lines)

    refused = {row.line: row.message or "" for row in house.rows(run) if row.state == "refused"}
    assert set(refused) == bad
    reasons = ("frozen", "no player", "in figures", "daily limit")
    named = Counter(next(word for word in reasons if word in why.lower()) for why in refused.values())
    assert named == {"frozen": 10, "no player": 10, "in figures": 10, "daily limit": 7}
    assert house.keys() == []

    with pytest.raises(Rejected, match=r"37 rows are refused \(lines 1, 2, .* and 27 more\)"):
        house.start(run, ALL)
    assert house.keys() == []

    house.start(run)
    house.post(run)

    assert house.states(run) == {"posted": 963, "refused": 37}
    keys = house.keys()
    assert len(keys) == len(set(keys)) == 963
    assert set(keys) == {f"bulk:{run}:{line}" for line in range(1, 1001) if line not in bad}


def test_all_or_nothing_of_a_thousand_names_the_thirty_seven_and_posts_none(house: House) -> None:
    made = house.players(1000)
    run = house.checked(*[f"K-{number},5.00,deposit" for number in range(1, 1001)])
    house.start(run, ALL)
    for player in made[::28][:37]:
        house.freeze(player)

    house.post(run)

    refused = [row.line for row in house.rows(run) if row.state == "refused"]
    assert refused == list(range(1, 1001, 28))[:37]
    assert house.keys() == []
    assert [action for action, _ in house.logged()][-1] == "bulk.refused"
