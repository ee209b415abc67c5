"""A toast that offers a way back: as long as there is one, by key, by pointer and on the next page."""

import datetime as dt
from collections.abc import Callable

import pytest
from flask import Flask, Response, request
from flask.typing import ResponseReturnValue
from playwright.sync_api import Page, expect

from dashboard import clock
from dashboard.screens import settle
from dashboard.views import htmx, players
from dashboard.views.access import requires
from tests.web.desk import Desk

SECONDS = 30


@pytest.fixture
def taken_back(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keeping a note offers to take it back; what has been taken back, by the token that came with it."""
    posts: list[str] = []

    @requires("players:note")
    def create_note(player_id: int) -> ResponseReturnValue:
        undo = htmx.Undo("/account/ended-sessions", clock.now() + dt.timedelta(seconds=SECONDS))
        if htmx.is_htmx():
            return htmx.with_toast(Response(status=204), "The note is kept.", undo)
        return htmx.redirect_with_toast(f"/players/{player_id}", "The note is kept.", undo)

    @requires("session:own")
    def take_back() -> ResponseReturnValue:
        posts.append(request.form["csrf_token"])
        if htmx.is_htmx():
            return htmx.with_toast(Response(status=204), "Taken back.")
        return htmx.redirect_with_toast("/alerts", "Taken back.")

    monkeypatch.setitem(app.view_functions, f"{players.bp.name}.create_note", create_note)
    monkeypatch.setitem(app.view_functions, "auth.create_ended_session", take_back)
    return posts


def keep_a_note(page: Page, desk: Desk) -> None:
    """Do what can be taken back."""
    page.goto(f"/players/{desk.player()}?tab=notes")
    page.locator("#note-body").fill("Called back")
    page.get_by_role("button", name="Keep the note").click()
    expect(page.locator(".toast p")).to_have_text("The note is kept.")


def test_the_key_takes_back_what_just_happened(
    person: Callable[..., Page], desk: Desk, taken_back: list[str]
) -> None:
    page = person()
    keep_a_note(page, desk)
    expect(page.locator(".toast-left")).to_have_text("29 s")
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(page.locator(".toast p")).to_have_text(["Taken back."])
    assert len(taken_back) == 1
    page.goto("/alerts")
    settle(page)
    expect(page.locator(".toast")).to_have_count(0)


def test_the_offer_follows_to_the_next_page_and_no_further_than_its_time(
    person: Callable[..., Page], desk: Desk, taken_back: list[str]
) -> None:
    page = person()
    page.clock.install()
    keep_a_note(page, desk)
    page.clock.run_for(8_000)
    page.goto("/alerts")
    expect(page.locator(".toast p")).to_have_text("The note is kept.")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".toast p")).to_have_text(["Taken back."])
    assert len(taken_back) == 1

    keep_a_note(page, desk)
    button = page.get_by_role("button", name="Undo")
    page.clock.run_for((SECONDS - 2) * 1_000)
    expect(button).to_be_visible()
    button.focus()
    page.clock.run_for(3_000)
    expect(button).to_have_count(0)
    expect(page.locator(".toast p")).to_have_text("The note is kept.")
    expect(page.get_by_role("button", name="Dismiss")).to_be_focused()
    page.goto("/alerts")
    settle(page)
    expect(page.locator(".toast")).to_have_count(0)


def test_without_javascript_the_button_is_a_form(
    person: Callable[..., Page], desk: Desk, taken_back: list[str]
) -> None:
    page = person(java_script_enabled=False)
    keep_a_note(page, desk)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("h1")).to_have_text("Alerts")
    expect(page.locator(".toast p")).to_have_text("Taken back.")
    assert len(taken_back) == 1


def test_signing_out_forgets_the_offer(
    person: Callable[..., Page], desk: Desk, taken_back: list[str]
) -> None:
    page = person()
    keep_a_note(page, desk)
    page.locator(".user-button").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    assert page.evaluate("sessionStorage.length") == 0


def test_a_toast_with_undo_is_clean(
    person: Callable[..., Page],
    desk: Desk,
    taken_back: list[str],
    accessibility: Callable[[Page], list[str]],
) -> None:
    page = person()
    keep_a_note(page, desk)
    assert accessibility(page) == []
    page.set_viewport_size({"width": 390, "height": 820})
    assert accessibility(page) == []
    assert not page.evaluate("document.scrollingElement.scrollWidth > innerWidth")
