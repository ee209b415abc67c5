"""Suspending, resuming and closing a loyalty wallet."""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.services import loyalty_cards, loyalty_wallets, points, points_refunds
from dashboard.services.changes import KeyReused
from dashboard.services.loyalty_wallets import Closed
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW
from tests.services.membership import LATER, Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    return join(session)


def move(member: Membership, to: str, **given: Any) -> Act[None]:
    named = {"player_id": member.player_id, "reason": "Dispute", "actor": member.manager, "now": NOW, **given}
    return partial(getattr(loyalty_wallets, to), **named)


def close(member: Membership, **given: Any) -> Act[Closed]:
    return partial(loyalty_wallets.close, **member.named(reason="Moved away", **given))


def logged(member: Membership) -> list[str]:
    rows = member.session.scalars(
        text("SELECT action FROM staff_log WHERE player_id = :p ORDER BY id"), {"p": member.player_id}
    )
    return list(rows)


class TestSuspension:
    def test_points_are_not_used_until_it_ends(self, member: Membership) -> None:
        member.load(100_00)
        redeem = partial(points.redeem, **member.named(points=10, notes="Massage"))
        member.does(move(member, "suspend"))
        assert (member.row().status, member.row().status_reason) == ("suspended", "Dispute")
        member.refuses(redeem, "suspended: its points cannot be used")
        member.does(move(member, "resume"))
        assert (member.row().status, member.row().status_reason) == ("active", None)
        member.does(redeem)
        assert logged(member) == ["loyalty_wallet.suspended", "loyalty_wallet.resumed"]

    def test_loads_adjustments_and_expiry_go_on(self, member: Membership) -> None:
        member.load(100_00)
        member.does(move(member, "suspend"))
        member.does(partial(points.load, **member.named(payment=Payment(5_00), notes="Paid")))
        member.does(partial(points.adjust, **member.named(points=-5, reason="Put right")))
        late = member.named(points=7, reason="Put right", now=LATER)
        member.does(partial(points.adjust, **late), kinds=["expire", "adjustment"])

    def test_what_is_refused(self, member: Membership) -> None:
        member.refuses(move(member, "suspend"), "no loyalty wallet yet", kind=NotFound)
        member.load(100_00)
        stranger = join(member.session).manager
        member.refuses(move(member, "suspend", actor=stranger), "no such player", kind=NotFound)
        member.refuses(move(member, "suspend", reason=" "), "Say why", field="reason")
        member.refuses(move(member, "resume"), "is active", kind=Conflict)
        member.does(move(member, "suspend"))
        member.refuses(move(member, "suspend"), "is suspended", kind=Conflict)
        member.refuses(move(member, "resume", reason="x" * 501), "At most 500", field="reason")
        close(member)(member.session)
        member.refuses(move(member, "suspend"), "is closed", kind=Conflict)
        member.refuses(move(member, "resume"), "is closed", kind=Conflict)


class TestClosing:
    def test_base_points_are_paid_back_and_bonus_points_lapse(self, member: Membership) -> None:
        member.load(22_000_00)
        member.redeem(12_500)
        closed = member.does(close(member), kinds=["refund_wallet", "transfer_tier"])
        assert (closed.payment_back, closed.base_points, closed.bonus_points) == (11_000_00, 11_000, 1_500)
        assert member.batch(1) == (0, 12_500, 1_500, 11_000)
        wallet = member.row()
        assert (wallet.status, wallet.balance, wallet.tier_id, wallet.discount_bp) == ("closed", 0, None, 0)
        assert member.row("tier_history", "tier_id IS NULL").change == "manual"
        assert logged(member) == ["loyalty_wallet.closed"]

    def test_cents_are_paid_back_and_rounded_once(self, member: Membership) -> None:
        # 9.99 for 9 points and 4.50 for 4: of each point 111 and 112.5 cents.
        for amount in (9_99, 4_50):
            member.load(amount)
        member.redeem(4)
        assert member.does(close(member)).payment_back == 5 * 111 + 4_50
        other = join(member.session)
        for amount in (1_01, 2_01, 2_01):
            other.load(amount)
        other.redeem(2)
        # Two halves of 2.01, and once half of it: 201 + 100.5, to even.
        assert other.does(close(other)).payment_back == 302

    def test_points_that_nothing_was_paid_for_are_worth_nothing(self, member: Membership) -> None:
        member.adjust(77)
        closed = member.does(close(member), kinds=["refund_wallet"])
        assert (closed.payment_back, closed.base_points, closed.bonus_points) == (0, 77, 0)

    def test_a_grace_is_worth_what_it_came_from(self, member: Membership) -> None:
        member.load(22_000_00)
        sequence = member.redeem(25_000).entry.sequence
        refund = member.named(sequence=sequence, points=None, notes="Called off", now=LATER)
        points_refunds.refund_service(member.session, **refund)
        closed = member.does(close(member, now=LATER))
        assert (closed.payment_back, closed.base_points, closed.bonus_points) == (22_000_00, 22_000, 3_000)

    def test_no_payment_is_paid_back_twice(self, member: Membership) -> None:
        sequence = member.load(1_00).entry.sequence
        # Half a unit takes no point back, and is gone all the same.
        reversal = member.named(sequence=sequence, amount=50, notes="Bounced")
        assert points_refunds.reverse_load(member.session, **reversal).entry.points == 0
        assert member.does(close(member)).payment_back == 50

    def test_what_is_owed_is_settled_first(self, member: Membership) -> None:
        sequence = member.load(100_00).entry.sequence
        member.redeem(100)
        member.adjust(10)
        member.load(50_00)
        reversal = member.named(sequence=sequence, amount=30_00, notes="Bounced")
        points_refunds.reverse_load(member.session, **reversal)
        closed = member.does(close(member), kinds=["reversal", "refund_wallet"])
        # Of the 30 that are owed the adjustment pays 10, which expires as soon and came first.
        assert (closed.payment_back, closed.base_points) == (30_00, 30)
        assert member.row().owed == 0

    def test_without_points_it_just_ends(self, member: Membership) -> None:
        member.load(22_000_00)
        member.redeem(25_000)
        card = loyalty_cards.issue(
            member.session, player_id=member.player_id, number=None, actor=member.manager, now=NOW
        )
        closed = member.does(close(member), kinds=["transfer_tier"])
        assert closed == Closed(None, 0, 0, 0)
        assert not member.row("loyalty_cards", f"number = '{card}'").is_active

    def test_what_has_expired_is_not_paid_back(self, member: Membership) -> None:
        member.load(100_00)
        closed = member.does(close(member, now=LATER), kinds=["expire"])
        assert closed == Closed(None, 0, 0, 0)

    def test_it_takes_nothing_afterwards(self, member: Membership) -> None:
        member.load(22_000_00)
        close(member)(member.session)
        load = member.named(payment=Payment(5_00), notes="Paid")
        member.refuses(partial(points.load, **load), "wallet is closed")
        member.refuses(partial(points.redeem, **member.named(points=1, notes="x")), "wallet is closed")
        for wanted in (1, -1):
            adjust = member.named(points=wanted, reason="Put right")
            member.refuses(partial(points.adjust, **adjust), "wallet is closed")
        member.refuses(close(member), "wallet is closed", kind=Conflict)

    def test_what_is_refused(self, member: Membership) -> None:
        member.refuses(close(member), "no loyalty wallet yet", kind=NotFound)
        member.load(100_00)
        stranger = join(member.session).manager
        member.refuses(close(member, actor=stranger), "no such player", kind=NotFound)
        member.refuses(partial(close(member), reason=""), "Say why", field="reason")

    def test_a_key_is_used_once(self, member: Membership) -> None:
        member.load(100_00)
        act = close(member)
        first, again = act(member.session), act(member.session)
        assert (first.done and first.done.entry) == (again.done and again.done.entry)
        assert (again.payment_back, again.base_points) == (100_00, 100)
        member.refuses(partial(act, reason="Another"), "another change", kind=KeyReused)

    def test_the_database_closes_no_wallet_with_points(self, member: Membership) -> None:
        member.load(100_00)
        with pytest.raises(IntegrityError, match="closed"), member.session.begin_nested():
            member.session.execute(
                text("UPDATE loyalty_wallets SET status = 'closed', status_reason = 'x', status_at = :now"),
                {"now": NOW + dt.timedelta(days=1)},
            )
