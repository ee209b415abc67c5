"""Lists worked at with the tools above them: boxes, files, kept views, and Back."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from dashboard.models.login import Role
from dashboard.screens import settle
from tests.web.desk import Desk


def box(page: Page, name: str) -> None:
    """Open one of the boxes above the list, by the keyboard."""
    page.locator(".drop summary", has_text=name).focus()
    page.keyboard.press("Enter")


def test_order_columns_and_a_kept_view_by_keyboard(person: Callable[..., Page], desk: Desk) -> None:
    for name, balance in (("Zoe Lund", 5_00), ("Ann Berg", 1_00), ("Mia Holt", 9_00)):
        desk.player(balance, name=name)
    page = person(Role.MANAGER)
    page.goto("/players")
    settle(page)
    rows = page.locator("#players td.lead")
    page.get_by_role("link", name="Real, USD").click()
    expect(rows).to_have_text(["Mia Holt", "Zoe Lund", "Ann Berg"])
    box(page, "Columns")
    page.get_by_label("E-mail").check()
    page.get_by_role("button", name="Show these").click()
    expect(page).to_have_url(re.compile(r"email"))
    expect(rows).to_have_text(["Mia Holt", "Zoe Lund", "Ann Berg"])

    box(page, "Views")
    page.get_by_role("link", name="Save this view…").click()
    page.locator("#view-name").fill("Rich ones")
    page.keyboard.press("Enter")
    expect(page.locator(".toast p")).to_contain_text("The view “Rich ones” is kept.")
    page.go_back()
    page.goto("/players")
    expect(rows.first).to_have_text("Mia Holt")
    box(page, "Views")
    page.get_by_role("link", name="Rich ones", exact=True).click()
    expect(page).to_have_url(re.compile(r"sort=-real"))
    expect(rows).to_have_text(["Mia Holt", "Zoe Lund", "Ann Berg"])
    page.go_back()
    expect(page).to_have_url(re.compile(r"/players$"))


def test_a_file_comes_and_the_page_stays(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(5_00, name="Zoe Lund")
    page = person(Role.MANAGER)
    page.goto("/players?status=active")
    settle(page)
    box(page, "Export")
    with page.expect_download() as coming:
        page.get_by_role("button", name="CSV").click()
    assert coming.value.suggested_filename.endswith("-ana-reyes.csv")
    assert "Zoe Lund" in Path(coming.value.path()).read_text(encoding="utf-8-sig")
    expect(page.get_by_role("button", name="CSV")).to_be_enabled()
    page.keyboard.press("Escape")
    expect(page.locator(".drop[open]")).to_have_count(0)
    expect(page.locator(".drop summary", has_text="Export")).to_be_focused()


def test_a_click_beside_a_box_closes_it(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(5_00, name="Zoe Lund")
    page = person(Role.MANAGER)
    page.goto("/players")
    settle(page)
    box(page, "Export")
    expect(page.locator(".drop[open]")).to_have_count(1)
    page.locator("h1").click()
    expect(page.locator(".drop[open]")).to_have_count(0)


def test_without_javascript_it_is_forms(person: Callable[..., Page], desk: Desk) -> None:
    desk.player(5_00, name="Zoe Lund")
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto("/players?status=active")
    page.locator(".drop summary", has_text="Columns").click()
    page.get_by_label("Order").select_option("name")
    page.get_by_label("Bonus").uncheck()
    page.get_by_role("button", name="Show these").click()
    expect(page.locator("th", has_text="Bonus")).to_have_count(0)
    expect(page.locator(".chip")).to_have_text(["Status: Active"])
    page.locator(".drop summary", has_text="Views").click()
    page.get_by_role("link", name="Save this view…").click()
    page.locator("#view-name").fill("Lean")
    page.get_by_role("button", name="Save the view").click()
    expect(page.locator("h1")).to_have_text("Players")
    page.locator(".drop summary", has_text="Views").click()
    expect(page.get_by_role("link", name="Lean", exact=True)).to_be_visible()
