"""Games: the list, making and changing them, running and retiring them, and how fair they were."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import insert, select

from dashboard.models import DealStatistic, Game, GameStatistic
from dashboard.models.game import Dealing
from dashboard.models.login import Role
from tests.builders import make_game, make_operator, make_round
from tests.web.desk import Browser, Desk, fields

SETTINGS = {
    "name": "Lotus",
    "min_bet": "1.00",
    "max_bet": "500.00",
    "exposure_max": "",
    "betting_seconds": "30",
    "pause_seconds": "10",
}


@pytest.fixture
def manager(desk: Desk) -> Browser:
    return desk.sign_in(Role.MANAGER, name="Bo Lind")


@pytest.fixture
def game_id(desk: Desk) -> int:
    return desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Lotus"))


def game(desk: Desk, name: str = "Lotus") -> Game:
    return desk.read(lambda session: session.scalars(select(Game).filter_by(name=name)).one())


def rule_set(manager: Browser, path: str) -> str:
    """The rule set `standard` as the form offers it."""
    options = manager.page(path).all("option")
    return next(option["value"] for option in options if option.text.startswith("standard"))


def settle_rounds(desk: Desk, game_id: int, by_length: dict[int, int], **month: Any) -> None:
    """Write down that so many rounds ended after so many cards."""
    first = dt.date(2026, 3, 1)

    def work(session: Any) -> None:
        for length, count in by_length.items():
            values = {"game_id": game_id, "month": first, "cards_dealt": length, "rounds": count}
            session.execute(insert(DealStatistic).values(values))
        session.execute(insert(GameStatistic).values(game_id=game_id, month=first, **month))

    desk.write(work)


def test_a_new_game_is_made_and_can_be_played(desk: Desk, manager: Browser) -> None:
    chosen = rule_set(manager, "/games/new")
    typed = {**SETTINGS, "rule_set_id": chosen, "currency": "USD", "dealing": "automatic"}
    answer = manager.post("/games", typed)
    made = game(desk)
    assert (answer.status_code, answer.location) == (303, f"/games/{made.id}")
    assert (made.min_bet, made.max_bet, made.exposure_max) == (100, 50_000, None)
    assert "Lotus" in manager.page("/games").text


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "Enter a name."),
        ({"max_bet": "0.50"}, "The highest bet must not be below the lowest one."),
        ({"min_bet": "free"}, "Enter an amount in figures"),
        ({"betting_seconds": "0"}, "Between 1 and 3,600 seconds."),
        ({"rule_set_id": "987654321"}, "There is no such rule set."),
        ({"rule_set_id": "x"}, "Choose a rule set."),
        ({"currency": "CHF"}, "Players have no balances in CHF."),
        ({"currency": "??"}, "Choose a currency."),
    ],
)
def test_a_game_that_cannot_be_made_says_why_and_keeps_what_was_typed(
    desk: Desk, manager: Browser, typed: dict[str, str], said: str
) -> None:
    chosen = rule_set(manager, "/games/new")
    sent = {**SETTINGS, "rule_set_id": chosen, "currency": "USD", "dealing": "manual", **typed}
    answer = manager.post("/games", sent)
    assert answer.status_code == 422
    assert said in answer.text
    assert f'value="{sent["pause_seconds"]}"' in answer.text
    assert desk.read(lambda session: session.scalars(select(Game)).all()) == []


def test_a_name_in_use_is_a_conflict(manager: Browser, game_id: int) -> None:
    chosen = rule_set(manager, "/games/new")
    sent = {**SETTINGS, "rule_set_id": chosen, "currency": "USD", "dealing": "manual"}
    answer = manager.post("/games", sent)
    assert (answer.status_code, "There is already a game called Lotus." in answer.text) == (409, True)


def test_other_settings_are_put_in_force(desk: Desk, manager: Browser, game_id: int) -> None:
    sent = fields(manager.page(f"/games/{game_id}/edit"), "game-form")
    sent |= {
        "rule_set_id": rule_set(manager, f"/games/{game_id}/edit"),
        "max_bet": "750",
        "exposure_max": "9,000",
    }
    answer = manager.post(f"/games/{game_id}", sent)
    assert (answer.status_code, answer.location) == (303, f"/games/{game_id}")
    assert (game(desk).max_bet, game(desk).exposure_max) == (75_000, 900_000)
    sent["min_bet"] = "800"
    assert manager.post(f"/games/{game_id}", sent).status_code == 422
    assert game(desk).min_bet == 100


def test_the_worker_runs_a_game_until_it_is_stopped(desk: Desk, manager: Browser, game_id: int) -> None:
    manager.post(f"/games/{game_id}/running", {"running": "y"})
    assert game(desk).is_running
    assert "running" in manager.page("/games").text
    answer = manager.post(f"/games/{game_id}/running", {"running": "n", "at": "live"})
    assert answer.location == f"/games/{game_id}/live"
    assert not game(desk).is_running


def test_a_table_that_staff_deal_does_not_run_by_itself(desk: Desk, manager: Browser) -> None:
    table = desk.write(
        lambda session: make_game(
            session, operator_id=desk.operator_id, name="Blue table", dealing=Dealing.MANUAL
        )
    )
    assert manager.post(f"/games/{table}/running", {"running": "y"}).status_code == 422
    assert not game(desk, "Blue table").is_running


def test_a_game_is_retired_once_no_round_is_played(desk: Desk, manager: Browser, game_id: int) -> None:
    desk.write(lambda session: make_round(session, game_id=game_id, number=4))
    assert "Round 4 is being played" in manager.page(f"/games/{game_id}/retirement").text
    assert manager.post(f"/games/{game_id}/retirement", {}).status_code == 409
    other = desk.write(lambda session: make_game(session, operator_id=desk.operator_id, name="Old"))
    assert manager.post(f"/games/{other}/retirement", {}).status_code == 303
    assert game(desk, "Old").state == "retired"
    assert "retired" in manager.page(f"/games/{other}").text


@pytest.mark.parametrize("path", ["", "/live", "/edit", "/retirement"])
def test_another_operators_game_is_not_there(desk: Desk, manager: Browser, path: str) -> None:
    other = desk.write(lambda session: make_game(session, operator_id=make_operator(session)))
    manager.page(f"/games/{other}{path}", status=404)
    assert manager.get(f"/games/fairness?game={other}").status_code == 404


def test_fairness_compares_what_was_dealt_with_chance(desk: Desk, manager: Browser, game_id: int) -> None:
    assert "Figures come with the first one." in manager.page("/games/fairness").text
    # 833 rounds, 429 of them odd: the exact share to the digit; all at the mean of 13, or next to it.
    by_length = {13: 429, 12: 202, 14: 202}
    settle_rounds(
        desk, game_id, by_length, rounds=833, bets=900, wagered=1_000_000, paid=975_000, expected=978_500
    )
    page = manager.page(f"/games/fairness?game={game_id}")
    assert "51.50 %" in page.text
    assert "13.00" in page.text
    assert "outside 4 sigma" in page.text  # nobody deals 429 of 833 rounds with 13 cards
    assert "97.50 %" in page.text
    assert "97.85 %" in page.text
    scripts = [element for element in page.all("script") if element.get("type") == "application/json"]
    assert len(scripts) == 2
    assert manager.get("/games/fairness?game=987").status_code == 404
    assert manager.get("/games/fairness?game=x").status_code == 404


def test_the_pages_ask_little_however_much_there_is(desk: Desk, manager: Browser, game_id: int) -> None:
    settle_rounds(desk, game_id, {5: 10}, rounds=10, bets=10, wagered=1000, paid=900, expected=970)
    for _ in range(5):
        desk.write(lambda session: make_game(session, operator_id=desk.operator_id))
    for path in ("/games", f"/games/{game_id}", "/games/fairness", "/games/new"):
        assert desk.count_queries(lambda path=path: manager.page(path)) <= 12, path  # type: ignore[misc]
