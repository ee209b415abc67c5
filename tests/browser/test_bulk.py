"""A list from the clipboard to the journal: by keyboard, watching it, and without JavaScript."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from dashboard import screens
from dashboard.jobs import bulk_work
from dashboard.models.login import Role
from tests.web.desk import Desk

ROWS = """player, amount, type, reason
K-1, 25.00, deposit, Prize of the spring draw
K-2, 5 dollars, fee, Replacement card
K-3, 48000.00, deposit, Prize of the spring draw
nobody, 25.00, deposit, Prize of the spring draw
K-1, 2400.00, adjustment, Charged twice by the bank
"""
IS_TOO_WIDE = "document.scrollingElement.scrollWidth > innerWidth"


@pytest.fixture
def players(desk: Desk) -> list[int]:
    """K-1 to K-3, with 100.00 each."""
    return [
        desk.player(100_00, external_id=f"K-{number}", name=f"Mira Holm {number}") for number in (1, 2, 3)
    ]


def work(desk: Desk, page: Page) -> None:
    """What the worker does, up to where it is done."""
    with desk.app.app_context():
        bulk_work.go_on(int(page.url.rpartition("/")[2]), should_stop=lambda: False)


def look(page: Page, accessibility: Callable[[Page], list[str]]) -> None:
    """Nothing for axe, nothing sideways, wide and narrow, light and dark."""
    for width in (screens.WIDE, screens.NARROW):
        page.set_viewport_size({"width": width, "height": screens.HEIGHT})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            screens.settle(page)
            assert accessibility(page) == []
            assert not page.evaluate(IS_TOO_WIDE)
    page.set_viewport_size({"width": screens.WIDE, "height": screens.HEIGHT})


def test_a_list_is_checked_posted_and_watched(
    person: Callable[..., Page],
    desk: Desk,
    players: list[int],
    accessibility: Callable[[Page], list[str]],
) -> None:
    page = person(Role.MANAGER)
    page.goto("/bulk")
    page.locator("#bulk-form button[type=submit]").press("Enter")
    expect(page.locator("#rows-error")).to_contain_text("Paste rows, or choose a file.")
    expect(page.locator("#rows")).to_be_focused()
    page.keyboard.insert_text(ROWS)
    page.locator("#bulk-form button[type=submit]").press("Enter")
    expect(page.locator("#run h2")).to_have_text("Checked, nothing is posted")
    expect(page.locator("#line-3 .refused")).to_contain_text("in figures")
    look(page, accessibility)

    page.get_by_role("button", name="Post 2 rows").press("Enter")
    expect(page.locator("#means_amounts-error")).to_be_visible()
    page.locator("#means_amounts").press("Space")
    page.get_by_role("button", name="Post 2 rows").press("Enter")
    expect(page.locator("#run h2")).to_have_text("Being posted")
    look(page, accessibility)

    work(desk, page)

    expect(page.locator("#run h2")).to_have_text("Posted")
    expect(page.locator("#line-2")).to_contain_text("Entry 2")
    assert desk.real(players[0]) == 2_525_00
    page.goto("/bulk")
    look(page, accessibility)


def test_without_javascript(person: Callable[..., Page], desk: Desk, players: list[int]) -> None:
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto("/bulk")
    page.locator("#rows").fill(ROWS)
    page.locator("#bulk-form button[type=submit]").click()
    page.get_by_role("link", name="Refused 3").click()
    expect(page.locator("#lines tbody tr")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("button", name="Refused rows as CSV").click()
    assert download.value.suggested_filename == "list-1-refused.csv"
    page.locator("#means_amounts").check()
    page.get_by_role("button", name="Post 2 rows").click()
    expect(page.locator("#run h2")).to_have_text("Being posted")

    work(desk, page)

    page.get_by_role("link", name="Show how far it is").click()
    expect(page.locator("#run h2")).to_have_text("Posted")
    assert desk.real(players[0]) == 2_525_00
