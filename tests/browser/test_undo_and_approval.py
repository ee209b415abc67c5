"""Taking back what was just sent, and asking a second person: by keyboard, live, and without JavaScript."""

import datetime as dt
from collections.abc import Callable

import psycopg
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from dashboard import clock, live
from dashboard.models import ChangeRequest, Operator, VipRule
from dashboard.models.login import Role
from dashboard.screens import settle
from dashboard.services import change_requests
from dashboard.services.actors import SYSTEM
from tests.web.desk import Desk


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A desk that holds what is typed for two minutes, and where more than 500.00 waits."""
    undo = update(Operator).filter_by(id=desk.operator_id).values(undo_seconds=120)
    threshold = update(VipRule).filter_by(operator_id=desk.operator_id).values(approval_threshold=500_00)
    desk.write(lambda session: [session.execute(undo), session.execute(threshold)])
    return desk


def send(page: Page, player_id: int, amount: str) -> None:
    """Open the player, type a credit and send it with Enter."""
    page.goto(f"/players/{player_id}")
    settle(page)
    page.locator("#adjust-amount").fill(amount)
    page.locator("#adjust-reason").fill("Goodwill")
    page.locator("#adjust-reason").press("Enter")


def test_enter_posts_what_is_held(person: Callable[..., Page], desk: Desk) -> None:
    player_id, page = desk.player(5_000_00), person()
    send(page, player_id, "250")
    expect(page.locator("#held .held-left")).to_contain_text("s")
    expect(page.get_by_role("button", name="Post now")).to_be_focused()
    assert desk.version(player_id) == 1

    page.keyboard.press("Enter")

    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")
    expect(page.locator("#held")).to_contain_text("Posted: Credit 250.00 USD.")
    page.get_by_role("link", name="Entry 2, or reverse it…").click()
    expect(page.locator("#dialog")).to_contain_text("Reverse this entry…")
    assert desk.version(player_id) == 2


def test_one_key_takes_it_back(person: Callable[..., Page], desk: Desk) -> None:
    player_id, page = desk.player(5_000_00), person()
    send(page, player_id, "250")
    expect(page.get_by_role("button", name="Post now")).to_be_focused()

    page.keyboard.press("u")

    expect(page.locator(".toast p").last).to_have_text("Taken back: nothing was posted.")
    expect(page.locator("#held")).to_be_hidden()
    expect(page.locator("#adjust-amount")).to_be_focused()
    assert (desk.real(player_id), desk.version(player_id)) == (5_000_00, 1)


def test_the_strip_follows_when_somebody_else_posts_it(person: Callable[..., Page], desk: Desk) -> None:
    player_id, page = desk.player(5_000_00), person()
    send(page, player_id, "250")
    expect(page.locator("#held [data-countdown]")).to_be_visible()
    wanted = select(ChangeRequest.id).filter_by(player_id=player_id)
    request_id = desk.read(lambda session: session.scalars(wanted).one())

    desk.write(
        lambda session: change_requests.post_held(
            session, player_id=player_id, request_id=request_id, actor=SYSTEM, now=clock.now()
        )
    )
    with desk.app.app_context():
        live.tell_player(operator_id=desk.operator_id, player_id=player_id)

    expect(page.locator("#held")).to_contain_text("Posted: Credit 250.00 USD.")
    expect(page.locator("#balance-card .value").first).to_have_text("5,250.00")


def test_undo_without_javascript(person: Callable[..., Page], desk: Desk) -> None:
    player_id, page = desk.player(5_000_00), person(java_script_enabled=False)
    for button, real in (("Take back", "5,000.00"), ("Post now", "5,250.00")):
        page.goto(f"/players/{player_id}")
        page.locator("#adjust-amount").fill("250")
        page.locator("#adjust-reason").fill("Goodwill")
        page.locator("#adjust button[type=submit]").click()
        page.get_by_role("button", name=button).click()
        expect(page.locator("#balance-card .value").first).to_have_text(real)
    assert desk.version(player_id) == 2


def test_an_unusual_amount_is_typed_again_where_it_is_asked_for(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id, page = desk.player(10_00), person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.locator("#adjust-amount").fill("100.50")
    again = page.locator("#adjust-amount_again")
    expect(again).to_be_visible()
    page.locator("#adjust-reason").fill("Goodwill")
    page.locator("#adjust-reason").press("Enter")
    expect(page.locator("#adjust-amount_again-error")).to_be_visible()
    expect(again).to_be_focused()

    again.press_sequentially("100.50", delay=80)
    expect(again).to_have_value("100.50")
    again.press("Enter")

    expect(page.get_by_role("button", name="Post now")).to_be_focused()


def test_two_people_one_decision(person: Callable[..., Page], desk: Desk) -> None:
    player_id, agent = desk.player(5_000_00), person(name="Ana Reyes")
    first, second = person(Role.MANAGER, name="Maya Okafor"), person(Role.ADMIN, name="Rui Castro")
    for page in (first, second):
        page.goto("/approvals")
        settle(page)
        expect(page.locator("#requests")).to_contain_text("Nothing waits")

    send(agent, player_id, "600")

    expect(agent.locator(".toast p")).to_contain_text("Waits for a second person")
    for page in (first, second):
        expect(page.locator("#approval-count")).to_have_text("1")
        page.get_by_role("link", name="Credit 600.00 USD").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#decision-reason")).to_be_focused()
        page.keyboard.type("Seen the ticket")
    first.keyboard.press("Tab")
    first.keyboard.press("Enter")
    expect(first.locator(".toast p")).to_contain_text("Approved: what Ana Reyes asked for on Mira Holm.")
    expect(first.locator("#requests")).to_contain_text("Nothing waits")
    expect(second.locator("#dialog")).to_contain_text("Maya Okafor has approved this request")
    expect(second.locator("#decision-reason")).to_have_value("Seen the ticket")

    second.get_by_role("button", name="Decline").click()

    expect(second.locator("#dialog [role=alert]")).to_contain_text("Maya Okafor has already approved")
    expect(agent.locator("#balance-card .value").first).to_have_text("5,600.00")
    assert desk.version(player_id) == 2


def test_what_is_overdue_is_asked_for_ever_more_seldom(person: Callable[..., Page], desk: Desk) -> None:
    player_id, page = desk.player(5_000_00), person()
    page.clock.install()
    send(page, player_id, "250")
    expect(page.locator("#held [data-countdown]")).to_be_visible()
    # Nobody posts it when its time comes: no worker runs here.
    with psycopg.connect(desk.app.config["DATABASE_OWNER_URL"], autocommit=True) as owner:
        moments = "requested_at = requested_at - interval '1 hour', post_at = post_at - interval '1 hour'"
        owner.execute(f"UPDATE change_requests SET {moments}")
    page.goto(f"/players/{player_id}")
    settle(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/held" in request.url else None)
    page.clock.pause_at(clock.now() + dt.timedelta(minutes=10))  # and from here on no time passes

    expect(page.locator("#held [data-countdown]")).to_have_text("…")
    for _question in range(20):
        page.evaluate("fetch('/healthz').then((answer) => answer.text())")
    assert 1 <= len(asked) <= 2
