"""Rounds and bets as pages read them."""

import datetime as dt

import pytest
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.game import RoundState
from dashboard.queries import bets, games, rounds
from dashboard.queries.rounds import RoundFilter
from tests.builders import NOW, make_bet, make_game, make_operator, make_player, make_round


@pytest.fixture
def operator_id(session: Session) -> int:
    return make_operator(session)


def test_a_game_comes_with_its_rules_and_its_live_round(session: Session, operator_id: int) -> None:
    game_id = make_game(session, operator_id=operator_id, name="Lotus", rules="three-stage")
    make_round(session, game_id=game_id, number=1, state=RoundState.SETTLED)
    assert games.get_game(session, operator_id=operator_id, game_id=game_id).round_id is None
    round_id = make_round(session, game_id=game_id, number=2)
    [game] = games.list_games(session, operator_id=operator_id)
    assert (game.name, game.rules_name, game.round_id, game.round_number) == (
        "Lotus",
        "three-stage",
        round_id,
        2,
    )


def test_nothing_of_another_operator_is_read(session: Session, operator_id: int) -> None:
    game_id = make_game(session, operator_id=make_operator(session))
    round_id = make_round(session, game_id=game_id)
    assert games.list_games(session, operator_id=operator_id) == []
    assert rounds.page_of_rounds(session, operator_id=operator_id, wanted=RoundFilter()).rows == []
    with pytest.raises(NotFound):
        games.get_game(session, operator_id=operator_id, game_id=game_id)
    with pytest.raises(NotFound):
        rounds.get_round(session, operator_id=operator_id, round_id=round_id)


def test_the_history_goes_on_where_a_page_ends(session: Session, operator_id: int) -> None:
    game_id = make_game(session, operator_id=operator_id)
    made = [
        make_round(session, game_id=game_id, number=number, state=RoundState.SETTLED)
        for number in range(1, 53)
    ]
    first = rounds.page_of_rounds(session, operator_id=operator_id, wanted=RoundFilter())
    rest = rounds.page_of_rounds(
        session, operator_id=operator_id, wanted=RoundFilter(), after=first.next_place
    )
    assert [row.id for row in [*first.rows, *rest.rows]] == made[::-1]
    assert not rest.has_more


def test_each_filter_of_the_history_takes_what_it_says(session: Session, operator_id: int) -> None:
    game_id, other = (make_game(session, operator_id=operator_id) for _ in range(2))
    settled = make_round(session, game_id=game_id, state=RoundState.SETTLED)
    voided = make_round(session, game_id=other, state=RoundState.VOIDED, opened_at=NOW + dt.timedelta(days=1))
    winner = rounds.get_round(session, operator_id=operator_id, round_id=settled).winner

    def found(**wanted: object) -> list[int]:
        page = rounds.page_of_rounds(session, operator_id=operator_id, wanted=RoundFilter(**wanted))  # type: ignore[arg-type]
        return [row.id for row in page.rows]

    assert found() == [voided, settled]
    assert found(game_id=other) == [voided]
    assert found(winner=winner) == [settled]
    assert found(state="voided") == [voided]
    assert found(start=NOW + dt.timedelta(hours=1)) == [voided]
    assert found(end=NOW + dt.timedelta(hours=1)) == [settled]


def test_bets_of_a_round_go_by_player_and_a_players_by_time(session: Session, operator_id: int) -> None:
    game_id = make_game(session, operator_id=operator_id)
    mira, bo = (make_player(session, operator_id=operator_id, balance_minor=10_000) for _ in range(2))
    round_id = make_round(session, game_id=game_id, state=RoundState.BETTING)
    made = [make_bet(session, round_id=round_id, player_id=player_id) for player_id in (mira, bo, mira)]
    by_player = [row.id for row in bets.page_of_round(session, round_id=round_id).rows]
    assert by_player == [made[0], made[2], made[1]]
    assert [row.id for row in bets.list_latest(session, round_id=round_id, limit=2)] == [made[2], made[1]]
    of_mira = bets.page_of_player(session, player_id=mira, currency="USD").rows
    assert [(row.id, row.change) for row in of_mira] == [(made[2], -1000), (made[0], -1000)]
    assert bets.page_of_player(session, player_id=mira, currency="EUR").rows == []
