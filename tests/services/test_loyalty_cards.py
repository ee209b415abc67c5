"""Cards of members: their numbers, which one is in use, and until when."""

import datetime as dt
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.services import loyalty_cards, loyalty_wallets
from tests.builders import NOW, make_player
from tests.services.membership import Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    member = join(session)
    member.load(1_00)
    return member


def issue(member: Membership, number: str | None, **given: Any) -> Act[str]:
    named = {"player_id": member.player_id, "number": number, "actor": member.manager, "now": NOW, **given}
    return partial(loyalty_cards.issue, **named)


def deactivate(member: Membership, number: str, **given: Any) -> Act[None]:
    card_id = member.row("loyalty_cards", f"number = '{number}'").id
    named = {"player_id": member.player_id, "card_id": card_id, "actor": member.manager, "now": NOW, **given}
    return partial(loyalty_cards.deactivate, **named)


def in_use(member: Membership) -> list[str]:
    query = text("SELECT number FROM loyalty_cards WHERE player_id = :p AND is_active")
    return list(member.session.scalars(query, {"p": member.player_id}))


class TestCheckDigit:
    @pytest.mark.parametrize(
        "number",
        ["79927398713", "4539578763621486", "00", "18", "26", "34", "42", "59", "67", "75", "83", "91"],
    )
    def test_numbers_that_are_known_to_be_sound(self, number: str) -> None:
        assert loyalty_cards.is_sound(number)

    @pytest.mark.parametrize("number", ["79927398710", "", "0A", "-18", "\u0661\u0668"])
    def test_numbers_that_are_not(self, number: str) -> None:
        assert not loyalty_cards.is_sound(number)

    def test_every_single_wrong_digit_is_found(self) -> None:
        number = loyalty_cards.new_number()
        assert len(number) == loyalty_cards.DIGITS
        for place, digit in enumerate(number):
            for wrong in set("0123456789") - {digit}:
                assert not loyalty_cards.is_sound(number[:place] + wrong + number[place + 1 :])


class TestIssue:
    def test_a_number_of_our_own_is_sound(self, member: Membership) -> None:
        number = issue(member, None)(member.session)
        assert loyalty_cards.is_sound(number)
        card = member.row("loyalty_cards")
        assert (card.number, card.is_active, card.tier_id) == (number, True, None)
        assert (card.issued_on, card.expires_on) == (dt.date(2026, 3, 2), dt.date(2027, 3, 2))

    def test_a_number_from_elsewhere_is_kept_as_it_is(self, member: Membership) -> None:
        assert issue(member, "  HC-0017a ")(member.session) == "HC-0017a"

    def test_it_is_valid_as_long_as_the_tier(self, member: Membership) -> None:
        member.load(22_000_00, now=NOW + dt.timedelta(days=3))
        issue(member, None, now=NOW + dt.timedelta(days=5))(member.session)
        card = member.row("loyalty_cards")
        assert (card.tier_id, card.expires_on) == (member.row().tier_id, dt.date(2027, 3, 5))

    def test_one_card_is_in_use(self, member: Membership) -> None:
        for number in ("HC-1", "HC-2"):
            issue(member, f"{number}00")(member.session)
        assert in_use(member) == ["HC-200"]
        log = text("SELECT action, details FROM staff_log ORDER BY id")
        assert [tuple(row) for row in member.session.execute(log)] == [
            ("loyalty_card.issued", '{"number": "HC-100"}'),
            ("loyalty_card.issued", '{"number": "HC-200"}'),
        ]

    def test_what_is_refused(self, member: Membership) -> None:
        issue(member, "HC-100")(member.session)
        for wrong in ("", "HC1", "HC 100", "x" * 41, "HC-\u0661\u0662", "HC-100\nX"):
            member.refuses(issue(member, wrong), "4 to 40 letters", field="number")
        other = Membership(
            member.session,
            member.operator_id,
            make_player(member.session, operator_id=member.operator_id),
            member.manager,
        )
        other.refuses(issue(other, None), "no loyalty wallet yet", kind=NotFound)
        other.load(1_00)
        # One's own card too: a number is of one card for good.
        for whose in (member, other):
            whose.refuses(issue(whose, "HC-100"), "on another card", field="number")
        assert in_use(member) == ["HC-100"]
        stranger = join(member.session)
        member.refuses(issue(member, None, actor=stranger.manager), "no such player", kind=NotFound)
        stranger.load(1_00)
        issue(stranger, "HC-100")(member.session)
        loyalty_wallets.close(member.session, **member.named(reason="Moved away"))
        member.refuses(issue(member, None), "wallet is closed")


class TestDeactivation:
    def test_it_is_in_use_no_more(self, member: Membership) -> None:
        number = issue(member, None)(member.session)
        deactivate(member, number)(member.session)
        assert in_use(member) == []
        member.refuses(deactivate(member, number), "not in use any more", kind=Conflict)
        issue(member, None)(member.session)

    def test_what_is_refused(self, member: Membership) -> None:
        number = issue(member, None)(member.session)
        member.refuses(partial(deactivate(member, number), card_id=99), "no such card", kind=NotFound)
        stranger = join(member.session)
        act = deactivate(member, number, actor=stranger.manager)
        member.refuses(act, "no such player", kind=NotFound)
        stranger.load(1_00)
        act = deactivate(member, number, actor=stranger.manager, player_id=stranger.player_id)
        member.refuses(act, "no such card", kind=NotFound)


def test_the_database_lets_one_card_be_in_use(member: Membership) -> None:
    issue(member, "HC-100")(member.session)
    issue(member, "HC-200")(member.session)
    with pytest.raises(IntegrityError, match="active"), member.session.begin_nested():
        member.session.execute(text("UPDATE loyalty_cards SET is_active = true"))
