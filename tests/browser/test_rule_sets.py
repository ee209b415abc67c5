"""The editor of rule sets: edges while one types, by keyboard, and the same without JavaScript."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from sqlalchemy import select

from dashboard.models.game import RuleSet
from dashboard.models.login import Role
from dashboard.screens import settle
from dashboard.services import rule_sets
from tests.web.desk import Desk


@pytest.fixture
def page(person: Callable[..., Page]) -> Page:
    """A manager's."""
    return person(Role.MANAGER)


def kept(desk: Desk, name: str) -> tuple[rule_sets.Rules, str]:
    wanted = select(RuleSet.definition, RuleSet.state).filter_by(operator_id=desk.operator_id, name=name)
    row = desk.write(lambda session: session.execute(wanted).one())
    return rule_sets.read(row.definition), row.state


def test_the_edge_follows_while_one_types_and_nothing_typed_is_lost(page: Page, desk: Desk) -> None:
    page.goto("/rule-sets/new")
    settle(page)
    verdict = page.locator("#verdict")
    expect(verdict).to_contain_text("This can be activated.")
    andar = page.get_by_label("Stage 1, any card, Andar")
    andar.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("0.95")
    expect(page.locator("#edge-1-0")).to_have_text("−0.426 % house loses")
    expect(verdict).to_contain_text("this cannot be activated")
    expect(andar).to_be_focused()
    page.keyboard.press("Backspace")
    page.keyboard.type("4")
    expect(page.locator("#edge-1-0")).to_have_text("0.089 %")
    expect(andar).to_have_value("0.94")
    expect(verdict).to_contain_text("This can be activated.")
    expect(page.locator("#edge-1-1")).to_have_text("3.001 %")


def test_other_stages_lay_the_table_out_anew_and_keep_what_was_typed(page: Page, desk: Desk) -> None:
    page.goto("/rule-sets/new")
    settle(page)
    page.get_by_label("Name", exact=True).fill("Evening")
    page.get_by_role("radio", name="Bahar").check(force=True)
    page.get_by_label("Stage 1, any card, Andar").fill("1")
    page.get_by_label("Betting opens again after").fill("2")
    page.get_by_label("Pay also changes after").fill("4")
    page.keyboard.press("Tab")
    expect(page.locator("#edge-2-1")).not_to_have_text("–")
    expect(page.get_by_label("Stage 1, cards 3–4, Andar")).to_have_value("1")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Evening")
    for stage in ("Stage 1, cards 1–2, Bahar", "Stage 2, cards 3–4, Bahar"):
        page.get_by_label(stage).fill("0")
    edges = {"1-0": "3.001 %", "1-1": "2.881 %", "2-0": "3.126 %", "2-1": "2.996 %"}
    for place, percent in edges.items():
        expect(page.locator(f"#edge-{place}")).to_have_text(percent)
    page.get_by_role("button", name="Keep and activate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evening")
    assert kept(desk, "Evening") == (rule_sets.SHIPPED["three-stage"], "active")


def test_without_javascript_the_table_is_laid_out_by_a_button(
    person: Callable[..., Page], desk: Desk
) -> None:
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto("/rule-sets")
    page.get_by_role("link", name="New rule set").click()
    page.get_by_label("Name", exact=True).fill("Evening")
    page.get_by_label("Betting opens again after").fill("2")
    page.get_by_role("button", name="Lay out the pay table").click()
    expect(page.locator("#edge-2-0")).to_have_text("2.030 %")
    page.get_by_label("Stage 2, card 3 on, Andar").fill("1")
    page.get_by_role("button", name="Keep and activate").click()
    expect(page.locator("#pays-2-2-0-error")).to_contain_text("The house would lose 3.126 %")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Evening")
    page.get_by_role("button", name="Keep as draft").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Evening")
    assert kept(desk, "Evening")[1] == "draft"
    expect(page.get_by_role("button", name="Activate")).to_have_attribute("aria-disabled", "true")


def test_what_is_typed_while_the_table_is_laid_out_stays(page: Page) -> None:
    page.goto("/rule-sets/new")
    settle(page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/prospect?part=table", hold)
    page.get_by_label("Betting opens again after").fill("2")
    bahar = page.get_by_label("Stage 1, any card, Bahar")
    with page.expect_request("**/prospect?part=table"):
        bahar.focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("0.97")
    held.pop().continue_()
    expect(page.locator("#edge-2-0")).to_be_visible()
    first = page.get_by_label("Stage 1, cards 1–2, Bahar")
    expect(first).to_have_value("0.97")
    expect(first).to_be_focused()
    page.keyboard.type("5")
    expect(first).to_have_value("0.975")


def test_enter_keeps_a_draft_and_activates_nothing(page: Page, desk: Desk) -> None:
    page.goto("/rule-sets/new")
    settle(page)
    page.get_by_label("Name", exact=True).fill("Evening")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Evening")
    assert kept(desk, "Evening") == (rule_sets.SHIPPED["standard"], "draft")
