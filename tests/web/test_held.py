"""What is held for undo: posting it at once, taking it back, and what the player's page says of it."""

import datetime as dt
import json
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from dashboard import clock
from dashboard.models import Balance, ChangeRequest, Operator, VipRule
from dashboard.models.login import Role
from dashboard.services import change_requests, wallets
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.pages import Page
from tests.web.desk import AT, Browser, Desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A desk that holds what is typed for 30 seconds."""
    wanted = update(Operator).filter_by(id=desk.operator_id).values(undo_seconds=30)
    desk.write(lambda session: session.execute(wanted))
    return desk


def send(
    browser: Browser, player_id: int, amount: str, *, key: str | None = None, htmx: bool = True
) -> tuple[int, Page | None]:
    """Send the adjust form for a balance of one entry; the status, and the answer if it is a page."""
    data = {
        "change_type": "adjustment",
        "amount": amount,
        "reason": "Goodwill",
        "currency": "USD",
        "seen_version": "1",
        "idempotency_key": key or str(uuid4()),
    }
    answer = browser.post(f"/players/{player_id}/adjustments", data, htmx=htmx)
    return answer.status_code, Page(answer) if answer.text else None


def requests_of(desk: Desk, player_id: int) -> list[ChangeRequest]:
    wanted = select(ChangeRequest).filter_by(player_id=player_id).order_by(ChangeRequest.id)
    return desk.read(lambda session: list(session.scalars(wanted)))


def held(desk: Desk, player_id: int) -> int:
    """The id of the only request there is."""
    (request,) = requests_of(desk, player_id)
    return request.id


def pending(desk: Desk, player_id: int) -> int:
    wanted = select(Balance.pending).filter_by(player_id=player_id, currency="USD")
    return desk.read(lambda session: session.scalars(wanted).one())


def act(browser: Browser, player_id: int, request_id: int, what: str, *, htmx: bool = True) -> int:
    return browser.post(f"/players/{player_id}/held/{request_id}/{what}", {}, htmx=htmx).status_code


def test_a_small_change_is_held_and_stands_on_the_page(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)

    status, page = send(agent, player_id, "-100")

    assert (status, desk.version(player_id), pending(desk, player_id)) == (200, 1, 100_00)
    assert page is not None
    told = json.loads(page.response.headers["HX-Trigger"])["toast"]["message"]
    assert told == "Held, and not posted yet: debit 100.00 USD · Mira Holm."
    strip = page.by_id("held")
    assert strip["hx-swap-oob"] == "outerMorph"
    assert "30 s Debit 100.00 USD “Goodwill”, posted at 14:00:30 unless you take it back." in strip.text
    assert [button.text for button in page.all("button") if button.is_within(strip)] == [
        "Post now",
        "Take back",
    ]
    card = agent.page(f"/players/{player_id}").by_id("balance-card").text
    assert "Withdrawable 400.00" in card
    assert "Pending 100.00 100.00 held for undo" in card


@pytest.mark.parametrize("htmx", [True, False])
def test_taken_back_nothing_was_posted(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    send(agent, player_id, "-100", htmx=htmx)

    assert act(agent, player_id, held(desk, player_id), "take-back", htmx=htmx) == (200 if htmx else 303)

    assert (desk.real(player_id), desk.version(player_id), pending(desk, player_id)) == (500_00, 1, 0)
    page = agent.page(f"/players/{player_id}")
    assert page.by_id("held").text == ""
    assert requests_of(desk, player_id)[0].state == "taken_back"


@pytest.mark.parametrize("htmx", [True, False])
def test_posted_at_once_it_says_which_entry_it_became(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    send(agent, player_id, "-100", htmx=htmx)

    assert act(agent, player_id, held(desk, player_id), "post", htmx=htmx) == (200 if htmx else 303)

    assert (desk.real(player_id), desk.version(player_id), pending(desk, player_id)) == (400_00, 2, 0)
    strip = agent.page(f"/players/{player_id}").by_id("held").text
    assert "Posted: Debit 100.00 USD." in strip
    assert "Entry 2, or reverse it…" in strip


def test_what_the_worker_posts_stands_there_for_a_while(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    send(agent, player_id, "100")
    request_id, later = held(desk, player_id), AT + dt.timedelta(seconds=31)
    desk.write(
        lambda session: change_requests.post_held(
            session, player_id=player_id, request_id=request_id, actor=SYSTEM, now=later
        )
    )

    with clock.frozen(later):
        shown = Page(agent.get(f"/players/{player_id}/held", htmx=True)).by_id("held").text
    with clock.frozen(later + dt.timedelta(minutes=3)):
        afterwards = Page(agent.get(f"/players/{player_id}/held", htmx=True)).by_id("held").text

    assert "Posted: Credit 100.00 USD." in shown
    assert afterwards == ""


@pytest.mark.parametrize(("first", "second"), [("post", "take-back"), ("take-back", "post")])
def test_what_has_ended_is_a_conflict_in_its_place(desk: Desk, first: str, second: str) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    send(agent, player_id, "-100")
    request_id = held(desk, player_id)
    assert act(agent, player_id, request_id, first) == 200

    answer = agent.post(f"/players/{player_id}/held/{request_id}/{second}", {}, htmx=True)

    assert answer.status_code == 409
    assert "This change has already been" in Page(answer).by_id("held").text
    assert act(agent, player_id, request_id, second, htmx=False) == 409


def test_what_the_rules_refuse_meanwhile_is_told_and_goes_on_being_held(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    send(agent, player_id, "-100")
    request_id = held(desk, player_id)
    desk.write(
        lambda session: wallets.freeze(
            session,
            player_id=player_id,
            reason="Lost phone",
            actor=builders.make_actor(session, operator_id=desk.operator_id),
            now=AT,
        )
    )

    answer = agent.post(f"/players/{player_id}/held/{request_id}/post", {}, htmx=True)

    assert answer.status_code == 422
    assert "The wallet is frozen" in Page(answer).by_id("held").text
    assert (desk.version(player_id), requests_of(desk, player_id)[0].state) == (1, "held")


def test_another_person_sees_it_and_cannot_touch_it(desk: Desk) -> None:
    agent, other, player_id = (
        desk.sign_in(name="Ana Reyes"),
        desk.sign_in(Role.MANAGER),
        desk.player(balance_minor=500_00),
    )
    send(agent, player_id, "-100")
    request_id = held(desk, player_id)

    page = other.page(f"/players/{player_id}")

    strip = page.by_id("held")
    assert "Ana Reyes: “Goodwill”, posted at 14:00:30." in strip.text
    assert not [button for button in page.all("button") if button.is_within(strip)]
    for what in ("post", "take-back"):
        assert act(other, player_id, request_id, what) == 422
    assert (desk.version(player_id), requests_of(desk, player_id)[0].state) == (1, "held")


def test_who_may(desk: Desk) -> None:
    agent, auditor, player_id = desk.sign_in(), desk.sign_in(Role.AUDITOR), desk.player(balance_minor=500_00)
    send(agent, player_id, "-100")
    request_id = held(desk, player_id)
    elsewhere = desk.write(
        lambda session: builders.make_player(session, operator_id=builders.make_operator(session))
    )
    for what in ("post", "take-back"):
        assert act(auditor, player_id, request_id, what) == 403
        assert act(agent, elsewhere, request_id, what) == 404
        assert act(agent, player_id, request_id + 1, what) == 404
    assert agent.get(f"/players/{elsewhere}/held", htmx=True).status_code == 404


def test_the_same_form_sent_twice_is_held_once(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    key = str(uuid4())

    for _ in range(2):
        assert send(agent, player_id, "-100", key=key)[0] == 200

    assert len(requests_of(desk, player_id)) == 1
    assert pending(desk, player_id) == 100_00
    status, page = send(agent, player_id, "-99", key=key)
    assert status == 409
    assert page is not None
    assert "This form has been sent already." in page.by_id("adjust-form").text


def test_sent_again_after_it_was_taken_back_it_stays_taken_back(desk: Desk) -> None:
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)
    key = str(uuid4())
    send(agent, player_id, "-100", key=key)
    act(agent, player_id, held(desk, player_id), "take-back")

    status, page = send(agent, player_id, "-100", key=key)

    assert status == 200
    assert page is not None
    assert "its change was taken back" in json.loads(page.response.headers["HX-Trigger"])["toast"]["message"]
    assert desk.version(player_id) == 1


def test_above_the_threshold_it_waits_and_is_not_held(desk: Desk) -> None:
    wanted = update(VipRule).filter_by(operator_id=desk.operator_id).values(approval_threshold=50_00)
    desk.write(lambda session: session.execute(wanted))
    agent, player_id = desk.sign_in(), desk.player(balance_minor=500_00)

    send(agent, player_id, "-100")

    assert [request.state for request in requests_of(desk, player_id)] == ["waiting"]
    assert agent.page(f"/players/{player_id}").by_id("held").text == ""
