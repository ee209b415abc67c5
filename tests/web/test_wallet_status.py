"""GET and POST of /players/<id>/freeze, …/unfreeze and …/closure."""

import pytest
from sqlalchemy import select

from dashboard.models import StaffLog, Wallet
from dashboard.models.login import Role
from tests import builders
from tests.pages import Page
from tests.web.desk import Browser, Desk

MOVES = ("freeze", "unfreeze", "closure")


def status(desk: Desk, player_id: int) -> str:
    wanted = select(Wallet.status).filter_by(player_id=player_id)
    return desk.read(lambda session: session.scalars(wanted).one())


def logged(desk: Desk, player_id: int) -> list[str]:
    wanted = select(StaffLog.action).filter_by(player_id=player_id).order_by(StaffLog.id)
    return desk.read(lambda session: list(session.scalars(wanted)))


def move(
    browser: Browser, player_id: int, noun: str, *, htmx: bool = False, reason: str = "Case 5520"
) -> int:
    return browser.post(f"/players/{player_id}/{noun}", {"reason": reason}, htmx=htmx).status_code


@pytest.mark.parametrize("noun", MOVES)
def test_the_question_is_a_page_and_a_dialog(desk: Desk, noun: str) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), desk.player()
    page = manager.page(f"/players/{player_id}/{noun}")
    form = next(form for form in page.all("form") if form.is_within(page.one("main")))
    assert form["action"] == f"/players/{player_id}/{noun}"
    dialog = manager.get(f"/players/{player_id}/{noun}", htmx=True)
    assert "<html" not in dialog.text
    assert "wallet" in Page(dialog).one("h2", id="dialog-title").text


@pytest.mark.parametrize("htmx", [True, False])
def test_freezing_and_unfreezing(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(name="Maya Okafor"), desk.player()
    data = {"reason": "Documents asked for"}
    answer = agent.post(f"/players/{player_id}/freeze", data, htmx=htmx)
    if htmx:
        assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/players/1")
    else:
        assert (answer.status_code, answer.location) == (303, f"/players/{player_id}")
    assert status(desk, player_id) == "frozen"
    page = agent.page(f"/players/{player_id}")
    assert "The wallet is frozen." in page.by_id("toasts").text
    header = page.by_id("header").text
    assert "Frozen" in header
    assert "Documents asked for — Maya Okafor" in header
    assert "Freeze…" not in header
    (fieldset,) = (part for part in page.all("fieldset") if part.get("disabled") is not None)
    assert fieldset.is_within(page.by_id("adjust"))

    move(agent, player_id, "unfreeze", htmx=htmx)
    assert status(desk, player_id) == "active"
    assert logged(desk, player_id) == ["wallet.frozen", "wallet.unfrozen"]


@pytest.mark.parametrize("htmx", [True, False])
def test_what_does_not_fit_the_status_is_a_conflict(desk: Desk, htmx: bool) -> None:
    agent, player_id = desk.sign_in(), desk.player()
    assert move(agent, player_id, "unfreeze", htmx=htmx) == 409
    assert move(agent, player_id, "freeze", htmx=htmx) in {204, 303}
    answer = agent.post(f"/players/{player_id}/freeze", {"reason": "Again"}, htmx=htmx)
    assert answer.status_code == 409
    page = Page(answer)
    assert "The wallet is frozen." in page.one("div", role="alert").text
    assert page.by_id("status-reason")["value"] == "Again"


@pytest.mark.parametrize("htmx", [True, False])
def test_a_wallet_with_money_is_not_closed(desk: Desk, htmx: bool) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), desk.player(balance_minor=1_250)
    asked = manager.page(f"/players/{player_id}/closure")
    assert "The wallet still holds 12.50 USD" in asked.one("main").text
    answer = manager.post(f"/players/{player_id}/closure", {"reason": "Gone"}, htmx=htmx)
    assert answer.status_code == 422
    assert "still holds 12.50 USD" in Page(answer).one("div", role="alert").text
    assert status(desk, player_id) == "active"


def test_a_closed_wallet_stays_closed_and_offers_nothing(desk: Desk) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), desk.player()
    assert move(manager, player_id, "closure") == 303
    assert status(desk, player_id) == "closed"
    header = manager.page(f"/players/{player_id}").by_id("header").text
    assert "Closed" in header
    assert "…" not in header
    for noun in MOVES:
        assert move(manager, player_id, noun) == 409
    assert logged(desk, player_id) == ["wallet.closed"]


@pytest.mark.parametrize("noun", MOVES)
@pytest.mark.parametrize(("reason", "message"), [("", "Enter a reason."), ("x" * 201, "at most 200")])
def test_a_reason_is_asked_for(desk: Desk, noun: str, reason: str, message: str) -> None:
    manager, player_id = desk.sign_in(Role.MANAGER), desk.player()
    answer = manager.post(f"/players/{player_id}/{noun}", {"reason": reason}, htmx=True)
    assert answer.status_code == 422
    page = Page(answer)
    assert message in page.by_id("status-reason-error").text
    assert page.by_id("status-reason")["value"] == reason
    assert status(desk, player_id) == "active"


@pytest.mark.parametrize("noun", MOVES)
def test_who_may(desk: Desk, noun: str) -> None:
    player_id = desk.player()
    allowed = {Role.AGENT, Role.MANAGER, Role.ADMIN} if noun != "closure" else {Role.MANAGER, Role.ADMIN}
    for role in Role:
        browser = desk.sign_in(role)
        expected = 200 if role in allowed else 403
        assert browser.get(f"/players/{player_id}/{noun}").status_code == expected
        if role not in allowed:
            assert move(browser, player_id, noun) == 403
    assert status(desk, player_id) == "active"


@pytest.mark.parametrize("noun", MOVES)
def test_another_operators_wallet_is_not_there(desk: Desk, noun: str) -> None:
    manager = desk.sign_in(Role.MANAGER)
    elsewhere = desk.write(
        lambda session: builders.make_player(session, operator_id=builders.make_operator(session))
    )
    assert manager.get(f"/players/{elsewhere}/{noun}").status_code == 404
    assert move(manager, elsewhere, noun) == 404
    assert manager.client.delete(f"/players/{elsewhere}/{noun}").status_code == 405
    assert status(desk, elsewhere) == "active"
