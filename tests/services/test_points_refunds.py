"""Points that come back from cancelled services, and loads whose payment is given back."""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.services import loyalty_expiry, loyalty_wallets, points_refunds
from dashboard.services.changes import KeyReused
from dashboard.services.points import Done, Made
from tests.builders import NOW
from tests.services.membership import LATER, Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    return join(session)


def refund(member: Membership, sequence: int, points: int | None, **given: Any) -> Act[Done]:
    named = member.named(sequence=sequence, points=points, notes="Called off", **given)
    return partial(points_refunds.refund_service, **named)


def reversal(member: Membership, sequence: int, amount: int | None, **given: Any) -> Act[Done]:
    named = member.named(sequence=sequence, amount=amount, notes="Bounced", **given)
    return partial(points_refunds.reverse_load, **named)


def two_batches(member: Membership) -> int:
    """25,000 points, 3,000 of them bonus, and 100; a redemption that took all but 40; its sequence."""
    member.load(22_000_00)
    member.load(50_00, now=NOW + dt.timedelta(days=1))
    member.adjust(44, now=NOW + dt.timedelta(days=2))
    return member.redeem(25_060).entry.sequence


class TestRefundOfAService:
    def test_points_return_to_their_batches_the_newest_first(self, member: Membership) -> None:
        sequence = two_batches(member)
        done = member.does(refund(member, sequence, 30), kinds=["refund_service"])
        assert [(part.number, part.points) for part in done.parts] == [(3, -4), (2, -26)]
        done = member.does(refund(member, sequence, 1_000))
        assert [(part.number, part.base_points, part.bonus_points) for part in done.parts] == [
            (2, -27, -3),
            (1, -853, -117),
        ]

    # 99 cents besides 9,799 points: fifths of it are 20 cents each, where they are rounded one by one.
    @pytest.mark.parametrize("parts", [[1, 2_000, 3, 777, None], [*[1_960] * 4, None]])
    def test_parts_add_up_to_the_whole(self, member: Membership, parts: list[int | None]) -> None:
        member.load(22_000_00)
        before = member.row("points_batches")
        sequence = member.redeem(None, price=9_999_99).entry.sequence
        paid_besides = member.row("loyalty_entries", f"sequence = {sequence}").payment_amount
        done = [member.does(refund(member, sequence, part)) for part in parts]
        assert member.row("points_batches") == before
        assert sum(each.entry.payment_amount or 0 for each in done) == paid_besides
        assert member.row().refunded == sum(each.entry.points for each in done)

    def test_without_money_besides_no_money_goes_back(self, member: Membership) -> None:
        sequence = two_batches(member)
        assert member.does(refund(member, sequence, None)).entry.payment_amount is None

    def test_a_suspended_member_gets_points_back(self, member: Membership) -> None:
        sequence = two_batches(member)
        loyalty_wallets.suspend(
            member.session, player_id=member.player_id, reason="Dispute", actor=member.manager, now=NOW
        )
        assert member.does(refund(member, sequence, 60)).entry.points == 60

    def test_what_is_refused(self, member: Membership) -> None:
        sequence = two_batches(member)
        member.refuses(refund(member, 99, 1), "no such entry", kind=NotFound)
        member.refuses(refund(member, 1, 1), "Only a redemption")
        member.refuses(refund(member, sequence, 0), "at least one point", field="points")
        member.refuses(refund(member, sequence, 25_061), "25,060 points are left", field="points")
        member.refuses(partial(refund(member, sequence, 1), notes=" "), "Say why", field="notes")
        member.does(refund(member, sequence, 25_059))
        member.refuses(refund(member, sequence, 2), "redemption 1 points are left", field="points")
        member.does(refund(member, sequence, None))
        member.refuses(refund(member, sequence, 1), "given back already")
        member.refuses(refund(member, sequence, None), "given back already")
        close(member)
        member.refuses(refund(member, sequence, 1), "wallet is closed")

    def test_a_key_is_used_once(self, member: Membership) -> None:
        sequence = two_batches(member)
        act = refund(member, sequence, 10)
        first, again = act(member.session), act(member.session)
        assert again.repeated
        assert (again.entry, again.parts) == (first.entry, first.parts)
        member.refuses(partial(act, points=11), "another change", kind=KeyReused)

    def test_the_database_gives_nothing_back_twice(self, member: Membership) -> None:
        two_batches(member)
        with pytest.raises(IntegrityError, match="refunded"), member.session.begin_nested():
            member.session.execute(
                text("UPDATE points_allocations SET refunded = points + 1 WHERE points > 0")
            )


class TestAnExpiredBatch:
    """A load of 100 without tier, 60 of it redeemed; the refund comes when it has expired."""

    @pytest.fixture
    def sequence(self, member: Membership) -> int:
        member.load(100_00)
        return member.redeem(60).entry.sequence

    def test_grace_makes_a_batch_of_some_days(self, member: Membership, sequence: int) -> None:
        done = member.does(refund(member, sequence, 25, now=LATER), kinds=["expire", "refund_service"])
        today = LATER.date()
        (made,) = done.made
        assert (made.number, made.origin, made.base_loaded) == (2, 1, 25)
        assert made.expires_on == today + dt.timedelta(days=30)
        assert member.batch(1) == (0, 35, 40, 25)
        assert member.batch(2) == (25, 0, 0, 0)
        # The rest a day later: a batch of its own.
        day_later = LATER + dt.timedelta(days=1)
        (made,) = member.does(refund(member, sequence, None, now=day_later)).made
        assert (made.number, made.origin, made.base_loaded) == (3, 1, 35)
        assert member.batch(1) == (0, 0, 40, 60)

    def test_while_it_is_valid_there_is_no_grace(self, member: Membership, sequence: int) -> None:
        last = dt.datetime(2027, 3, 2, 22, 59, tzinfo=dt.UTC)
        assert not member.does(refund(member, sequence, 1, now=last)).made
        late = member.does(refund(member, sequence, 1, now=last + dt.timedelta(minutes=1)))
        assert [made.base_loaded for made in late.made] == [1]

    def test_original_lets_them_lapse_at_once(self, member: Membership, sequence: int) -> None:
        member.run_by(refund_policy="original")
        kinds = ["expire", "refund_service", "expire"]
        done = member.does(refund(member, sequence, 25, now=LATER), kinds=kinds)
        assert done.balance == 0
        assert member.batch(1) == (0, 35, 65, 0)
        assert member.does(refund(member, sequence, None, now=LATER), kinds=kinds[1:]).balance == 0
        assert member.batch(1) == (0, 0, 100, 0)

    def test_extend_makes_the_batch_valid_again(self, member: Membership, sequence: int) -> None:
        member.run_by(refund_policy="extend", grace_days=10)
        done = member.does(refund(member, sequence, 25, now=LATER), kinds=["expire", "refund_service"])
        until = LATER.date() + dt.timedelta(days=10)
        assert [(part.number, part.expires_on, part.points) for part in done.parts] == [(1, until, -25)]
        assert member.batch(1) == (25, 35, 40, 0)
        # It is valid now: what comes back a day later does not prolong it once more.
        member.does(refund(member, sequence, None, now=LATER + dt.timedelta(days=1)))
        assert member.row("points_batches").expires_on == until
        assert member.batch(1) == (60, 0, 40, 0)

    def test_what_lapses_with_the_refund_counts_first(self, member: Membership) -> None:
        member.run_by(refund_policy="extend")
        member.load(22_000_00)
        sequence = member.redeem(20_010).entry.sequence
        # The last of 25,000 points is bonus; the last of 20,010 is not.
        done = member.does(
            refund(member, sequence, 1, now=LATER), kinds=["expire", "transfer_tier", "refund_service"]
        )
        assert [(part.base_points, part.bonus_points) for part in done.parts] == [(0, -1)]

    def test_a_grace_of_a_grace_comes_from_the_grace(self, member: Membership, sequence: int) -> None:
        member.does(refund(member, sequence, None, now=LATER))
        again = member.redeem(60, now=LATER).entry.sequence
        much_later = LATER + dt.timedelta(days=31)
        done = member.does(refund(member, again, None, now=much_later))
        assert [(made.number, made.origin) for made in done.made] == [(3, 2)]

    def test_graces_share_the_bonus_as_it_was_taken(self, member: Membership) -> None:
        member.load(22_000_00)
        sequence = member.redeem(20_010).entry.sequence
        taken = member.row("points_allocations", f"sequence = {sequence}")
        graces: list[Made] = []
        for part in (1, 1, 5_000, None):
            graces += member.does(refund(member, sequence, part, now=LATER)).made
        assert sum(made.bonus_loaded for made in graces) == taken.bonus_points
        assert sum(made.base_loaded for made in graces) == taken.base_points
        assert [(made.base_loaded, made.bonus_loaded) for made in graces[:2]] == [(1, 0), (1, 0)]


class TestReversalOfALoad:
    def test_what_is_left_is_taken_and_the_rest_is_owed(self, member: Membership) -> None:
        sequence = member.load(22_000_00).entry.sequence
        member.redeem(20_000)
        done = member.does(reversal(member, sequence, 11_000_00), kinds=["reversal"])
        assert (done.entry.points, done.entry.base_points) == (-5_000, -4_400)
        assert (member.row().owed, member.row().amount_paid) == (7_500, 11_000_00)
        assert member.batch(1) == (0, 20_000, 0, 5_000)
        # Nothing is left, so all that follows is owed.
        assert member.does(reversal(member, sequence, None)).entry.points == 0
        assert (member.row().owed, member.row().amount_paid) == (20_000, 0)

    def test_the_next_load_pays_what_is_owed(self, member: Membership) -> None:
        sequence = member.load(100_00).entry.sequence
        member.redeem(100)
        member.does(reversal(member, sequence, None))
        assert member.load(30_00).balance == 0
        assert member.row().owed == 70
        assert member.load(90_00).balance == 20
        assert member.row().owed == 0
        member.prove()

    @pytest.mark.parametrize("policy", ["grace", "extend"])
    def test_a_refund_pays_what_is_owed(self, member: Membership, policy: str) -> None:
        member.run_by(refund_policy=policy)
        sequence = member.load(100_00).entry.sequence
        redeemed = member.redeem(100).entry.sequence
        member.does(reversal(member, sequence, 70_00))
        done = member.does(refund(member, redeemed, 40), kinds=["refund_service", "reversal"])
        assert (done.balance, member.row().owed) == (0, 30)
        done = member.does(refund(member, redeemed, 60, now=LATER), kinds=["refund_service", "reversal"])
        assert (done.balance, member.row().owed) == (30, 0)

    def test_what_lapses_again_pays_nothing(self, member: Membership) -> None:
        member.run_by(refund_policy="original")
        sequence = member.load(100_00).entry.sequence
        redeemed = member.redeem(100).entry.sequence
        member.does(reversal(member, sequence, None))
        done = member.does(refund(member, redeemed, 40, now=LATER), kinds=["refund_service", "expire"])
        assert (done.balance, member.row().owed) == (0, 100)

    def test_parts_add_up_to_the_whole(self, member: Membership) -> None:
        sequence = member.load(3_33).entry.sequence
        taken = [
            member.does(reversal(member, sequence, part)).entry.points for part in (55, 55, 55, 55, None)
        ]
        # Of three points at 1.11 each; one by one each of the first four were none.
        assert taken == [0, -1, 0, -1, -1]
        assert (member.row().balance, member.row().amount_paid) == (0, 0)

    def test_an_expired_load_is_owed_too(self, member: Membership) -> None:
        sequence = member.load(100_00).entry.sequence
        member.redeem(60)
        done = member.does(reversal(member, sequence, None, now=LATER), kinds=["expire", "reversal"])
        assert (done.entry.points, member.row().owed) == (0, 100)

    def test_what_is_refused(self, member: Membership) -> None:
        sequence = member.load(100_00).entry.sequence
        redeemed = member.redeem(10).entry.sequence
        member.refuses(reversal(member, 99, 1), "no such entry", kind=NotFound)
        member.refuses(reversal(member, redeemed, 1), "Only a load")
        member.refuses(reversal(member, sequence, 0), "how much", field="amount")
        member.refuses(reversal(member, sequence, 100_01), "100.00 USD are left", field="amount")
        member.refuses(partial(reversal(member, sequence, 1), notes=""), "Say why", field="notes")
        member.does(reversal(member, sequence, None))
        member.refuses(reversal(member, sequence, 1), "given back already")
        close(member)
        member.refuses(reversal(member, sequence, 1), "wallet is closed")

    def test_a_key_is_used_once(self, member: Membership) -> None:
        sequence = member.load(100_00).entry.sequence
        act = reversal(member, sequence, 10_00)
        first, again = act(member.session), act(member.session)
        assert again.repeated
        assert (again.entry, again.parts) == (first.entry, first.parts)
        member.refuses(partial(act, amount=11_00), "another change", kind=KeyReused)

    def test_the_database_gives_no_payment_back_twice(self, member: Membership) -> None:
        member.load(100_00)
        with pytest.raises(IntegrityError, match="amount_refunded"), member.session.begin_nested():
            member.session.execute(text("UPDATE points_batches SET amount_refunded = amount_paid + 1"))


def close(member: Membership) -> None:
    loyalty_wallets.close(member.session, **member.named(reason="Moved away"))


@pytest.mark.parametrize("policy", ["grace", "original", "extend"])
def test_a_day_ends_once_though_the_operators_clock_is_put_back(
    session: Session, member: Membership, policy: str
) -> None:
    """Points of a day that is over come back, and no second entry of that day is ever needed."""
    member.run_by(refund_policy=policy)
    member.load(100_00)
    sequence = member.redeem(40).entry.sequence
    after = dt.datetime(2027, 3, 2, 23, 30, tzinfo=dt.UTC)
    assert len(loyalty_expiry.expire_due(session, now=after, limit=10)) == 1
    session.execute(text("UPDATE operators SET timezone = 'America/New_York'"))
    member.does(refund(member, sequence, None, now=after))
    left = 0 if policy == "original" else 40
    assert member.row().balance == left
    days = 2 if policy == "original" else 40
    loyalty_expiry.expire_due(session, now=after + dt.timedelta(days=days), limit=10)
    assert member.row().balance == 0


def test_another_operators_people_find_nothing(session: Session, member: Membership) -> None:
    sequence = two_batches(member)
    stranger = join(session).manager
    member.refuses(refund(member, sequence, 1, actor=stranger), "no such player", kind=NotFound)
    member.refuses(reversal(member, 1, 1, actor=stranger), "no such player", kind=NotFound)
