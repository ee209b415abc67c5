"""What is typed by hand: allowance, typo guard, undo, a second person, withdrawals and transfers."""

import datetime as dt
from dataclasses import dataclass

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.models import Balance, ChangeRequest, Operator, VipRule, WalletEntry
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, change_requests, submissions, wallets, withdrawals
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.changes import ChangeRefused
from dashboard.services.submissions import Course, Submitted
from tests import builders
from tests.builders import NOW, allow, change_request, make_actor, make_operator, make_player

LATER = NOW + dt.timedelta(seconds=31)


@dataclass(frozen=True)
class Floor:
    """Two managers and an agent of an operator with the usual threshold and undo seconds, and a player."""

    operator: int
    agent: Actor
    manager: Actor
    other: Actor
    player: int


@pytest.fixture
def floor(session: Session) -> Floor:
    operator = make_operator(session, undo_seconds=30, approval_threshold=500_00)
    return Floor(
        operator,
        make_actor(session, operator_id=operator),
        make_actor(session, operator_id=operator, role=Role.MANAGER),
        make_actor(session, operator_id=operator, role=Role.MANAGER),
        make_player(session, operator_id=operator, balance_minor=2_000_00),
    )


def submit(
    session: Session,
    floor: Floor,
    amount: int,
    *,
    actor: Actor | None = None,
    key: str | None = None,
    now: dt.datetime = NOW,
    again: int | None = None,
) -> Submitted:
    return submissions.submit(
        session,
        request=change_request(floor.player, amount, key=key),
        actor=actor or floor.agent,
        now=now,
        amount_again=again,
    )


def balance(session: Session, floor: Floor) -> tuple[int, int]:
    """Real and pending."""
    row = session.execute(
        select(Balance.real, Balance.pending).filter_by(player_id=floor.player, currency="USD")
    ).one()
    return row.real, row.pending


def state(session: Session, request_id: int | None) -> str:
    return session.scalars(select(ChangeRequest.state).filter_by(id=request_id)).one()


def at_once(session: Session, floor: Floor) -> None:
    session.execute(update(Operator).filter_by(id=floor.operator).values(undo_seconds=0))


class TestAllowance:
    def test_without_one_nothing_moves(self, session: Session, floor: Floor) -> None:
        allow(session, floor.agent.id, per_change=0)

        with pytest.raises(ChangeRefused) as refused:
            submit(session, floor, 1)

        codes = [problem.code for problem in refused.value.judgement.validation.errors]
        assert codes == ["allowance_change", "allowance_day"]
        assert "0.01 of 0.00" in refused.value.message

    def test_a_day_adds_up_what_was_posted_and_what_is_held(self, session: Session, floor: Floor) -> None:
        allow(session, floor.agent.id, per_change=100_00, per_day=150_00)
        other = make_player(session, operator_id=floor.operator, balance_minor=2_000_00)
        submit(session, floor, -60_00)
        at_once(session, floor)
        submissions.submit(session, request=change_request(other, 60_00), actor=floor.agent, now=NOW)

        with pytest.raises(ChangeRefused, match=r"would reach 160\.00 of 150\.00"):
            submit(session, floor, 40_00)

        assert submit(session, floor, 30_00).change is not None

    def test_the_next_day_begins_anew(self, session: Session, floor: Floor) -> None:
        allow(session, floor.agent.id, per_change=100_00, per_day=100_00)
        at_once(session, floor)
        submit(session, floor, 100_00)

        assert submit(session, floor, 100_00, now=NOW + dt.timedelta(days=1)).change is not None

    def test_what_waits_counts_for_nothing(self, session: Session, floor: Floor) -> None:
        allow(session, floor.agent.id, per_change=600_00, per_day=600_00)
        assert submit(session, floor, 600_00).state == "waiting"

        assert submit(session, floor, 500_00).state == "held"


class TestTypingAgain:
    def test_more_than_ten_times_the_largest_is_typed_twice(self, session: Session, floor: Floor) -> None:
        session.execute(
            update(VipRule).values(approval_threshold=10**12, daily_limit=10**9, weekly_limit=10**9)
        )
        submit(session, floor, 20_000_00)

        with pytest.raises(submissions.TypeAgain, match=r"largest amount so far \(2,000\.00\)") as raised:
            submit(session, floor, 20_000_01)

        assert raised.value.field == "amount_again"
        with pytest.raises(submissions.TypeAgain):
            submit(session, floor, 20_000_01, again=20_000_00)
        assert submit(session, floor, 20_000_01, again=20_000_01).state == "held"

    def test_the_largest_of_the_person_counts_too(self, session: Session, floor: Floor) -> None:
        session.execute(update(VipRule).values(approval_threshold=10**12))
        at_once(session, floor)
        assert submit(session, floor, 20_000_00).change is not None
        fresh = make_player(session, operator_id=floor.operator)

        done = submissions.submit(
            session, request=change_request(fresh, 24_000_00), actor=floor.agent, now=NOW
        )

        assert done.change is not None


class TestUndo:
    def test_a_held_change_is_not_posted_and_a_debit_is_set_aside(
        self, session: Session, floor: Floor
    ) -> None:
        done = submit(session, floor, -100_00)

        assert (done.state, done.post_at, done.change) == ("held", NOW + dt.timedelta(seconds=30), None)
        assert balance(session, floor) == (2_000_00, 100_00)

    def test_a_held_credit_is_not_spendable(self, session: Session, floor: Floor) -> None:
        submit(session, floor, 100_00)

        assert balance(session, floor) == (2_000_00, 0)

    def test_taken_back_nothing_was_posted(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, -100_00)
        assert done.request_id

        change_requests.take_back(
            session, player_id=floor.player, request_id=done.request_id, actor=floor.agent, now=NOW
        )

        assert (balance(session, floor), state(session, done.request_id)) == ((2_000_00, 0), "taken_back")
        with pytest.raises(Conflict, match="already been taken back"):
            change_requests.post_held(
                session, player_id=floor.player, request_id=done.request_id, actor=floor.agent, now=NOW
            )

    def test_nobody_else_takes_it_back_or_hurries_it(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, -100_00)
        named = {"player_id": floor.player, "request_id": done.request_id or 0}

        for act in (change_requests.take_back, change_requests.post_held):
            with pytest.raises(Rejected, match="Only the person who made"):
                act(session, **named, actor=floor.manager, now=NOW)

    def test_when_its_time_comes_it_is_posted_with_its_key(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, -100_00, key="once")

        assert change_requests.due(session, now=NOW) == []
        assert change_requests.due(session, now=LATER) == [(floor.operator, floor.player, done.request_id)]
        posted = change_requests.post_held(
            session, player_id=floor.player, request_id=done.request_id or 0, actor=SYSTEM, now=LATER
        )

        assert balance(session, floor) == (1_900_00, 0)
        entry = session.scalars(select(WalletEntry).filter_by(idempotency_key="once")).one()
        assert (entry.sequence, entry.performed_by) == (posted.entry.sequence, floor.agent.reference)
        again = submit(session, floor, -100_00, key="once", now=LATER)
        assert again.repeated
        assert again.change is not None

    def test_sent_twice_it_is_held_once(self, session: Session, floor: Floor) -> None:
        first, second = (submit(session, floor, -100_00, key="twice") for _ in range(2))

        assert (second.repeated, second.request_id, second.post_at) == (True, first.request_id, first.post_at)
        assert balance(session, floor) == (2_000_00, 100_00)
        with pytest.raises(balances.KeyReused):
            submit(session, floor, -99_00, key="twice")

    def test_frozen_in_between_it_is_refused_and_its_maker_alerted(
        self, session: Session, floor: Floor
    ) -> None:
        done = submit(session, floor, -100_00)
        named = {"player_id": floor.player, "request_id": done.request_id or 0}
        wallets.freeze(session, player_id=floor.player, reason="Lost phone", actor=floor.manager, now=NOW)

        with pytest.raises(ChangeRefused, match="frozen") as refused, session.begin_nested():
            change_requests.post_held(session, **named, actor=SYSTEM, now=LATER)
        change_requests.refuse_held(session, **named, refused=refused.value, now=LATER)

        assert (balance(session, floor), state(session, done.request_id)) == ((2_000_00, 0), "refused")
        alert = session.execute(text("SELECT type, assigned_to, peak FROM alerts")).one()
        assert tuple(alert) == ("held_refused", floor.agent.id, 100_00)

    def test_what_is_held_uses_the_limits(self, session: Session, floor: Floor) -> None:
        session.execute(update(VipRule).values(approval_threshold=10**12, daily_limit=150_00))
        submit(session, floor, -100_00)

        with pytest.raises(ChangeRefused, match=r"would reach 151\.00 of 150\.00"):
            submit(session, floor, -51_00)

    def test_its_own_hold_does_not_stand_in_its_way(self, session: Session, floor: Floor) -> None:
        session.execute(
            update(VipRule).values(approval_threshold=10**12, daily_limit=1_500_00, min_balance=0)
        )
        done = submit(session, floor, -1_500_00)

        change_requests.post_held(
            session, player_id=floor.player, request_id=done.request_id or 0, actor=floor.agent, now=NOW
        )

        assert balance(session, floor) == (500_00, 0)


class TestSecondPerson:
    def test_above_the_threshold_it_waits(self, session: Session, floor: Floor) -> None:
        assert submit(session, floor, 500_00).state == "held"
        done = submit(session, floor, 500_01)

        assert (done.state, done.change) == ("waiting", None)
        assert balance(session, floor) == (2_000_00, 0)

    def test_the_one_that_passes_it_in_sum_waits(self, session: Session, floor: Floor) -> None:
        at_once(session, floor)

        made = [submit(session, floor, 60_00 if n % 2 else -60_00) for n in range(10)]

        # 8 × 60 = 480; the ninth would make 540.
        assert [bool(done.change) for done in made] == [True] * 8 + [False] * 2
        assert made[8].weighed is not None
        assert (made[8].weighed.course, made[8].weighed.sum_on_player) == (Course.WAIT, 540_00)

    def test_another_person_or_player_has_a_sum_of_their_own(self, session: Session, floor: Floor) -> None:
        at_once(session, floor)
        submit(session, floor, 400_00)

        assert submit(session, floor, 400_00, actor=floor.manager).change is not None

    def test_approved_it_is_posted_for_its_maker(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, 600_00, key="big")

        change_requests.approve(
            session,
            player_id=floor.player,
            request_id=done.request_id or 0,
            reason="Seen the ticket",
            actor=floor.manager,
            now=LATER,
        )

        entry = session.scalars(select(WalletEntry).filter_by(idempotency_key="big")).one()
        assert balance(session, floor) == (2_600_00, 0)
        assert entry.performed_by == floor.agent.reference
        assert f'"approved_by":"{floor.manager.reference}"' in entry.metadata_
        with pytest.raises(Conflict, match="has already approved"):
            decline(session, floor, done, floor.other)

    def test_nobody_decides_their_own(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, 600_00, actor=floor.manager)

        for decide in (approve, decline):
            with pytest.raises(Rejected, match="their own request"):
                decide(session, floor, done, floor.manager)
        with pytest.raises(IntegrityError, match="second_person"), session.begin_nested():
            session.execute(
                text("""
                UPDATE change_requests SET state = 'approved', decided_by = requested_by, decided_at = :now,
                  decision_reason = 'x', ended_at = :now, sequence = 1 WHERE id = :id
                """),
                {"id": done.request_id, "now": NOW},
            )

    @pytest.mark.parametrize("column", ["requested_by", "real_delta", "player_id", "reason", "change_type"])
    def test_the_application_cannot_alter_what_was_asked_for(
        self, session: Session, floor: Floor, column: str
    ) -> None:
        submit(session, floor, 600_00, actor=floor.manager)

        with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
            session.execute(text(f"UPDATE change_requests SET {column} = {column}"))

    def test_the_application_cannot_write_a_decision_at_once(self, session: Session, floor: Floor) -> None:
        with pytest.raises(ProgrammingError, match="permission denied"), session.begin_nested():
            session.execute(text("INSERT INTO change_requests (player_id, decided_by) VALUES (1, 1)"))

    def test_an_agent_does_not_decide(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, 600_00, actor=floor.manager)

        with pytest.raises(Rejected, match="may not decide"):
            approve(session, floor, done, floor.agent)

    def test_the_approvers_allowance_covers_it(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, 600_00)
        allow(session, floor.manager.id, per_change=599_99)

        with pytest.raises(Rejected, match=r"600\.00 of 599\.99"):
            approve(session, floor, done, floor.manager)

    def test_the_rules_are_judged_again(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, -600_00)
        wallets.freeze(session, player_id=floor.player, reason="Lost phone", actor=floor.manager, now=NOW)

        with pytest.raises(ChangeRefused, match="frozen"), session.begin_nested():
            approve(session, floor, done, floor.manager)

        assert state(session, done.request_id) == "waiting"

    def test_it_lapses_after_seven_days(self, session: Session, floor: Floor) -> None:
        done = submit(session, floor, 600_00)

        assert change_requests.lapse(session, now=NOW + dt.timedelta(days=7, seconds=-1)) == []
        with pytest.raises(Conflict, match="lapsed"):
            approve(session, floor, done, floor.manager, now=NOW + dt.timedelta(days=7))
        assert change_requests.lapse(session, now=NOW + dt.timedelta(days=7)) == [
            (floor.operator, floor.player)
        ]

    def test_a_reversal_waits_too(self, session: Session, floor: Floor) -> None:
        done = submissions.submit_reversal(
            session,
            player_id=floor.player,
            currency="USD",
            sequence=1,
            reason="Wrong player",
            actor=floor.agent,
            idempotency_key="undo",
            now=NOW,
        )

        approve(session, floor, done, floor.manager)

        assert balance(session, floor) == (0, 0)

    def test_unfreezing_waits_where_there_is_a_second_person(self, session: Session, floor: Floor) -> None:
        wallets.freeze(session, player_id=floor.player, reason="Lost phone", actor=floor.agent, now=NOW)
        done = submissions.submit_unfreeze(
            session,
            player_id=floor.player,
            reason="Phone found",
            actor=floor.agent,
            idempotency_key="thaw",
            now=NOW,
        )

        assert done.state == "waiting"
        approve(session, floor, done, floor.manager)
        assert session.scalar(text("SELECT status FROM wallets")) == "active"

    def test_other_rules_are_for_managers_and_stand_in_the_entry(
        self, session: Session, floor: Floor
    ) -> None:
        at_once(session, floor)
        session.execute(update(VipRule).values(daily_limit=50_00, weekly_limit=10**9))
        override = balances.Request(
            floor.player,
            "USD",
            ChangeType.ADJUSTMENT,
            100_00,
            "Prize",
            "prize",
            override=builders.override(daily_limit=200_00),
        )

        with pytest.raises(Rejected, match="may not set other rules"):
            submissions.submit(session, request=override, actor=floor.agent, now=NOW)
        done = submissions.submit(session, request=override, actor=floor.manager, now=NOW)

        assert done.change is not None
        metadata = session.scalars(select(WalletEntry.metadata_).filter_by(idempotency_key="prize")).one()
        assert '"override_daily_limit":20000' in metadata
        assert '"override_reason":"Agreed with the board"' in metadata


def approve(session: Session, floor: Floor, done: Submitted, actor: Actor, *, now: dt.datetime = NOW) -> None:
    change_requests.approve(
        session,
        player_id=floor.player,
        request_id=done.request_id or 0,
        reason="Seen",
        actor=actor,
        now=now,
    )


def decline(session: Session, floor: Floor, done: Submitted, actor: Actor) -> None:
    change_requests.decline(
        session, player_id=floor.player, request_id=done.request_id or 0, reason="No", actor=actor, now=NOW
    )


class TestTransfers:
    def transfer(self, session: Session, floor: Floor, to: int, amount: int, key: str = "move") -> Submitted:
        request = balances.Request(
            floor.player, "USD", ChangeType.TRANSFER, -amount, "Family", key, other_player=to
        )
        return submissions.submit_transfer(session, request=request, actor=floor.manager, now=NOW)

    def test_both_legs_stand_with_one_reference(self, session: Session, floor: Floor) -> None:
        to = make_player(session, operator_id=floor.operator)

        self.transfer(session, floor, to, 300_00)

        legs = session.scalars(
            select(WalletEntry).filter_by(change_type="transfer").order_by(WalletEntry.real_delta)
        ).all()
        assert [(leg.player_id, leg.real_delta) for leg in legs] == [(floor.player, -300_00), (to, 300_00)]
        assert legs[0].reference == legs[1].reference
        assert self.transfer(session, floor, to, 300_00).repeated

    def test_reversing_one_leg_reverses_both(self, session: Session, floor: Floor) -> None:
        at_once(session, floor)
        to = make_player(session, operator_id=floor.operator)
        self.transfer(session, floor, to, 300_00)

        balances.reverse(
            session,
            player_id=to,
            currency="USD",
            sequence=1,
            reason="Wrong family",
            actor=floor.manager,
            idempotency_key="back",
            now=NOW,
        )

        assert balance(session, floor) == (2_000_00, 0)
        assert session.scalars(select(Balance.real).filter_by(player_id=to)).one() == 0
        with pytest.raises(Rejected, match="already been reversed"):
            balances.reverse(
                session,
                player_id=floor.player,
                currency="USD",
                sequence=2,
                reason="Again",
                actor=floor.manager,
                idempotency_key="back-again",
                now=NOW,
            )

    def test_what_is_said_against_either_side_refuses_both(self, session: Session, floor: Floor) -> None:
        to = make_player(session, operator_id=floor.operator)
        wallets.freeze(session, player_id=to, reason="Lost phone", actor=floor.manager, now=NOW)

        with pytest.raises(ChangeRefused, match="The other player: The wallet is frozen"):
            self.transfer(session, floor, to, 300_00)

    def test_above_the_threshold_it_waits(self, session: Session, floor: Floor) -> None:
        to = make_player(session, operator_id=floor.operator)
        done = self.transfer(session, floor, to, 600_00)

        assert done.state == "waiting"
        approve(session, floor, done, floor.other)
        assert session.scalars(select(Balance.real).filter_by(player_id=to)).one() == 600_00


class TestWithdrawals:
    def request(self, session: Session, floor: Floor, amount: int, key: str | None = None) -> int:
        wanted = change_request(floor.player, -amount, ChangeType.WITHDRAWAL, key=key)
        return withdrawals.request(session, request=wanted, actor=floor.agent, now=NOW).withdrawal_id

    def pay(self, session: Session, floor: Floor, withdrawal_id: int) -> Submitted:
        return submissions.submit_payment(
            session, player_id=floor.player, withdrawal_id=withdrawal_id, actor=floor.agent, now=NOW
        )

    def test_a_request_locks_the_amount(self, session: Session, floor: Floor) -> None:
        first, second = (self.request(session, floor, 400_00, key="w") for _ in range(2))

        assert first == second
        assert balance(session, floor) == (2_000_00, 400_00)
        with pytest.raises(ChangeRefused, match="More than is withdrawable"):
            self.request(session, floor, 1_600_01)

    def test_paid_it_leaves_the_balance(self, session: Session, floor: Floor) -> None:
        withdrawal = self.request(session, floor, 400_00)

        assert self.pay(session, floor, withdrawal).change is not None

        assert balance(session, floor) == (1_600_00, 0)
        with pytest.raises(Conflict, match="already paid"):
            self.cancel(session, floor, withdrawal)

    def cancel(self, session: Session, floor: Floor, withdrawal_id: int) -> None:
        withdrawals.cancel(
            session,
            player_id=floor.player,
            withdrawal_id=withdrawal_id,
            reason="Changed their mind",
            actor=floor.agent,
            now=NOW,
        )

    def test_cancelled_it_gives_the_head_room_back(self, session: Session, floor: Floor) -> None:
        session.execute(update(VipRule).values(daily_limit=400_00, approval_threshold=10**12))
        withdrawal = self.request(session, floor, 400_00)
        with pytest.raises(ChangeRefused, match="daily limit"):
            submit(session, floor, 1_00)

        self.cancel(session, floor, withdrawal)

        assert balance(session, floor) == (2_000_00, 0)
        assert submit(session, floor, 1_00).state == "held"

    def test_frozen_in_between_it_is_cancelled_but_not_paid(self, session: Session, floor: Floor) -> None:
        withdrawal = self.request(session, floor, 400_00)
        wallets.freeze(session, player_id=floor.player, reason="Lost phone", actor=floor.manager, now=NOW)

        with pytest.raises(ChangeRefused, match="frozen"), session.begin_nested():
            self.pay(session, floor, withdrawal)

        self.cancel(session, floor, withdrawal)
        assert balance(session, floor) == (2_000_00, 0)

    def test_paying_a_large_one_waits_for_a_second_person(self, session: Session, floor: Floor) -> None:
        withdrawal = self.request(session, floor, 600_00)

        done = self.pay(session, floor, withdrawal)
        assert done.state == "waiting"
        assert self.pay(session, floor, withdrawal).request_id == done.request_id
        approve(session, floor, done, floor.manager)

        assert balance(session, floor) == (1_400_00, 0)

    def test_cancelling_lets_its_waiting_payment_lapse(self, session: Session, floor: Floor) -> None:
        withdrawal = self.request(session, floor, 600_00)
        done = self.pay(session, floor, withdrawal)

        self.cancel(session, floor, withdrawal)

        assert state(session, done.request_id) == "lapsed"
