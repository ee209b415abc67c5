"""A session that ended while a form was open: whatever the form, what was typed is sent once one is back."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import delete, select

from dashboard.models import Login, SignInSession
from dashboard.models.login import Role
from dashboard.screens import settle
from tests.builders import PASSWORD, make_login
from tests.web.desk import Desk


def end_sessions(desk: Desk) -> None:
    """Everybody's."""
    desk.write(lambda session: session.execute(delete(SignInSession)))


def sign_in_again(page: Page, email: str) -> None:
    """By the dialog above the form."""
    dialog = page.locator("#sign-in-dialog")
    expect(dialog).to_contain_text("Sign in again")
    dialog.locator("[name=email]").fill(email)
    dialog.locator("[name=password]").fill(PASSWORD)
    dialog.locator("button[type=submit]").click()


def email_of(desk: Desk, name: str) -> str:
    """The e-mail by which somebody signs in."""
    return desk.read(lambda session: session.scalars(select(Login.email).filter_by(name=name)).one())


def freeze_in_the_dialog(page: Page, player_id: int) -> None:
    """Open the dialog and type."""
    page.goto(f"/players/{player_id}")
    settle(page)
    page.get_by_role("link", name="Freeze…").click()
    page.locator("#status-reason").fill("Card reported stolen")


def freeze_on_its_page(page: Page, player_id: int) -> None:
    """Open the page, where the reason waits to be typed."""
    page.goto(f"/players/{player_id}/freeze")
    settle(page)
    expect(page.locator("#status-reason")).to_be_focused()
    page.keyboard.type("Card reported stolen")


@pytest.mark.parametrize("begin", [freeze_in_the_dialog, freeze_on_its_page])
def test_a_freeze_is_sent_again(
    person: Callable[..., Page], desk: Desk, begin: Callable[[Page, int], None]
) -> None:
    player_id = desk.player(5_000_00)
    page = person()
    begin(page, player_id)
    end_sessions(desk)
    page.get_by_role("button", name="Freeze the wallet").click()
    sign_in_again(page, email_of(desk, "Ana Reyes"))
    expect(page.locator(".toast p")).to_have_text("The wallet is frozen.")
    expect(page.locator("#header .notice")).to_contain_text("Card reported stolen")


def test_a_note_is_sent_again(person: Callable[..., Page], desk: Desk) -> None:
    page = person()
    page.goto(f"/players/{desk.player()}?tab=notes")
    settle(page)
    page.locator("#note-body").fill("Called back")
    end_sessions(desk)
    page.get_by_role("button", name="Keep the note").click()
    sign_in_again(page, email_of(desk, "Ana Reyes"))
    expect(page.locator("#note-list")).to_contain_text("Called back")


def test_a_page_without_htmx_sends_what_the_pressed_button_says(
    person: Callable[..., Page], desk: Desk
) -> None:
    page = person()
    page.goto("/account")
    settle(page)
    button = page.locator("form[action='/account/ended-sessions'] button").first
    button.evaluate("button => { button.name = 'pressed'; button.value = 'yes'; }")
    end_sessions(desk)
    button.click()
    expect(page.locator("#sign-in-dialog")).to_contain_text("Sign in again")
    expect(button).to_be_enabled()
    # Also until the page is there: a context that is closed on the way to another page may never close.
    with page.expect_navigation(), page.expect_request("**/account/ended-sessions") as sent:
        sign_in_again(page, email_of(desk, "Ana Reyes"))
    assert "pressed=yes" in (sent.value.post_data or "")


def test_what_cannot_be_asked_is_kept(person: Callable[..., Page], desk: Desk, problems: list[str]) -> None:
    page = person()
    page.goto(f"/players/{desk.player()}/freeze")
    settle(page)
    page.locator("#status-reason").fill("Card reported stolen")
    page.route("**/account/session", lambda route: route.abort())
    page.get_by_role("button", name="Freeze the wallet").click()
    expect(page.locator(".toast.is-bad p")).to_contain_text("The server could not be reached.")
    expect(page.locator("#status-reason")).to_have_value("Card reported stolen")
    expect(page.get_by_role("button", name="Freeze the wallet")).to_be_enabled()
    problems.clear()
    page.unroute("**/account/session")
    page.get_by_role("button", name="Freeze the wallet").click()
    expect(page.locator(".toast p")).to_have_text("The wallet is frozen.")


def test_somebody_else_does_not_send_what_the_one_before_typed(
    person: Callable[..., Page], desk: Desk
) -> None:
    player_id = desk.player(5_000_00)
    other = desk.write(
        lambda session: (
            make_login(session, operator_id=desk.operator_id, role=Role.AGENT, name="Ben Ito").email
        )
    )
    page = person()
    page.goto(f"/players/{player_id}")
    settle(page)
    page.locator("#adjust-amount").fill("250")
    page.locator("#adjust-reason").fill("Typed by Ana")
    end_sessions(desk)
    page.locator("#adjust button[type=submit]").click()
    sign_in_again(page, other)
    expect(page.locator(".user-name")).to_have_text("Ben Ito")
    expect(page.locator("#adjust-amount")).to_have_value("")
    assert desk.version(player_id) == 1
