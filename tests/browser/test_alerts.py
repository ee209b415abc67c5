"""The inbox by keys, two people at it, and what comes back by itself."""

import datetime as dt
from collections.abc import Callable

from playwright.sync_api import Page, expect
from sqlalchemy import select, update

from dashboard import clock
from dashboard.models import Alert
from dashboard.models.wallet import ChangeType
from dashboard.screens import settle
from tests import builders
from tests.web.desk import Desk


def low(desk: Desk, name: str, minutes_ago: int = 0) -> Alert:
    """An alert of a player of that name."""
    at = clock.now() - dt.timedelta(minutes=minutes_ago)
    player = desk.player(1_500_00, name=name)
    desk.write(lambda session: builders.change(session, player, -700_00, ChangeType.WITHDRAWAL, now=at))
    return fresh(desk, player)


def fresh(desk: Desk, player_id: int) -> Alert:
    """The player's only alert as it is now."""
    return desk.read(lambda session: session.scalars(select(Alert).filter_by(player_id=player_id)).one())


def test_a_selection_is_snoozed_by_keys_alone(person: Callable[..., Page], desk: Desk) -> None:
    names = ["First", "Second", "Third"]
    alerts = [low(desk, name, minutes_ago=number) for number, name in enumerate(names)]
    page = person()
    page.goto("/alerts")
    settle(page)
    keys = page.keyboard

    keys.press("j")
    expect(page.locator(f"#alert-row-{alerts[0].id}")).to_be_focused()
    keys.press("x")
    keys.press("ArrowDown")
    keys.press("j")
    expect(page.locator(f"#alert-row-{alerts[2].id}")).to_be_focused()
    keys.press("x")
    expect(page.locator("[data-selected-count]")).to_have_text("2 selected")
    keys.press("s")
    expect(page.locator("#dialog h2")).to_have_text("Snooze 2 alerts")
    expect(page.locator("#dialog #until")).to_be_focused()
    keys.press("Tab")
    keys.type("Payday is tomorrow")
    keys.press("Enter")
    expect(page.locator("#dialog h2")).to_have_text("2 alerts snoozed")
    expect(page.locator("#dialog .outcome")).to_have_text(["Snoozed.", "Snoozed."])
    keys.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    expect(page.locator("#alerts [data-row]")).to_have_count(1)
    expect(page.locator("#alert-count")).to_have_text("1")
    assert page.evaluate("document.activeElement !== document.body")

    # Nothing is ticked: the key takes the row that one is on.
    keys.press("j")
    expect(page.locator(f"#alert-row-{alerts[1].id}")).to_be_focused()
    keys.press("r")
    expect(page.locator("#dialog h2")).to_have_text("Resolve an alert")
    keys.type("Nothing to do")
    keys.press("Tab")
    keys.press("Tab")
    keys.press("Enter")
    expect(page.locator("#dialog h2")).to_have_text("1 alert resolved")
    expect(page.locator("#alerts .empty-title")).to_have_text("All clear")


def test_who_takes_the_next_is_seen_by_the_others(person: Callable[..., Page], desk: Desk) -> None:
    low(desk, "Younger")
    oldest = low(desk, "Older", minutes_ago=9)
    ana, bo = person(), person(name="Bo Lind")
    bo.goto("/alerts")
    settle(bo)
    ana.goto("/alerts")
    settle(ana)

    ana.keyboard.press("n")

    expect(ana.locator("h1")).to_have_text("Warning · Older")
    expect(ana.locator(".notice .presence")).to_contain_text("Ana Reyes is working on this since")
    row = bo.locator(f"#alert-row-{oldest.id}")
    expect(row.locator(".presence")).to_contain_text("Ana Reyes is working on this since")
    expect(row.locator("[data-row-key=t]")).to_have_count(0)
    settle(ana)
    ana.keyboard.press("t")
    expect(ana.locator(".toast p")).to_contain_text("released")
    expect(ana.locator(".notice .presence")).to_have_count(0)
    expect(row.locator("[data-row-key=t]")).to_have_text("Take")


def test_what_is_snoozed_comes_back_while_one_looks(person: Callable[..., Page], desk: Desk) -> None:
    alert, page, now = low(desk, "Sleeper"), person(), clock.now()
    until = now + dt.timedelta(minutes=20)
    asleep = {"snoozed_until": until, "snooze_reason": "A moment", "snoozed_by": 1}
    desk.write(lambda session: session.execute(update(Alert).filter_by(id=alert.id).values(**asleep)))
    page.clock.install(time=now)
    page.goto("/alerts")
    settle(page)
    expect(page.locator("#alerts .empty-title")).to_have_text("All clear")
    expect(page.locator("#alert-count")).to_have_text("")

    with clock.frozen(now + dt.timedelta(minutes=20)):
        page.clock.fast_forward("20:02")
        expect(page.locator(f"#alert-row-{alert.id}")).to_be_visible()
        expect(page.locator("#alert-count")).to_have_text("1")
