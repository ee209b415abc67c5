"""Loading, redeeming and adjusting: the preview is the act, also where it is refused, and leaves nothing."""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.services import loyalty_wallets, points
from dashboard.services.changes import KeyReused
from dashboard.services.points import Done
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW
from tests.services.membership import LATER, Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    return join(session)


def load(member: Membership, amount: int, **given: Any) -> Act[Done]:
    return partial(points.load, **member.named(payment=Payment(amount), notes="Paid", **given))


def redeem(member: Membership, wanted: int | None, **given: Any) -> Act[Done]:
    return partial(points.redeem, **member.named(points=wanted, notes="Massage", **given))


def adjust(member: Membership, wanted: int, **given: Any) -> Act[Done]:
    return partial(points.adjust, **member.named(points=wanted, reason="Put right", **given))


def test_what_is_done(member: Membership) -> None:
    member.does(load(member, 22_000_00), kinds=["load", "transfer_tier"])
    member.does(load(member, 45_000_00), kinds=["load", "transfer_tier"])
    member.does(load(member, 1_00), kinds=["load"])
    member.does(redeem(member, 24_999), kinds=["redeem"])
    member.does(redeem(member, None, price=1_234_56), kinds=["redeem"])
    member.does(adjust(member, 7), kinds=["adjustment"])
    member.does(adjust(member, -3), kinds=["adjustment"])
    # After a year and a day all of it has expired, and gold has ended.
    kinds = ["expire", "transfer_tier", "load"]
    member.does(load(member, 30_00, now=LATER + dt.timedelta(days=1)), kinds=kinds)


def test_what_of_a_load_is_refused(member: Membership) -> None:
    for amount in (0, 99, -1_00, 10**15 + 1):
        member.refuses(load(member, amount), "payments from 1.00 USD on", field="payment_amount")
    member.refuses(partial(load(member, 1_00), notes=" "), "Say why", field="notes")
    member.refuses(partial(load(member, 1_00), notes="x" * 501), "At most 500", field="notes")
    stranger = join(member.session).manager
    member.refuses(load(member, 1_00, actor=stranger), "no such player", kind=NotFound)
    member.refuses(partial(load(member, 1_00), player_id=10**9), "no such player", kind=NotFound)
    act = load(member, 1_00)
    member.does(act)
    member.refuses(partial(act, payment=Payment(2_00)), "another change", kind=KeyReused)
    close(member)
    member.refuses(load(member, 1_00), "wallet is closed")


def test_what_of_a_redemption_is_refused(member: Membership) -> None:
    member.refuses(redeem(member, 1), "no loyalty wallet yet", kind=NotFound)
    member.load(100_00)
    member.refuses(redeem(member, None), "Enter how many points", field="points")
    for wrong in (0, -1):
        member.refuses(redeem(member, wrong), "at least one point", field="points")
    member.refuses(redeem(member, 101), "There are 100 points, and not 101", field="points")
    for price in (0, -1, 10**15 + 1):
        member.refuses(redeem(member, 1, price=price), "what the service costs", field="price")
    member.refuses(redeem(member, 51, price=50_99), "costs 50 points at most", field="points")
    member.refuses(redeem(member, None, price=99), "no points to pay with", field="points")
    member.refuses(partial(redeem(member, 1), notes=""), "Say why", field="notes")
    member.refuses(redeem(member, 1, actor=join(member.session).manager), "no such player", kind=NotFound)
    member.refuses(redeem(member, 1, now=LATER), "There are 0 points", field="points")
    act = redeem(member, 1)
    member.does(act)
    member.refuses(partial(act, points=2), "another change", kind=KeyReused)
    close(member)
    member.refuses(redeem(member, 1), "closed: its points cannot be used")


def test_what_of_an_adjustment_is_refused(member: Membership) -> None:
    member.refuses(adjust(member, -1), "no loyalty wallet yet", kind=NotFound)
    member.load(100_00)
    for wrong in (0, 10**15 + 1, -(10**15) - 1):
        member.refuses(adjust(member, wrong), "how many points to add or to take", field="points")
    member.refuses(adjust(member, -101), "There are 100 points, and not 101", field="points")
    member.refuses(partial(adjust(member, 1), reason=" "), "Say why", field="reason")
    member.refuses(adjust(member, 1, actor=join(member.session).manager), "no such player", kind=NotFound)
    act = adjust(member, 1)
    member.does(act)
    member.refuses(partial(act, points=2), "another change", kind=KeyReused)
    close(member)
    member.refuses(adjust(member, 1), "wallet is closed")


def close(member: Membership) -> None:
    loyalty_wallets.close(member.session, **member.named(reason="Moved away", now=NOW))
