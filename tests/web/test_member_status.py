"""What one does about a member's wallet as a whole: closing, suspending, resuming, and its cards."""

import pytest

from dashboard.models.login import Role
from tests.pages import Page
from tests.web.club import Club, lines, loaded, serviced, suspended, told, typed, used_up, value
from tests.web.desk import Desk, fields


@pytest.fixture
def club(desk: Desk) -> Club:
    return Club(desk, desk.player(100_000, name="Nika Storm"))


def test_a_wallet_without_points_closes_without_a_payment(club: Club) -> None:
    used_up(club)
    club.redeem(10, "rest")
    manager = club.by(Role.MANAGER)
    page = manager.page(f"{club.page}/close")
    assert lines(page)["Payment back"] == "0.00 USD"
    sent = {**fields(page, "act"), "reason": "Moves away"}
    assert manager.post(f"{club.page}/close", sent).status_code == 303
    assert "The loyalty wallet is closed." in manager.page(club.page).text


def test_closing_names_what_goes_back_before_anybody_confirms(club: Club) -> None:
    serviced(club)
    page = club.by(Role.MANAGER).page(f"{club.page}/close")
    assert lines(page)["Payment back"] == "21,948.00 USD"
    assert lines(page)["Bonus points that lapse"] == "2,994"


def test_suspending_and_resuming(club: Club) -> None:
    suspended(club)
    page = club.by().page(club.page)
    assert "The loyalty wallet is suspended.Chargeback" in page.text
    again = club.by().post(f"{club.page}/suspend", typed(reason="Twice"), htmx=True)
    assert (again.status_code, "The loyalty wallet is suspended." in again.text) == (409, True)
    assert club.by().post(f"{club.page}/resume", typed(reason="Paid")).status_code == 303
    assert "suspended" not in club.by().page(f"{club.page}?kind=load").text.replace("is suspended", "")


def test_cards_are_issued_and_taken_out_of_use(club: Club) -> None:
    loaded(club)
    manager = club.by(Role.MANAGER)
    answer = manager.post(f"{club.page}/cards", typed(number="CARD-77"))
    assert (answer.status_code, answer.location) == (303, club.page)
    page = manager.page(club.page)
    assert "Card CARD-77 is issued." in page.text
    (end,) = [link["href"] for link in page.all("a") if link.text == "Take out of use…"]
    assert "cannot be used any more" in manager.page(end).text
    assert manager.post(end, typed(), htmx=True).status_code == 204
    assert "in use" not in manager.page(club.page).by_id("member").text.replace("out of use", "")
    assert manager.post(end, typed(), htmx=True).status_code == 409
    taken = manager.post(f"{club.page}/cards", typed(number="CARD-77"), htmx=True)
    assert taken.status_code == 422
    assert told(Page(taken), "number")
    assert value(Page(taken), "number") == "CARD-77"
    made = manager.post(f"{club.page}/cards", typed(number=""), htmx=True)
    assert made.status_code == 204
