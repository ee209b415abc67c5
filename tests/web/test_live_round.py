"""The live page of a game: what one sees of a round, deals by hand, and bets to try it out."""

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from dashboard import live
from dashboard.models import Bet, Operator, Round
from dashboard.models.game import Dealing, RoundState
from dashboard.models.login import Role
from dashboard.services import andar_bahar
from tests.builders import make_game, make_round
from tests.pages import Page
from tests.web.desk import Browser, Desk, fields


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER, name="Bo Lind")


@pytest.fixture
def game_id(desk: Desk) -> int:
    return desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Lotus"))


@pytest.fixture
def table_id(desk: Desk) -> int:
    """A table that is dealt by hand, Andar first."""
    return desk.write(
        lambda session: make_game(
            session, operator_id=desk.operator_id, name="Blue table", dealing=Dealing.MANUAL
        )
    )


def last_round(desk: Desk, game_id: int) -> Round:
    wanted = select(Round).filter_by(game_id=game_id).order_by(Round.id.desc()).limit(1)
    return desk.read(lambda session: session.scalars(wanted).one())


def enter(manager: Browser, desk: Desk, game_id: int, *names: str) -> None:
    """Press one card after the other, as the picker sends them."""
    for name in names:
        page = manager.page(f"/games/{game_id}/live")
        sent = {**fields(page, "picker-form"), "card": name}
        answer = manager.post(f"/rounds/{last_round(desk, game_id).id}/cards", sent, htmx=True)
        assert answer.status_code == 200, answer.text


def bet(manager: Browser, game_id: int, player_id: int, amount: str, **given: str) -> Any:
    sent = fields(manager.page(f"/games/{game_id}/live"), "bet-form")
    typed = {"player": str(player_id), "selection": "andar", "amount": amount, **given}
    return manager.post(f"/games/{game_id}/bets", {**sent, **typed}, htmx=True)


def cards_on(page: Page) -> list[str]:
    return [card["aria-label"] for card in page.all("span", class_="playing-card")]


def test_a_game_without_rounds_says_so_and_offers_the_first(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    assert "No round yet" in manager.page(f"/games/{game_id}/live").text
    manager.post(f"/games/{game_id}/rounds", {})
    played = last_round(desk, game_id)
    page = manager.page(f"/games/{game_id}/live")
    assert (played.number, played.state) == (1, RoundState.BETTING)
    assert played.commitment
    assert played.commitment.hex() in page.text
    assert [card for card in cards_on(page) if " of " in card]
    [countdown] = [each for each in page.all("b") if each.get("data-countdown")]
    assert 25 <= int(countdown.text.split()[0]) <= 30


def test_a_round_is_played_by_hand_from_bets_to_payout(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    assert bet(manager, game_id, player_id, "12.50").status_code == 200
    assert bet(manager, game_id, player_id, "20", selection="bahar").status_code == 200
    played = last_round(desk, game_id)
    page = manager.page(f"/games/{game_id}/live")
    # Andar pays 0.9 to one, Bahar 1.
    assert "House, if Andar wins 8.75" in page.text
    assert "House, if Bahar wins −7.50" in page.text
    manager.post(f"/rounds/{played.id}/closing", fields(page, "act-create-closing"))
    page = manager.page(f"/games/{game_id}/live")
    manager.post(f"/rounds/{played.id}/deal", fields(page, "act-create-deal"))
    played = last_round(desk, game_id)
    assert played.state == RoundState.SETTLED
    expected = 50_000 - 3_250 + (2_375 if played.winner == "andar" else 4_000)
    assert desk.real(player_id) == expected
    page = manager.page(f"/games/{game_id}/live")
    assert f"{played.winner.capitalize()} wins with card {len(played.cards)}" in page.text  # type: ignore[union-attr]
    assert len(cards_on(page)) == len(played.cards) + 1


def test_those_who_bet_are_told_when_it_is_settled(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    bet(manager, game_id, player_id, "12.50")
    round_id = last_round(desk, game_id).id
    closing = fields(manager.page(f"/games/{game_id}/live"), "act-create-closing")
    manager.post(f"/rounds/{round_id}/closing", closing)
    dealing = fields(manager.page(f"/games/{game_id}/live"), "act-create-deal")
    followed = frozenset({live.game(game_id), live.player(player_id), live.operator_of(desk.operator_id)})
    with desk.app.extensions["live"].subscribed(followed) as page:
        page.wait(20)  # a listener's first word is everything

        manager.post(f"/rounds/{round_id}/deal", dealing)

        assert page.wait(0) == followed


def test_no_part_of_the_page_tells_the_seed_before_the_round_has_ended(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    round_id = desk.write(lambda session: make_round(session, game_id=game_id, number=7, state="betting"))
    seed = (7).to_bytes(32, "big")
    sealed = desk.read(lambda session: session.get_one(Round, round_id)).seed_sealed
    assert sealed is not None
    for path in (f"/games/{game_id}/live", f"/rounds/{round_id}", f"/rounds/{round_id}/verify", "/rounds"):
        text = manager.page(path).response.text
        assert seed.hex() not in text
        assert sealed.hex() not in text
    assert manager.get(f"/rounds/{round_id}/proof").status_code == 404


def test_a_table_is_dealt_card_by_card(desk: Desk, manager: Browser, table_id: int) -> None:
    manager.post(f"/games/{table_id}/rounds", {})
    assert "Enter the joker" in manager.page(f"/games/{table_id}/live").text
    enter(manager, desk, table_id, "5S")
    played = last_round(desk, table_id)
    page = manager.page(f"/games/{table_id}/live")
    manager.post(f"/rounds/{played.id}/betting", fields(page, "act-create-betting"))
    page = manager.page(f"/games/{table_id}/live")
    manager.post(f"/rounds/{played.id}/closing", fields(page, "act-create-closing"))
    enter(manager, desk, table_id, "KC", "3D")
    page = manager.page(f"/games/{table_id}/live")
    assert "Card 3 goes to Andar" in page.text
    disabled = {each["value"] for each in page.all("button", class_="pick") if each.get("aria-disabled")}
    assert disabled == {"5S", "KC", "3D"}
    manager.post(f"/rounds/{played.id}/undone-cards", fields(page, "undo-card"))
    assert "Card 2 goes to Bahar" in manager.page(f"/games/{table_id}/live").text
    enter(manager, desk, table_id, "5H")
    played = last_round(desk, table_id)
    assert (played.state, played.winner) == (RoundState.SETTLED, "bahar")
    page = manager.page(f"/games/{table_id}/live")
    assert "dealt by hand" in page.text
    assert not [form for form in page.all("form") if form.get("id") == "picker-form"]


def test_of_two_who_enter_a_card_at_once_the_second_is_told(
    desk: Desk, manager: Browser, table_id: int
) -> None:
    round_id = desk.write(
        lambda session: make_round(session, game_id=table_id, state="locked", joker=andar_bahar.parse("5S"))
    )
    sent = {**fields(manager.page(f"/games/{table_id}/live"), "picker-form"), "card": "KC"}
    assert manager.post(f"/rounds/{round_id}/cards", sent, htmx=True).status_code == 200
    answer = manager.post(f"/rounds/{round_id}/cards", {**sent, "card": "3D"}, htmx=True)
    assert answer.status_code == 409
    assert last_round(desk, table_id).cards == [andar_bahar.parse("KC")]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"player": "987654321"}, "There is no such player"),
        ({"amount": "0.50"}, "The smallest bet is 1.00 USD."),
        ({"amount": "1,000.01"}, "The largest bet is 1,000.00 USD."),
        ({"amount": "900"}, "500.00"),
        ({"amount": "-3"}, "Enter an amount above zero, without a sign."),
        ({"amount": "ten"}, "Enter an amount in figures"),
    ],
)
def test_a_bet_that_does_not_stand_says_why_and_keeps_what_was_typed(
    desk: Desk, manager: Browser, game_id: int, typed: dict[str, str], said: str
) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    answer = bet(manager, game_id, player_id, **{"amount": "5", **typed})
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{typed.get("player", player_id)}"' in answer.text
    assert desk.real(player_id) == 50_000


def test_a_bet_sent_twice_stands_once(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    sent = fields(manager.page(f"/games/{game_id}/live"), "bet-form")
    typed = {**sent, "player": str(player_id), "selection": "andar", "amount": "5"}
    for _ in range(2):
        assert manager.post(f"/games/{game_id}/bets", typed, htmx=True).status_code == 200
    assert desk.real(player_id) == 49_500
    wanted = select(Bet.id).filter_by(player_id=player_id)
    assert len(desk.read(lambda session: session.scalars(wanted).all())) == 1


def test_a_bet_without_a_round_or_after_the_close_is_refused(
    desk: Desk, manager: Browser, game_id: int
) -> None:
    player_id = desk.player(50_000)
    answer = bet(manager, game_id, player_id, "5")
    assert (answer.status_code, "No round is being played." in answer.text) == (409, True)
    desk.write(lambda session: make_round(session, game_id=game_id, state="locked"))
    answer = bet(manager, game_id, player_id, "5")
    assert (answer.status_code, "Betting is closed." in answer.text) == (409, True)
    assert answer.headers["HX-Retarget"] == "#bet-form"


def test_no_test_bet_with_real_money(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    sent = fields(manager.page(f"/games/{game_id}/live"), "bet-form")
    desk.write(lambda session: session.execute(update(Operator).values(money="real")))
    assert "Test bets are placed with play money only." in manager.page(f"/games/{game_id}/live").text
    typed = {**sent, "player": str(player_id), "selection": "andar", "amount": "5"}
    assert manager.post(f"/games/{game_id}/bets", typed).status_code == 403
    assert desk.real(player_id) == 50_000


def test_what_changes_is_fetched_without_what_one_types(desk: Desk, manager: Browser, game_id: int) -> None:
    manager.post(f"/games/{game_id}/rounds", {})
    part = manager.get(f"/games/{game_id}/live", htmx=True).text
    assert part.lstrip().startswith('<div class="stack" id="live-round"')
    assert "bet-form" not in part


def test_who_may_only_look_sees_no_button(desk: Desk, game_id: int) -> None:
    agent = desk.sign_in(Role.AGENT)
    desk.write(lambda session: make_round(session, game_id=game_id, state="betting"))
    page = agent.page(f"/games/{game_id}/live")
    assert not re.search(r"/(closing|void|bets|rounds)$", " ".join(f["action"] for f in page.all("form")))


def test_the_page_asks_little(desk: Desk, manager: Browser, game_id: int) -> None:
    player_id = desk.player(50_000)
    manager.post(f"/games/{game_id}/rounds", {})
    bet(manager, game_id, player_id, "5")
    assert desk.count_queries(lambda: manager.page(f"/games/{game_id}/live")) <= 12
    assert desk.count_queries(lambda: manager.get(f"/games/{game_id}/live", htmx=True)) <= 10
