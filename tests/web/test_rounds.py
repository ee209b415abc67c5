"""Rounds: their history, one with its bets and settlements, its proof, and what is put right by hand."""

import csv
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.models import Round, RoundRequest
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from dashboard.queries.paging import PAGE_SIZE
from dashboard.services import andar_bahar, bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from dashboard.views.rounds import SCRIPT
from tests.builders import NOW, make_bet, make_game, make_operator, make_round
from tests.pages import checked
from tests.web.desk import Browser, Desk, fields


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER, name="Bo Lind")


@pytest.fixture
def game_id(desk: Desk) -> int:
    return desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Lotus"))


def play(desk: Desk, game_id: int, *stakes: tuple[int, str, int], cards: str = "") -> int:
    """A round that is played to its end through the services, by hand where `cards` names them."""
    joker, *dealt = map(andar_bahar.parse, cards.split()) if cards else [0]
    with desk.app.app_context():

        def step(work: object, **given: object) -> object:
            return db.transact(lambda session: work(session, **given, actor=SYSTEM, now=NOW))  # type: ignore[operator]

        round_id = step(rounds.open, game_id=game_id)
        assert isinstance(round_id, int)
        if cards:
            step(rounds.enter_joker, round_id=round_id, card=joker)
            step(rounds.open_betting, round_id=round_id)
        for number, (player_id, selection, amount) in enumerate(stakes):
            wager = bets.Wager(player_id, round_id, selection, amount, f"{round_id}-{number}")
            step(bets.place, wager=wager)
        rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=NOW)
        for position, card in enumerate(dealt, 1):
            step(rounds.deal_card, round_id=round_id, position=position, card=card)
        if not cards:
            step(rounds.deal, round_id=round_id)
        settlement.settle(db.transact, round_id=round_id, actor=SYSTEM, now=NOW)
    return round_id


def table(desk: Desk) -> int:
    """A table that is dealt by hand, Andar first."""
    make = partial(make_game, operator_id=desk.operator_id, name="Blue table", dealing=Dealing.MANUAL)
    return desk.write(make)


def played(desk: Desk, round_id: int) -> Round:
    return desk.read(lambda session: session.scalars(select(Round).filter_by(id=round_id)).one())


def agree(desk: Desk, round_id: int) -> None:
    """Another manager approves what waits on the round."""
    request_id = desk.read(
        lambda session: session.scalars(
            select(RoundRequest.id).filter_by(round_id=round_id, state="waiting")
        ).one()
    )
    answer = desk.sign_in(Role.MANAGER, name="Ida Moe").post(
        f"/rounds/{round_id}/requests/{request_id}/decision", {"decision": "approve", "reason": "Seen"}
    )
    assert answer.status_code == 303


def numbers(browser: Browser, query: str) -> list[str]:
    """The rounds that the history shows, by their numbers."""
    rows = browser.page(f"/rounds{query}").all("th", scope="row")
    return [row.text.removeprefix("Round ") for row in rows]


def test_the_history_is_narrowed_by_what_stands_in_its_address(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    other = desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Rose"))
    desk.write(lambda session: make_round(session, game_id=game_id, number=11, state="settled"))
    desk.write(lambda session: make_round(session, game_id=other, number=12, state="voided"))
    winner = desk.read(lambda session: session.scalars(select(Round.winner).filter_by(number=11)).one())
    assert numbers(manager, "") == ["12", "11"]
    assert numbers(manager, f"?game={other}") == ["12"]
    assert numbers(manager, f"?winner={winner}") == ["11"]
    assert numbers(manager, "?state=voided") == ["12"]
    # The rounds were opened on 2 March by the operator's calendar.
    assert numbers(manager, "?since=2026-03-02&until=2026-03-02") == ["12", "11"]
    assert numbers(manager, "?since=2026-03-03") == []
    assert "No round fits" in manager.page("/rounds?until=2026-03-01").text
    # What is no filter asks for nothing.
    assert numbers(manager, "?game=x&since=yesterday&winner=nobody&state=lost") == ["12", "11"]


def test_the_history_goes_on_below(desk: Desk, manager: Browser, game_id: int) -> None:
    count = PAGE_SIZE + 2

    def fill(session: Session) -> None:
        for number in range(1, count + 1):
            make_round(session, game_id=game_id, number=number, state="settled")

    desk.write(fill)
    page = manager.page(f"/rounds?game={game_id}")
    [more] = [link["href"] for link in page.all("a") if "after=" in link["href"]]
    assert f"game={game_id}" in more
    part = manager.get(more, htmx=True).text
    assert part.count('<tr id="round-') == 2
    assert numbers(manager, more.removeprefix("/rounds")) == ["2", "1"]


def test_a_round_shows_what_was_bet_and_paid(desk: Desk, manager: Browser, game_id: int) -> None:
    mira, bo = desk.player(50_000, name="Mira Holm"), desk.player(50_000, name="Bo Ek")
    round_id = play(desk, game_id, (mira, "andar", 1_000), (bo, "bahar", 2_000))
    was = played(desk, round_id)
    page = manager.page(f"/rounds/{round_id}")
    paid = "19.00" if was.winner == "andar" else "40.00"
    assert f"Staked 30.00 Paid {paid}" in page.text
    assert f"{was.winner.capitalize()} wins with card {len(was.cards)}" in page.text  # type: ignore[union-attr]
    assert "Mira Holm" in page.text
    assert len(page.all("span", class_="playing-card")) == len(was.cards) + 1
    assert desk.count_queries(lambda: manager.page(f"/rounds/{round_id}")) <= 12
    assert desk.count_queries(lambda: manager.page("/rounds")) <= 12


def test_its_bets_go_on_below(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(10**7)

    def fill(session: Session) -> int:
        round_id = make_round(session, game_id=game_id, state="locked")
        for _ in range(PAGE_SIZE + 3):
            make_bet(session, round_id=round_id, player_id=player_id)
        return round_id

    round_id = desk.write(fill)
    page = manager.page(f"/rounds/{round_id}")
    [more] = [link["href"] for link in page.all("a") if "after=" in link["href"]]
    assert manager.get(more, htmx=True).text.count('<tr id="bet-') == 3


def test_the_script_finds_the_downloaded_proof_equal_and_a_forged_one_not(
    desk: Desk, manager: Browser, game_id: int, tmp_path: Path
) -> None:
    round_id = play(desk, game_id)
    script, proof = tmp_path / "verify_round.py", tmp_path / "round.json"
    script.write_bytes(manager.get("/rounds/verifier").data)
    assert script.read_bytes() == SCRIPT.read_bytes()
    given = json.loads(manager.get(f"/rounds/{round_id}/proof").data)

    def check() -> tuple[int, str]:
        proof.write_text(json.dumps(given))
        line = [sys.executable, "-I", str(script), str(proof)]
        done = subprocess.run(line, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()[-1]

    assert check() == (0, "EQUAL")
    given["seed"] = given["seed"][::-1]
    assert check() == (1, "NOT EQUAL")


def test_the_verify_page_carries_what_the_browser_computes_from(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    round_id = play(desk, game_id)
    was = played(desk, round_id)
    page = manager.page(f"/rounds/{round_id}/verify")
    [deck] = [element for element in page.elements if element.get("data-deck") is not None]
    assert was.seed is not None
    assert deck["data-seed"] == was.seed.hex()
    assert deck["data-cards"] == " ".join(map(str, was.cards))


def test_a_round_of_a_live_table_says_that_nothing_can_be_computed(desk: Desk, manager: Browser) -> None:
    round_id = play(desk, table(desk), cards="5S KC 3D 7C 5H")
    assert "there is no seed" in manager.page(f"/rounds/{round_id}/verify").text
    assert manager.get(f"/rounds/{round_id}/proof").status_code == 404
    assert "dealt by hand" in manager.page(f"/rounds/{round_id}").text


def test_a_live_round_is_voided_with_a_reason(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    with desk.app.app_context():
        work = partial(rounds.open, game_id=game_id, actor=SYSTEM, now=NOW)
        round_id = db.transact(work)
        wager = bets.Wager(player_id, round_id, "andar", 1_000, "a")
        db.transact(partial(bets.place, wager=wager, actor=SYSTEM, now=NOW))
    answer = manager.post(f"/rounds/{round_id}/void", {"reason": " "})
    assert (answer.status_code, "Enter a reason." in answer.text) == (422, True)
    assert desk.real(player_id) == 49_000
    answer = manager.post(f"/rounds/{round_id}/void", {"reason": "The lights went out"})
    assert (answer.status_code, answer.location) == (303, f"/rounds/{round_id}")
    assert desk.real(player_id) == 50_000
    assert "The lights went out" in manager.page(f"/rounds/{round_id}").text
    answer = manager.post(f"/rounds/{round_id}/void", {"reason": "Again"}, htmx=True)
    assert (answer.status_code, "is already void" in answer.text) == (409, True)


def test_a_settled_round_that_is_voided_says_so_wherever_it_stands(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    player_id = desk.player(50_000)
    round_id = play(desk, game_id, (player_id, "andar", 1_000))
    winner = played(desk, round_id).winner
    answer = manager.post(f"/rounds/{round_id}/void", {"reason": "The wrong table was shown"})
    assert answer.status_code == 303
    agree(desk, round_id)
    assert desk.real(player_id) == 50_000
    page = manager.page(f"/rounds/{round_id}")
    assert "This round is void" in page.text
    assert "The wrong table was shown" in page.text
    assert not [link for link in page.all("a") if link["href"].endswith("/void")]
    assert numbers(manager, "?state=voided") == ["1"]
    assert numbers(manager, "?state=settled") == []
    assert numbers(manager, f"?winner={winner}") == []
    assert "Void: every stake was given back." in manager.page(f"/games/{game_id}/live").text


def test_a_wrong_result_is_put_right_by_the_next_version(desk: Desk, manager: Browser) -> None:
    player_id = desk.player(50_000)
    round_id = play(desk, table(desk), (player_id, "bahar", 1_000), cards="5S KC 5H")
    assert desk.real(player_id) == 51_000
    page = manager.page(f"/rounds/{round_id}/correction")
    assert fields(page, "main")["joker"] == "5S"
    typed = {"joker": "5s", "cards": "KC, 3D 10C", "reason": "The dealer read the wrong card"}
    answer = manager.post(f"/rounds/{round_id}/correction", typed, htmx=True)
    assert answer.status_code == 422
    assert "The last card is not of the joker&#39;s rank" in answer.text
    assert "KC, 3D 10C" in answer.text
    answer = manager.post(f"/rounds/{round_id}/correction", {**typed, "cards": "KC, 3D 5h"})
    assert answer.status_code == 303
    agree(desk, round_id)
    assert desk.real(player_id) == 49_000
    page = manager.page(f"/rounds/{round_id}")
    assert "version 2" in page.text
    assert "The dealer read the wrong card" in page.text


@pytest.mark.parametrize("cards", ["5X", "55", "KC KC 5H", "", "5H 3D"])
def test_cards_that_are_no_deal_are_refused_at_their_field(desk: Desk, manager: Browser, cards: str) -> None:
    round_id = play(desk, table(desk), cards="5S KC 5H")
    typed = {"joker": "5S", "cards": cards, "reason": "Misread"}
    page = checked(manager.post(f"/rounds/{round_id}/correction", typed))
    assert page.response.status_code == 422
    assert page.by_id("correction-cards")["aria-invalid"] == "true"
    assert played(desk, round_id).version == 1


@pytest.mark.parametrize("path", ["", "/verify", "/proof", "/void", "/correction"])
def test_another_operators_round_is_not_there(desk: Desk, manager: Browser, path: str) -> None:
    def theirs(session: Session) -> int:
        game = make_game(session, operator_id=make_operator(session))
        return make_round(session, game_id=game, state="settled")

    assert manager.get(f"/rounds/{desk.write(theirs)}{path}").status_code == 404


def test_a_players_bets_stand_on_their_page(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    path = f"/players/{player_id}?tab=bets"
    assert "No bets in USD yet" in manager.page(path).text
    round_id = play(desk, game_id, (player_id, "andar", 1_000), (player_id, "bahar", 500))
    page = manager.page(path)
    rows = [row.text for row in page.all("tr") if (row.get("id") or "").startswith("bet-")]
    assert len(rows) == 2
    assert "Lotus 1" in rows[0]
    assert [link for link in page.all("a") if link["href"] == f"/rounds/{round_id}"]
    assert desk.count_queries(lambda: manager.page(path)) <= 12

    def bet_more(session: Session) -> None:
        for _ in range(PAGE_SIZE):
            make_bet(session, round_id=round_id, player_id=player_id, amount=100)

    desk.write(bet_more)
    [more] = [link["href"] for link in manager.page(path).all("a") if "after=" in link["href"]]
    assert manager.get(more, htmx=True).text.count('<tr id="bet-') == 2
    assert "tab=bets" in manager.get(more).location


def test_the_history_comes_as_a_file_of_exactly_what_is_filtered(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    player_id = desk.player(50_000)
    round_id = play(desk, game_id, (player_id, "andar", 1_000))
    was = played(desk, round_id)
    other = desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Rose"))
    desk.write(lambda session: make_round(session, game_id=other, number=77, state="betting"))
    page = manager.page(f"/rounds?game={game_id}")
    [export] = [form["action"] for form in page.all("form") if "/exports" in form["action"]]
    head, line = list(csv.reader(manager.post(export, {"format": "csv"}).text.splitlines()))[-2:]
    found = dict(zip(head, line, strict=True))
    assert (found["Game"], found["Number"], found["State"]) == ("Lotus", "1", "settled")
    assert found["Cards"].split() == [andar_bahar.name(card) for card in was.cards]
    assert was.seed is not None
    assert found["Seed"] == was.seed.hex()
    live = manager.post(f"/rounds/exports?game={other}", {"format": "csv"}).text
    assert (77).to_bytes(32, "big").hex() not in live


def test_a_view_of_the_history_can_be_kept(desk: Desk, manager: Browser) -> None:
    new = "/saved-views/new?page=rounds.index&query=state%3Dvoided&next=/rounds"
    sent = fields(manager.page(new), "main")
    kept = manager.post("/saved-views", {**sent, "name": "Voided", "shared_with": ""})
    assert kept.status_code == 303
    assert [
        link for link in manager.page("/rounds").all("a") if link["href"].endswith("/rounds?state=voided")
    ]
