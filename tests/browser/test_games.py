"""Tables in the browser: dealt by keyboard, watched by two, and proved."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect
from sqlalchemy import select

from dashboard import clock, db, money
from dashboard.config import ROOT
from dashboard.models import Round
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from dashboard.services import andar_bahar, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests.builders import make_game
from tests.web.desk import Desk

WATCH_FETCHES = """
window.fetches = [];
document.addEventListener("htmx:before:request", (event) => {
  if (event.target.id === "live-round") window.fetches.push(performance.now());
});
"""


def new_game(desk: Desk, dealing: Dealing = Dealing.AUTOMATIC) -> int:
    """A game with ten minutes to bet."""
    return desk.write(
        lambda session: make_game(
            session, operator_id=desk.operator_id, name="Lotus", dealing=dealing, betting_seconds=600
        )
    )


def play_by_hand(desk: Desk, game_id: int, cards: str) -> int:
    """A settled round of a live table, with these cards, the joker first."""
    joker, *dealt = map(andar_bahar.parse, cards.split())
    by: dict[str, Any] = {"actor": SYSTEM, "now": clock.now()}
    with desk.app.app_context():
        round_id = db.transact(partial(rounds.open, game_id=game_id, **by))
        db.transact(partial(rounds.enter_joker, round_id=round_id, card=joker, **by))
        db.transact(partial(rounds.open_betting, round_id=round_id, **by))
        rounds.close(db.transact, round_id=round_id, stage=1, **by)
        for position, card in enumerate(dealt, 1):
            db.transact(partial(rounds.deal_card, round_id=round_id, position=position, card=card, **by))
        settlement.settle(db.transact, round_id=round_id, **by)
    return round_id


@contextmanager
def simulating(desk: Desk, anchors: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a script starts it, in a process of its own, on the desk's database.

    With a folder of its own for anchors: those of other tests' databases lie in the one of the run.
    """
    environment = {
        **os.environ,
        "DATABASE_URL": desk.app.config["DATABASE_OWNER_URL"],
        "PURSER_ANCHOR_DIR": str(anchors),
    }
    line = [sys.executable, "-m", "dashboard.cli", "simulate", "--json", *options]
    with subprocess.Popen(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        yield process


def open_live(page: Page, game_id: int) -> None:
    """The live page, once it follows what happens."""
    page.goto(f"/games/{game_id}/live")
    expect(page.locator("#live-mark")).to_have_attribute("data-state", "on")


def lying(page: Page) -> list[str]:
    """The cards on the table, the joker first."""
    return [card.get_attribute("aria-label") or "" for card in page.locator(".felt [role=img]").all()]


def test_a_table_is_dealt_without_a_mouse(person: Callable[..., Page], desk: Desk) -> None:
    page = person(Role.MANAGER)
    open_live(page, new_game(desk, Dealing.MANUAL))
    keys = page.keyboard
    keys.press("o")
    expect(page.locator("#picker-title")).to_have_text("Enter the joker")
    expect(page.locator("#pick-AS")).to_be_focused()
    keys.type("5s")
    expect(page.locator("#pick-5S")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#act-create-betting button")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#act-create-closing")).to_be_visible()
    keys.press("c")
    expect(page.locator("#picker-title")).to_have_text("Card 1 goes to Andar")
    keys.type("10h")
    keys.press("Enter")
    expect(page.locator("#picker-title")).to_have_text("Card 2 goes to Bahar")
    # The focus is still there: one card to the right, and one down to the diamonds.
    expect(page.locator("#pick-TH")).to_be_focused()
    keys.press("ArrowRight")
    keys.press("ArrowDown")
    expect(page.locator("#pick-JD")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#picker-title")).to_have_text("Card 3 goes to Andar")
    # What lies there cannot be chosen again.
    keys.press("Enter")
    expect(page.locator("#picker-title")).to_have_text("Card 3 goes to Andar")
    page.locator("#live-title a").focus()
    keys.press("z")
    expect(page.locator("#picker-title")).to_have_text("Card 2 goes to Bahar")
    assert lying(page) == ["5 of spades", "10 of hearts"]
    keys.type("5d")
    keys.press("Enter")
    expect(page.locator(".live-result")).to_contain_text("Bahar wins with card 2")
    assert lying(page) == ["5 of spades", "10 of hearts", "5 of diamonds, the match"]


def test_two_watch_while_a_simulation_bets_at_full_speed_and_nothing_typed_is_lost(
    person: Callable[..., Page], desk: Desk, tmp_path: Path
) -> None:
    game_id = new_game(desk)
    first, second = person(Role.MANAGER), person(Role.MANAGER, name="Ben Ito")
    for page in (first, second):
        page.add_init_script(WATCH_FETCHES)
        open_live(page, game_id)
    first.locator("#bet-player").fill("P-10")
    first.locator("#bet-amount").press_sequentially("12.")
    first.evaluate("document.getElementById('bet-amount').setSelectionRange(1, 2)")
    with simulating(
        desk, tmp_path, "--game", "Lotus", "--rounds", "3", "--bets-per-round", "150"
    ) as simulation:
        expect(first.locator("#live-title")).to_contain_text("Round")
        second.locator("#bet-player").press_sequentially("P-11")
        outcome = json.loads(simulation.communicate(timeout=60)[0])
    assert (outcome["bets"], outcome["refused"], outcome["verify"]["ok"]) == (450, {}, True), outcome[
        "verify"
    ]
    last = desk.read(lambda session: session.scalars(select(Round).filter_by(number=3)).one())
    staked = money.show(last.staked, last.currency)
    for page in (first, second):
        expect(page.locator("#live-title")).to_have_text("Round 3")
        expect(page.locator("#live-round .figure").first).to_contain_text("150 bets on round 3")
        expect(page.locator("#live-round .figure .value").first).to_have_text(staked)
        expect(page.locator(".live-result")).to_contain_text(f"{(last.winner or '').capitalize()} wins")
        fetches = page.evaluate("window.fetches")
        assert len(fetches) > 2
        # Two a second; a browser may be late with the one before.
        assert min(later - earlier for earlier, later in pairwise(fetches)) > 350
    assert first.locator("#bet-player").input_value() == "P-10"
    assert first.locator("#bet-amount").input_value() == "12."
    expect(first.locator("#bet-amount")).to_be_focused()
    place = "[document.activeElement.selectionStart, document.activeElement.selectionEnd]"
    assert first.evaluate(place) == [1, 2]
    assert second.locator("#bet-player").input_value() == "P-11"


def test_a_test_bet_shows_at_once_and_a_refused_one_at_its_field(
    person: Callable[..., Page], desk: Desk
) -> None:
    game_id, player_id = new_game(desk), desk.player(50_000)
    page = person(Role.MANAGER)
    open_live(page, game_id)
    page.keyboard.press("o")
    expect(page.locator("#act-create-closing")).to_be_visible()
    page.keyboard.press("b")
    expect(page.locator("#bet-player")).to_be_focused()
    page.keyboard.type(str(player_id))
    page.locator("#bet-amount").fill("0.10")
    page.keyboard.press("Enter")
    expect(page.locator("#bet-amount-error, #bet-form .error-summary")).to_contain_text("The smallest bet")
    page.locator("#bet-amount").fill("10")
    page.keyboard.press("Enter")
    expect(page.locator(".toast")).to_contain_text("10.00 USD on Andar: the bet stands.")
    expect(page.locator("#last-bets tbody tr")).to_have_count(1)
    expect(page.locator("#bet-player")).to_have_value(str(player_id))
    expect(page.locator("#bet-amount")).to_have_value("")
    expect(page.locator("#bet-amount")).to_be_focused()


def test_a_round_is_played_and_proved_in_the_browser(person: Callable[..., Page], desk: Desk) -> None:
    page = person(Role.MANAGER)
    open_live(page, new_game(desk))
    for button in ("#open-round", "#act-create-closing", "#act-create-deal"):
        page.locator(f"{button} button").click()
    expect(page.locator(".live-result")).to_contain_text(re.compile(r"(Andar|Bahar) wins with card \d+"))
    dealt = lying(page)
    page.locator(".commitment a").click()
    expect(page.locator("[data-deck]")).to_have_attribute("data-deck-result", "equal")
    assert lying(page) == dealt
    marked = page.locator("[data-deck-cards] .is-dealt")
    # The table shows them by side, the deck in the order in which they fell.
    assert {each.get_attribute("title") for each in marked.all()} == {
        card.removesuffix(", the match") for card in dealt
    }


def test_a_table_works_without_javascript(person: Callable[..., Page], desk: Desk) -> None:
    page = person(Role.MANAGER, java_script_enabled=False)
    page.goto(f"/games/{new_game(desk, Dealing.MANUAL)}/live")
    joker = ("#open-round button", "#pick-5S", "#act-create-betting button", "#act-create-closing button")
    for button in (*joker, "#pick-KC", "#undo-card button", "#pick-QC", "#pick-5H"):
        page.locator(button).click()
    expect(page.locator(".live-result")).to_contain_text("Bahar wins with card 2")
    page.locator("#live-title a").click()
    page.locator("a[href$='/correction']").click()
    page.locator("#correction-cards").fill("QC 3D 5H")
    page.locator("#correction-reason").fill("A card was passed over")
    page.get_by_role("button", name="Ask to correct it").click()
    expect(page.locator("#round-request")).to_contain_text("You ask to correct this round")
    other = person(Role.MANAGER, name="Ida Moe", java_script_enabled=False)
    other.goto("/approvals")
    other.locator("#round-requests .lead a").click()
    other.locator("#decision-reason").fill("Seen on the recording")
    other.get_by_role("button", name="Approve").click()
    expect(other.locator("h1")).to_have_text("Round 1 of Lotus")
    expect(other.locator("main")).to_contain_text("Andar wins with card 3")


def test_a_second_person_decides_without_a_mouse_and_the_first_one_sees_it(
    person: Callable[..., Page], desk: Desk, accessibility: Callable[..., list[str]]
) -> None:
    asker, decider = person(Role.MANAGER, name="Bo Lind"), person(Role.MANAGER, name="Ida Moe")
    round_id = play_by_hand(desk, new_game(desk, Dealing.MANUAL), "5S KC 5H")
    for page in (asker, decider):
        page.goto(f"/rounds/{round_id}")
        expect(page.locator("#live-mark")).to_have_attribute("data-state", "on")
    asker.get_by_role("link", name="Ask to correct…").focus()
    asker.keyboard.press("Enter")
    asker.locator("#correction-cards").fill("KC 3D 5H")
    asker.locator("#correction-reason").fill("A card was passed over")
    asker.keyboard.press("Tab")
    asker.get_by_role("button", name="Ask to correct it").press("Enter")
    expect(asker.locator("#round-request")).to_contain_text("You ask to correct this round")
    # It came to the other one's open page by itself, and to the count.
    expect(decider.locator("#round-request")).to_contain_text("Bo Lind asks to correct this round")
    expect(decider.locator("#approval-count")).to_have_text("1")
    decider.get_by_role("link", name="Decide…").press("Enter")
    expect(decider.locator("#decision")).to_be_visible()
    assert accessibility(decider) == []
    decider.locator("#decision-reason").fill("Seen on the recording")
    decider.get_by_role("button", name="Approve").press("Enter")
    expect(decider.locator(".card-note").first).to_have_text("Andar wins with card 3")
    expect(asker.locator("#round-request")).to_contain_text("This round was settled anew.")
    asker.get_by_role("link", name="Show it").press("Enter")
    expect(asker.locator("main")).to_contain_text("approved by Ida Moe")
