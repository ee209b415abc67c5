"""The life of a round up to its result, step by step, and what it never tells before its end."""

import datetime as dt
import json
import re
from fractions import Fraction
from typing import Any

import pytest
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.models.game import Dealing, Side
from dashboard.models.login import Role
from dashboard.services import andar_bahar, fairness, rounds, rule_sets
from dashboard.services.actors import SYSTEM, Actor
from tests.builders import NOW, make_actor, make_bet, make_game, make_operator, make_player

JOKER_5S = andar_bahar.parse("5S")
LATER = NOW + dt.timedelta(seconds=7)


@pytest.fixture
def manager(session: Session) -> Actor:
    return make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)


@pytest.fixture
def game(session: Session, manager: Actor) -> int:
    return make_game(session, operator_id=manager.operator_id)


@pytest.fixture
def table(session: Session, manager: Actor) -> int:
    """A game that staff deal, Andar first."""
    return make_game(session, operator_id=manager.operator_id, dealing=Dealing.MANUAL)


def look(session: Session, round_id: int) -> Row[Any]:
    return session.execute(text("SELECT * FROM rounds WHERE id = :id"), {"id": round_id}).one()


def open_round(session: Session, game_id: int) -> int:
    return rounds.open(session, game_id=game_id, actor=SYSTEM, now=NOW)


def close_betting(session: Session, round_id: int) -> None:
    stage = look(session, round_id).stage
    rounds.announce_close(session, round_id=round_id, stage=stage, actor=SYSTEM)
    rounds.lock(session, round_id=round_id, actor=SYSTEM, now=LATER)


def deal(session: Session, round_id: int) -> andar_bahar.Deal:
    return rounds.deal(session, round_id=round_id, actor=SYSTEM, now=LATER)


def let_time_pass(session: Session, round_id: int) -> None:
    """The stage's time is over, by the database's clock."""
    session.execute(
        text("UPDATE rounds SET betting_ends_at = clock_timestamp() WHERE id = :id"), {"id": round_id}
    )


def deck_of(row: Row[Any]) -> tuple[int, ...]:
    seed = fairness.unseal(bytes(row.seed_sealed), game_id=row.game_id, number=row.number)
    return fairness.deck(seed, row.public_salt, row.number)


def hide_joker(session: Session, game_id: int) -> None:
    """Put a bet on the joker's colour into the game's rules."""
    shipped = rule_sets.SHIPPED["standard"]
    rules = rule_sets.Rules(
        shipped.first, shipped.stages, shipped.pays_by, shipped.pays, (("red", Fraction(9, 10)),)
    )
    session.execute(
        text("""
        WITH made AS (
          INSERT INTO rule_sets (operator_id, name, version, definition, state, made_by, made_at)
          SELECT operator_id, 'with red', 1, :rules, 'active', 'system', :now FROM games WHERE id = :id
          RETURNING id
        ) UPDATE games SET rule_set_id = (SELECT id FROM made) WHERE id = :id
        """),
        {"rules": rule_sets.write(rules), "now": NOW, "id": game_id},
    )


def manual_round(session: Session, game_id: int, joker: str = "5S") -> int:
    """A locked round of a table, with its joker."""
    round_id = open_round(session, game_id)
    rounds.enter_joker(session, round_id=round_id, card=andar_bahar.parse(joker), actor=SYSTEM, now=NOW)
    rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)
    close_betting(session, round_id)
    return round_id


def put(session: Session, round_id: int, *names: str) -> andar_bahar.Deal:
    """Enter cards in order, on top of those that lie there."""
    dealt = None
    for card in names:
        position = len(look(session, round_id).cards) + 1
        dealt = rounds.deal_card(
            session,
            round_id=round_id,
            position=position,
            card=andar_bahar.parse(card),
            actor=SYSTEM,
            now=LATER,
        )
    assert dealt is not None
    return dealt


class TestOpening:
    def test_the_seed_is_committed_to_and_sealed_and_the_joker_shown(
        self, session: Session, game: int
    ) -> None:
        row = look(session, open_round(session, game))

        seed = fairness.unseal(bytes(row.seed_sealed), game_id=game, number=1)
        assert (row.state, row.number, row.stage, row.opened_by) == ("betting", 1, 1, "system")
        assert (len(seed), fairness.commitment(seed)) == (32, bytes(row.commitment))
        assert row.joker == fairness.deck(seed, row.public_salt, 1)[0]
        assert (row.seed, row.cards, row.winner) == (None, [], None)

    def test_betting_ends_by_the_databases_clock(self, session: Session, game: int) -> None:
        before = session.execute(text("SELECT clock_timestamp()")).scalar_one()

        ends_at = look(session, open_round(session, game)).betting_ends_at

        after = session.execute(text("SELECT clock_timestamp()")).scalar_one()
        assert before <= ends_at - dt.timedelta(seconds=30) <= after

    def test_of_a_game_there_is_one_at_a_time(self, session: Session, game: int) -> None:
        open_round(session, game)

        with pytest.raises(Conflict, match="is being played already"):
            open_round(session, game)
        assert session.execute(text("SELECT count(*) FROM rounds")).scalar_one() == 1

    def test_numbers_go_up_and_each_has_its_own_seed(self, session: Session, game: int) -> None:
        first = look(session, open_round(session, game))
        session.execute(
            text("UPDATE rounds SET state = 'voided', void_reason = 'x', ended_at = :now"), {"now": NOW}
        )
        second = look(session, open_round(session, game))

        assert (first.number, second.number) == (1, 2)
        assert first.commitment != second.commitment

    def test_a_rule_set_that_is_not_active_opens_nothing(self, session: Session, game: int) -> None:
        session.execute(text("UPDATE rule_sets SET state = 'retired'"))

        with pytest.raises(Rejected, match="standard is not active"):
            open_round(session, game)

    def test_a_joker_that_is_bet_on_is_hidden_until_betting_closes(self, session: Session, game: int) -> None:
        hide_joker(session, game)
        round_id = open_round(session, game)
        before = look(session, round_id)

        close_betting(session, round_id)

        assert (before.state, before.joker) == ("betting", None)
        assert look(session, round_id).joker == deck_of(before)[0]

    def test_another_ones_round_is_not_there(self, session: Session, game: int) -> None:
        stranger = make_actor(session, operator_id=make_operator(session), role=Role.MANAGER)
        with pytest.raises(NotFound):
            rounds.open(session, game_id=game, actor=stranger, now=NOW)
        round_id = open_round(session, game)
        for act in (rounds.lock, rounds.deal, rounds.next_stage, rounds.open_betting):
            with pytest.raises(NotFound):
                act(session, round_id=round_id, actor=stranger, now=NOW)
        with pytest.raises(NotFound):
            rounds.announce_close(session, round_id=round_id, stage=1, actor=stranger)

    def test_what_people_do_is_in_the_log(self, session: Session, game: int, manager: Actor) -> None:
        round_id = rounds.open(session, game_id=game, actor=manager, now=NOW)
        rounds.announce_close(session, round_id=round_id, stage=1, actor=manager)
        rounds.lock(session, round_id=round_id, actor=manager, now=LATER)
        rounds.deal(session, round_id=round_id, actor=manager, now=LATER)

        logged = session.execute(text("SELECT * FROM staff_log ORDER BY id")).all()
        assert [row.action for row in logged] == [
            "round.opened",
            "round.locked",
            "round.dealt",
        ]
        assert json.loads(logged[1].details) == {"game": game, "round": 1, "stage": 1}


class TestLocking:
    def test_not_before_its_time_and_not_unannounced(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)

        with pytest.raises(Conflict, match="still taking bets"):
            rounds.lock(session, round_id=round_id, actor=SYSTEM, now=NOW)
        assert rounds.due_to_lock(session) == []
        assert look(session, round_id).state == "betting"

    def test_when_its_time_is_over_it_is_due(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        let_time_pass(session, round_id)

        assert rounds.due_to_lock(session) == [round_id]
        rounds.lock(session, round_id=round_id, actor=SYSTEM, now=LATER)

        assert look(session, round_id).state == "locked"
        assert rounds.due_to_lock(session) == []

    def test_by_hand_it_ends_when_it_was_closed(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        rounds.announce_close(session, round_id=round_id, stage=1, actor=SYSTEM)
        # The worker finishes what a web process that was killed has announced.
        assert rounds.due_to_lock(session) == [round_id]

        rounds.lock(session, round_id=round_id, actor=SYSTEM, now=LATER)

        row = look(session, round_id)
        assert (row.state, row.betting_ends_at) == ("locked", LATER)

    def test_whoever_comes_second_is_told(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        close_betting(session, round_id)

        with pytest.raises(Conflict, match="it is locked now"):
            rounds.announce_close(session, round_id=round_id, stage=1, actor=SYSTEM)
        with pytest.raises(Conflict, match="it is locked now"):
            rounds.lock(session, round_id=round_id, actor=SYSTEM, now=NOW)

    def test_a_page_of_another_stage_closes_nothing(self, session: Session, manager: Actor) -> None:
        game = make_game(session, operator_id=manager.operator_id, rules="three-stage")
        round_id = open_round(session, game)

        with pytest.raises(Conflict):
            rounds.announce_close(session, round_id=round_id, stage=2, actor=SYSTEM)
        assert session.execute(text("SELECT count(*) FROM round_closings")).scalar_one() == 0

    def test_the_totals_are_those_of_the_bets(self, session: Session, game: int, manager: Actor) -> None:
        mira, noor = (
            make_player(session, operator_id=manager.operator_id, balance_minor=100_00) for _ in range(2)
        )
        round_id = open_round(session, game)
        for player, selection, amount in [
            (mira, "andar", 10_00),
            (mira, "andar", 5_00),
            (noor, "bahar", 7_00),
            (noor, "red", 1_00),
        ]:
            make_bet(session, round_id=round_id, player_id=player, selection=selection, amount=amount)

        close_betting(session, round_id)

        row = look(session, round_id)
        assert (row.bets, row.players, row.staked) == (4, 2, 23_00)
        assert (row.staked_andar, row.staked_bahar, row.paid) == (15_00, 7_00, 0)


class TestDealing:
    def test_the_whole_deal_is_that_of_the_deck(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        deck = deck_of(look(session, round_id))
        close_betting(session, round_id)

        dealt = deal(session, round_id)

        row = look(session, round_id)
        assert (row.state, tuple(row.cards), row.winner) == ("dealing", dealt.cards, dealt.winner)
        assert deck[: len(dealt.cards) + 1] == (row.joker, *row.cards)
        assert [card % 13 == row.joker % 13 for card in row.cards] == [False] * (len(row.cards) - 1) + [True]
        assert row.winner == (Side.ANDAR if len(row.cards) % 2 else Side.BAHAR)

    def test_not_before_the_lock_and_not_twice(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        with pytest.raises(Conflict, match="it is betting now"):
            deal(session, round_id)
        close_betting(session, round_id)
        deal(session, round_id)

        with pytest.raises(Conflict, match="it is dealing now"):
            deal(session, round_id)

    def test_where_staff_deal_it_is_refused(self, session: Session, table: int) -> None:
        with pytest.raises(Rejected, match="Staff deal"):
            deal(session, manual_round(session, table))


class TestStages:
    @pytest.fixture
    def staged(self, session: Session, manager: Actor) -> int:
        """A table with three stages, Bahar first: bets before the first card and after the second."""
        return make_game(
            session, operator_id=manager.operator_id, rules="three-stage", dealing=Dealing.MANUAL
        )

    def test_betting_opens_again_between_the_cards(self, session: Session, staged: int) -> None:
        round_id = manual_round(session, staged)
        put(session, round_id, "2C", "3C")
        with pytest.raises(Conflict, match="next betting stage"):
            put(session, round_id, "4C")

        rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)

        row = look(session, round_id)
        assert (row.state, row.stage, len(row.cards)) == ("betting", 2, 2)
        assert row.betting_ends_at > LATER
        close_betting(session, round_id)
        with pytest.raises(Rejected, match="no card to take back"):
            rounds.undo_card(session, round_id=round_id, position=2, actor=SYSTEM, now=LATER)
        put(session, round_id, "4C", "6C")
        with pytest.raises(Conflict, match="last betting stage"):
            rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)
        assert put(session, round_id, "5H").winner == Side.BAHAR

    def test_not_before_all_cards_of_the_stage(self, session: Session, staged: int) -> None:
        round_id = manual_round(session, staged)
        for _ in range(2):
            with pytest.raises(Conflict, match="next betting stage"):
                rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)
            put(session, round_id, "2C" if not look(session, round_id).cards else "3C")
        rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)
        with pytest.raises(Conflict):
            rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)

    def test_not_after_a_match(self, session: Session, staged: int) -> None:
        round_id = manual_round(session, staged)
        assert put(session, round_id, "2C", "5D").winner == Side.ANDAR

        with pytest.raises(Conflict, match="next betting stage"):
            rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)

    def test_a_shuffled_deck_is_dealt_in_stages_too(self, session: Session, manager: Actor) -> None:
        game = make_game(session, operator_id=manager.operator_id, rules="three-stage")
        reached = 0
        for _ in range(8):
            round_id = open_round(session, game)
            deck = deck_of(look(session, round_id))
            close_betting(session, round_id)
            dealt = deal(session, round_id)
            assert len(dealt.cards) <= 2
            if dealt.winner is None:
                reached += 1
                rounds.next_stage(session, round_id=round_id, actor=SYSTEM, now=LATER)
                close_betting(session, round_id)
                dealt = deal(session, round_id)
            row = look(session, round_id)
            assert (row.stage > 1) == (len(row.cards) > 2)
            assert deck[: len(row.cards) + 1] == (row.joker, *row.cards)
            assert row.winner == (Side.BAHAR if len(row.cards) % 2 else Side.ANDAR)
            session.execute(
                text("UPDATE rounds SET state = 'voided', void_reason = 'x', ended_at = :now WHERE id = :id"),
                {"now": NOW, "id": round_id},
            )
        assert reached


class TestDealingByHand:
    def test_it_is_scheduled_until_the_joker_is_entered(self, session: Session, table: int) -> None:
        round_id = open_round(session, table)
        row = look(session, round_id)
        assert (row.state, row.commitment, row.seed_sealed) == ("scheduled", None, None)
        with pytest.raises(Rejected, match="Enter the joker first"):
            rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)

        for card in ("KD", "5S"):
            rounds.enter_joker(
                session, round_id=round_id, card=andar_bahar.parse(card), actor=SYSTEM, now=NOW
            )
        rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)

        row = look(session, round_id)
        assert (row.state, row.joker) == ("betting", JOKER_5S)
        with pytest.raises(Conflict, match="it is betting now"):
            rounds.enter_joker(session, round_id=round_id, card=0, actor=SYSTEM, now=NOW)
        with pytest.raises(Conflict, match="no longer scheduled"):
            rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)

    def test_a_hidden_joker_is_entered_once_betting_has_closed(self, session: Session, table: int) -> None:
        hide_joker(session, table)
        round_id = open_round(session, table)
        with pytest.raises(Conflict, match="it is betting now"):
            rounds.enter_joker(session, round_id=round_id, card=JOKER_5S, actor=SYSTEM, now=NOW)
        close_betting(session, round_id)
        with pytest.raises(Rejected, match="Enter the joker first"):
            put(session, round_id, "2C")

        rounds.enter_joker(session, round_id=round_id, card=JOKER_5S, actor=SYSTEM, now=NOW)

        assert put(session, round_id, "2C", "5C").winner == Side.BAHAR

    def test_sides_alternate_and_the_match_ends_it(self, session: Session, table: int) -> None:
        round_id = manual_round(session, table)
        assert put(session, round_id, "2C").winner is None
        assert put(session, round_id, "KD").next_side == Side.ANDAR

        assert put(session, round_id, "5H").winner == Side.ANDAR

        row = look(session, round_id)
        assert (row.state, row.winner, len(row.cards)) == ("dealing", "andar", 3)
        with pytest.raises(Rejected, match="match has fallen"):
            put(session, round_id, "9C")

    @pytest.mark.parametrize("card", ["5S", "2C"])
    def test_a_card_that_lies_there_is_refused(self, session: Session, table: int, card: str) -> None:
        round_id = manual_round(session, table)
        put(session, round_id, "2C")

        with pytest.raises(Rejected, match="lies on the table already") as refused:
            put(session, round_id, card)

        assert refused.value.field == "card"
        assert len(look(session, round_id).cards) == 1

    def test_of_two_who_enter_a_card_one_is_told(self, session: Session, table: int) -> None:
        round_id = manual_round(session, table)
        put(session, round_id, "2C")

        with pytest.raises(Conflict, match="1 cards lie on the table"):
            rounds.deal_card(session, round_id=round_id, position=1, card=9, actor=SYSTEM, now=LATER)
        with pytest.raises(Conflict, match="1 cards lie on the table"):
            rounds.undo_card(session, round_id=round_id, position=2, actor=SYSTEM, now=LATER)

    def test_the_last_card_is_taken_back_before_a_win(self, session: Session, table: int) -> None:
        round_id = manual_round(session, table)
        put(session, round_id, "2C", "3C")

        for position in (2, 1):
            rounds.undo_card(session, round_id=round_id, position=position, actor=SYSTEM, now=LATER)

        assert (look(session, round_id).state, look(session, round_id).cards) == ("dealing", [])
        with pytest.raises(Rejected, match="no card to take back"):
            rounds.undo_card(session, round_id=round_id, position=0, actor=SYSTEM, now=LATER)
        put(session, round_id, "5H")
        with pytest.raises(Rejected, match="cannot be taken back"):
            rounds.undo_card(session, round_id=round_id, position=1, actor=SYSTEM, now=LATER)
        assert look(session, round_id).winner == "andar"

    def test_not_while_betting_is_open(self, session: Session, table: int) -> None:
        round_id = open_round(session, table)
        rounds.enter_joker(session, round_id=round_id, card=JOKER_5S, actor=SYSTEM, now=NOW)
        rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)

        with pytest.raises(Conflict, match="it is betting now"):
            put(session, round_id, "2C")

    def test_a_shuffled_deck_takes_no_card(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        close_betting(session, round_id)
        for act in (
            lambda: put(session, round_id, "2C"),
            lambda: rounds.undo_card(session, round_id=round_id, position=0, actor=SYSTEM, now=NOW),
            lambda: rounds.enter_joker(session, round_id=round_id, card=1, actor=SYSTEM, now=NOW),
        ):
            with pytest.raises(Rejected, match="shuffled"):
                act()


class TestSecrets:
    @pytest.mark.parametrize("until", ["betting", "locked", "dealing"])
    def test_no_table_tells_the_seed_or_the_cards_to_come(
        self,
        session: Session,
        manager: Actor,
        caplog: pytest.LogCaptureFixture,
        until: str,
    ) -> None:
        caplog.set_level(0)
        game = make_game(session, operator_id=manager.operator_id, rules="three-stage")
        if until == "betting":
            hide_joker(session, game)
        round_id = self._play(session, game, manager, until)
        row = look(session, round_id)
        seed = fairness.unseal(bytes(row.seed_sealed), game_id=game, number=row.number)
        shown = 0 if row.joker is None else 1 + len(row.cards)
        to_come = fairness.deck(seed, row.public_salt, row.number)[shown:]

        texts = [*self._all_rows(session), caplog.text]

        assert any(bytes(row.commitment).hex() in each for each in texts), "the search sees the tables"
        for secret in self._spellings(seed, to_come):
            assert not any(secret in each for each in texts), f"{secret} is told"

    def _play(self, session: Session, game: int, actor: Actor, until: str) -> int:
        """A round at that state whose match has not fallen; others are voided."""
        for _ in range(50):
            round_id = rounds.open(session, game_id=game, actor=actor, now=NOW)
            if until == "betting":
                return round_id
            close_betting(session, round_id)
            if until == "locked":
                return round_id
            if rounds.deal(session, round_id=round_id, actor=actor, now=NOW).winner is None:
                return round_id
            session.execute(
                text("UPDATE rounds SET state = 'voided', void_reason = 'x', ended_at = :now WHERE id = :id"),
                {"now": NOW, "id": round_id},
            )
        raise AssertionError("fifty rounds that ended within two cards")

    def _all_rows(self, session: Session) -> list[str]:
        """Every row of every table that the application can read, as text."""
        tables = session.scalars(
            text("""
            SELECT quote_ident(relname) FROM pg_class
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
              AND has_table_privilege(oid, 'SELECT')
            """)
        ).all()
        assert len(tables) > 40
        return [
            row for table in tables for row in session.scalars(text(f"SELECT t::text FROM {table} t")).all()
        ]

    def _spellings(self, seed: bytes, to_come: tuple[int, ...]) -> list[str]:
        """The ways in which somebody would write the seed, or the next five cards."""
        cards = to_come[:5]
        names = [andar_bahar.name(card) for card in cards]
        return [
            seed.hex(),
            seed.hex().upper(),
            repr(seed),
            *(separator.join(map(str, cards)) for separator in (",", ", ", " ")),
            *(separator.join(names) for separator in (",", ", ", " ", "")),
        ]

    def test_a_refusal_tells_nothing_either(self, session: Session, game: int) -> None:
        round_id = open_round(session, game)
        with pytest.raises(Conflict) as refused:
            deal(session, round_id)

        assert re.fullmatch(r"Round 1 is not waiting to be dealt: it is betting now\.", refused.value.message)
