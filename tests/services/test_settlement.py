"""Settling rounds: who is paid what, exactly once."""

from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, Rejected
from dashboard.models import Game, Round, RoundSettlement
from dashboard.services import bets, rounds, settlement
from dashboard.services.actors import SYSTEM
from tests import builders
from tests.builders import NOW
from tests.services.table import ACE, ANOTHER_ACE, KING, QUEEN, Table, open_table

T = TypeVar("T")


@pytest.fixture
def table(session: Session) -> Table:
    """Standard rules: Andar is dealt first and pays 0.9, Bahar pays 1."""
    return open_table(session)


def test_each_player_gets_one_entry(table: Table) -> None:
    player, other = table.player(), table.player()
    table.bet(player, "andar", 10_05)
    table.bet(player, "bahar", 20_00)
    table.bet(player, "andar", 5_00)
    table.bet(other, "bahar", 30_00)
    table.deal(ANOTHER_ACE)
    table.settle()

    # 10.05 × 0.9 = 9.045: half to even.
    assert table.states(player) == [("won", 19_09), ("lost", 0), ("won", 9_50)]
    assert table.entries(player) == [
        ("wager", -10_05),
        ("wager", -20_00),
        ("wager", -5_00),
        ("settlement", 28_59),
    ]
    assert table.entries(other) == [("wager", -30_00)]
    settled = table.session.get_one(Round, table.round_id, populate_existing=True)
    assert (settled.state, settled.version, settled.bets, settled.players) == ("settled", 1, 4, 2)
    assert (settled.staked, settled.paid) == (65_05, 28_59)


def test_a_second_settlement_pays_nobody(table: Table) -> None:
    player = table.player()
    table.bet(player, "andar", 10_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    settlement.resume(table.transact, round_id=table.round_id, now=NOW)
    with pytest.raises(Conflict, match="it is settled now"):
        table.settle()
    assert table.real(player) == 1_009_00


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_what_was_left_half_way_is_taken_up(table: Table, steps: int) -> None:
    player = table.player()
    table.bet(player, "andar", 10_00)
    table.deal(ANOTHER_ACE)
    done = 0

    def transact(work: Callable[[Session], T]) -> T:
        nonlocal done
        if done == steps:
            raise ConnectionError("killed")
        done += 1
        return work(table.session)

    with pytest.raises(ConnectionError):
        settlement.settle(transact, round_id=table.round_id, actor=SYSTEM, now=NOW)
    assert settlement.unfinished(table.session) == ([table.round_id] if steps else [])
    table.settle()
    assert table.real(player) == 1_009_00
    assert settlement.unfinished(table.session) == []


def test_a_fifth_card_pays_by_the_rules_of_the_third_stage(session: Session) -> None:
    table = open_table(session, "three-stage")
    player = table.player()
    table.bet(player, "bahar", 10_00)
    table.close()
    for position, card in enumerate((KING, QUEEN), 1):
        rounds.deal_card(
            session, round_id=table.round_id, position=position, card=card, actor=SYSTEM, now=NOW
        )
    rounds.next_stage(session, round_id=table.round_id, actor=SYSTEM, now=NOW)
    table.bet(player, "bahar", 20_00)
    rounds.close(table.transact, round_id=table.round_id, stage=2, actor=SYSTEM, now=NOW)
    for position, card in enumerate((25, 24, ANOTHER_ACE), 3):
        rounds.deal_card(
            session, round_id=table.round_id, position=position, card=card, actor=SYSTEM, now=NOW
        )
    table.settle()
    assert table.states(player) == [("won", 20_00), ("won", 40_00)]
    settlement.correct(
        table.transact,
        round_id=table.round_id,
        joker=ACE,
        cards=[ANOTHER_ACE],
        reason="The first card was the ace",
        actor=SYSTEM,
        now=NOW,
    )
    # The second stage was never reached: no theory of its bets remains in the month.
    assert table.states(player) == [("push", 10_00), ("void", 20_00)]
    assert 9_00 < month_of(table)[5] < 10_00


def test_a_push_gives_the_stake_back(session: Session) -> None:
    table = open_table(session, "three-stage")
    player = table.player()
    table.bet(player, "bahar", 10_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    assert table.states(player) == [("push", 10_00)]
    assert table.real(player) == 1_000_00


def test_a_void_gives_every_stake_back(table: Table) -> None:
    player = table.player()
    table.bet(player, "andar", 10_00)
    table.bet(player, "bahar", 20_00)
    settlement.void(table.transact, round_id=table.round_id, reason="Lost power", actor=SYSTEM, now=NOW)
    assert table.states(player) == [("void", 10_00), ("void", 20_00)]
    assert table.entries(player) == [("wager", -10_00), ("wager", -20_00), ("refund", 30_00)]
    voided = table.session.get_one(Round, table.round_id, populate_existing=True)
    assert (voided.state, voided.void_reason) == ("voided", "Lost power")
    with pytest.raises(Conflict, match="Betting is closed"):
        table.bet(player, "andar", 1_00)
    with pytest.raises(Conflict, match="already void"):
        settlement.void(table.transact, round_id=table.round_id, reason="Again", actor=SYSTEM, now=NOW)


def test_a_settled_round_is_voided_by_its_next_version(table: Table) -> None:
    winner, loser = table.player(), table.player()
    table.bet(winner, "andar", 10_00)
    table.bet(loser, "bahar", 20_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    settlement.void(table.transact, round_id=table.round_id, reason="Card was seen", actor=SYSTEM, now=NOW)
    assert table.entries(winner) == [
        ("wager", -10_00),
        ("settlement", 19_00),
        ("reversal", -19_00),
        ("refund", 10_00),
    ]
    assert table.entries(loser) == [("wager", -20_00), ("refund", 20_00)]
    assert table.states(winner) == [("void", 10_00)]
    found = select(RoundSettlement.version, RoundSettlement.paid).filter_by(round_id=table.round_id)
    assert table.session.execute(found.order_by(RoundSettlement.version)).all() == [(1, 19_00), (2, 30_00)]
    assert month_of(table) == (0, 1, 0, 0, 0, 0)


def month_of(table: Table) -> tuple[int, ...]:
    """Rounds, voided rounds, bets, stakes, payouts, payouts in theory of its game."""
    found = text(
        "SELECT rounds, voided, bets, wagered, paid, expected FROM game_statistics WHERE game_id = :game"
    )
    return tuple(table.session.execute(found, {"game": table.game_id}).one())


def test_a_wrong_result_is_put_right_by_a_second_version(table: Table) -> None:
    winner, loser = table.player(), table.player()
    table.bet(winner, "andar", 10_00)
    table.bet(loser, "bahar", 20_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    settlement.correct(
        table.transact,
        round_id=table.round_id,
        joker=ACE,
        cards=[KING, ANOTHER_ACE],
        reason="The first card was a king",
        actor=SYSTEM,
        now=NOW,
    )
    assert table.entries(winner)[1:] == [("settlement", 19_00), ("reversal", -19_00)]
    assert table.entries(loser) == [("wager", -20_00), ("settlement", 40_00)]
    corrected = table.session.get_one(Round, table.round_id, populate_existing=True)
    assert (corrected.winner, corrected.version, corrected.paid) == ("bahar", 2, 40_00)
    assert corrected.cards == [KING, ANOTHER_ACE]


def test_a_shuffled_deck_is_not_corrected(session: Session) -> None:
    operator_id = builders.make_operator(session)
    game_id = builders.make_game(session, operator_id=operator_id)
    round_id = rounds.open(session, game_id=game_id, actor=SYSTEM, now=NOW)
    table = Table(session, operator_id, game_id, round_id)
    table.close()
    rounds.deal(session, round_id=round_id, actor=SYSTEM, now=NOW)
    table.settle()
    with pytest.raises(Rejected, match="proved by its seed"):
        settlement.correct(
            table.transact,
            round_id=round_id,
            joker=ACE,
            cards=[ANOTHER_ACE],
            reason="No",
            actor=SYSTEM,
            now=NOW,
        )
    settled = session.get_one(Round, round_id, populate_existing=True)
    assert settled.seed is not None


def test_a_round_without_a_bet_is_settled_too(table: Table) -> None:
    table.deal(ANOTHER_ACE)
    table.settle()
    assert table.session.get_one(Round, table.round_id, populate_existing=True).state == "settled"


def test_a_real_stake_gives_experience_once(table: Table) -> None:
    player = table.player()
    table.bet(player, "andar", 10_50)
    table.bet(player, "bahar", 4_70)
    table.deal(ANOTHER_ACE)
    table.settle()
    settlement.void(table.transact, round_id=table.round_id, reason="Seen", actor=SYSTEM, now=NOW)
    found = text("SELECT total_xp FROM wallets WHERE player_id = :p")
    assert table.session.execute(found, {"p": player}).scalar_one() == 15


def test_a_bet_is_refused_with_every_reason(table: Table) -> None:
    player = table.player(10_00)
    table.session.execute(update(Game).filter_by(id=table.game_id).values(min_bet=5_00, exposure_max=15_00))
    for amount, wanted in (
        (1_00, "The smallest bet is"),
        (50_00, "Not enough money"),
        (50_00, "would risk more"),
    ):
        with pytest.raises(Rejected, match=wanted):
            table.bet(player, "andar", amount)
    assert table.entries(player) == []
    assert table.bet(player, "andar", 10_00).real_part == 10_00


def test_the_same_key_is_one_bet(table: Table) -> None:
    player = table.player()
    first = table.bet(player, "andar", 10_00, key="k")
    assert table.bet(player, "andar", 10_00, key="k") == bets.Placed(
        first.bet_id, first.sequence, 10_00, 0, repeated=True
    )
    with pytest.raises(Conflict, match="already been used"):
        table.bet(player, "bahar", 10_00, key="k")
    table.close()
    assert table.bet(player, "andar", 10_00, key="k").repeated
    with pytest.raises(Conflict, match="Betting is closed"):
        table.bet(player, "andar", 10_00, key="l")
    assert table.real(player) == 990_00
