"""Registering players, in sets, each with a wallet and a balance; and what staff note about them."""

import datetime as dt

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound
from dashboard.services import players
from dashboard.services.actors import Actor
from dashboard.services.players import NewPlayer
from tests.builders import NOW, make_actor, make_operator, make_player


@pytest.fixture
def operator(session: Session) -> int:
    return make_operator(session, currency="CZK")


def register(session: Session, operator_id: int, *new: NewPlayer) -> dict[str, int]:
    return players.register(session, operator_id=operator_id, players=new, now=NOW)


def test_a_player_comes_with_wallet_and_balance(session: Session, operator: int) -> None:
    agent = make_actor(session, operator_id=operator)
    born = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    new = NewPlayer("A-1", "Jana Nová", "Jana@Example.CZ", agent.id, "CZ", born)

    (player,) = register(session, operator, new).values()

    row = session.execute(text("SELECT * FROM players WHERE id = :p"), {"p": player}).one()
    assert (row.operator_id, row.external_id, row.name) == (operator, "A-1", "Jana Nová")
    assert (row.email, row.agent_id, row.country, row.created_at) == ("jana@example.cz", agent.id, "CZ", born)
    wallet = session.execute(text("SELECT * FROM wallets WHERE player_id = :p"), {"p": player}).one()
    assert (wallet.operator_id, wallet.status, wallet.vip_level) == (operator, "active", "default")
    assert (wallet.xp, wallet.total_xp) == (0, 0)
    balance = session.execute(text("SELECT * FROM balances WHERE player_id = :p"), {"p": player}).one()
    assert (balance.currency, balance.real, balance.bonus, balance.version) == ("CZK", 0, 0, 0)
    assert bytes(balance.head) == bytes(32)


def test_many_come_at_once_with_their_own_ids(session: Session, operator: int) -> None:
    names = {f"A-{number}": f"Player {number}" for number in range(500)}

    made = register(session, operator, *(NewPlayer(external_id, name) for external_id, name in names.items()))

    kept = session.execute(
        text("SELECT id, external_id, name FROM players WHERE operator_id = :o"), {"o": operator}
    )
    assert {row.external_id: row.id for row in kept} == made
    assert len(made) == 500
    for table in ("wallets", "balances", "player_handles"):
        count = session.scalar(text(f"SELECT count(*) FROM {table} WHERE operator_id = :o"), {"o": operator})
        assert count == 500


def test_nobody_makes_nothing(session: Session, operator: int) -> None:
    assert register(session, operator) == {}


def test_a_player_is_found_by_handles_in_lower_case(session: Session, operator: int) -> None:
    (player,) = register(session, operator, NewPlayer("Ab-1", "Jana", "Jana@Example.cz")).values()

    handles = session.execute(
        text("SELECT kind, handle FROM player_handles WHERE player_id = :p"), {"p": player}
    )
    assert set(map(tuple, handles)) == {("external_id", "ab-1"), ("email", "jana@example.cz")}


@pytest.mark.parametrize(
    "other",
    [
        NewPlayer("A-1", "Another"),
        NewPlayer("a-1", "Another"),
        NewPlayer("B-1", "Another", "jana@example.cz"),
        NewPlayer("B-1", "Another", "JANA@EXAMPLE.CZ"),
    ],
)
def test_a_handle_is_taken_once_whatever_its_case(session: Session, operator: int, other: NewPlayer) -> None:
    register(session, operator, NewPlayer("A-1", "Jana", "jana@example.cz"))

    with pytest.raises(Conflict, match="already has that external id or e-mail"), session.begin_nested():
        register(session, operator, NewPlayer("Z-9", "Fine"), other)

    # All or nothing: the one that was fine is not there either.
    assert session.scalar(text("SELECT count(*) FROM players WHERE operator_id = :o"), {"o": operator}) == 1


def test_a_handle_is_taken_once_within_one_set(session: Session, operator: int) -> None:
    with pytest.raises(Conflict):
        register(session, operator, NewPlayer("A-1", "Jana"), NewPlayer("a-1", "Petra"))


def test_an_external_id_is_no_email(session: Session, operator: int) -> None:
    made = register(
        session, operator, NewPlayer("jana@example.cz", "Jana"), NewPlayer("B-1", "Petra", "jana@example.cz")
    )

    assert len(made) == 2


def test_another_operator_has_handles_of_its_own(session: Session, operator: int) -> None:
    new = NewPlayer("A-1", "Jana", "jana@example.cz")

    assert register(session, operator, new) != register(session, make_operator(session), new)


@pytest.mark.parametrize(
    "wrong",
    [
        NewPlayer("", "Jana"),
        NewPlayer("x" * 101, "Jana"),
        NewPlayer("A-1", ""),
        NewPlayer("A-1", "x" * 201),
        NewPlayer("A-1", "Jana", country="cz"),
        NewPlayer("A-1", "Jana", country="CZE"),
        NewPlayer("A-1", "Jana", agent_id=10**9),
    ],
)
def test_the_database_refuses_what_is_no_player(session: Session, operator: int, wrong: NewPlayer) -> None:
    with pytest.raises(IntegrityError):
        register(session, operator, wrong)


class TestNotes:
    @pytest.fixture
    def agent(self, session: Session) -> Actor:
        return make_actor(session, operator_id=make_operator(session))

    def test_a_note_keeps_who_wrote_it_and_when(self, session: Session, agent: Actor) -> None:
        player = make_player(session, operator_id=agent.operator_id)

        players.add_note(session, player_id=player, body="Prefers mornings", actor=agent, now=NOW)

        note = session.execute(text("SELECT * FROM player_notes WHERE player_id = :p"), {"p": player}).one()
        assert (note.body, note.written_by, note.written_at) == ("Prefers mornings", agent.id, NOW)
        assert note.operator_id == agent.operator_id

    def test_another_operators_player_does_not_exist(self, session: Session, agent: Actor) -> None:
        player = make_player(session, operator_id=make_operator(session))

        with pytest.raises(NotFound):
            players.add_note(session, player_id=player, body="x", actor=agent, now=NOW)

        assert session.scalar(text("SELECT count(*) FROM player_notes")) == 0

    @pytest.mark.parametrize("body", ["", "x" * 2001])
    def test_the_database_refuses_an_empty_or_endless_one(
        self, session: Session, agent: Actor, body: str
    ) -> None:
        player = make_player(session, operator_id=agent.operator_id)

        with pytest.raises(IntegrityError):
            players.add_note(session, player_id=player, body=body, actor=agent, now=NOW)
