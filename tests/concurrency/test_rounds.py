"""Steps of one round by several people at once: one does it, the others are told."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.models.game import Dealing
from dashboard.services import andar_bahar, rounds
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_game, make_operator
from tests.concurrency.together import at_once, kinds

PEOPLE = 8


def committed_game(app: Flask, **given: Any) -> int:
    with app.app_context(), db.writing() as session:
        return make_game(session, operator_id=make_operator(session), **given)


def doing(work: Callable[..., object], **parameters: Any) -> Callable[[], object]:
    """A step in a transaction of its own, as the edge does it."""
    return lambda: db.transact(partial(work, actor=SYSTEM, now=NOW, **parameters))


def done(app: Flask, work: Callable[..., object], **parameters: Any) -> Any:
    with app.app_context():
        return doing(work, **parameters)()


def look(app: Flask, round_id: int) -> Row[Any]:
    with app.app_context(), db.reading() as session:
        return session.execute(text("SELECT * FROM rounds WHERE id = :id"), {"id": round_id}).one()


def let_time_pass(app: Flask, round_id: int) -> None:
    def end(session: Session) -> None:
        session.execute(
            text("UPDATE rounds SET betting_ends_at = clock_timestamp() WHERE id = :id"), {"id": round_id}
        )

    with app.app_context():
        db.transact(end)


def test_of_rounds_started_at_once_one_is_opened(app: Flask) -> None:
    game_id = committed_game(app)

    results = at_once(app, [doing(rounds.open, game_id=game_id)] * PEOPLE)

    assert kinds(results) == {"int": 1, "Conflict": PEOPLE - 1}
    with app.app_context(), db.reading() as session:
        rows = session.execute(
            text("SELECT number, state FROM rounds WHERE game_id = :g"), {"g": game_id}
        ).all()
    assert rows == [(1, "betting")]


def test_of_those_who_close_at_once_one_does(app: Flask) -> None:
    round_id = done(app, rounds.open, game_id=committed_game(app))

    def close() -> None:
        rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=NOW)

    results = at_once(app, [close] * PEOPLE)

    assert kinds(results) == {"NoneType": 1, "Conflict": PEOPLE - 1}
    assert look(app, round_id).state == "locked"


def test_a_person_and_two_workers_lock_once(app: Flask) -> None:
    round_id = done(app, rounds.open, game_id=committed_game(app))
    let_time_pass(app, round_id)

    results = at_once(app, [doing(rounds.lock, round_id=round_id)] * PEOPLE)

    assert kinds(results) == {"NoneType": 1, "Conflict": PEOPLE - 1}


def test_a_deck_is_dealt_once(app: Flask) -> None:
    round_id = done(app, rounds.open, game_id=committed_game(app))
    let_time_pass(app, round_id)
    done(app, rounds.lock, round_id=round_id)

    results = at_once(app, [doing(rounds.deal, round_id=round_id)] * PEOPLE)

    assert kinds(results) == {"Deal": 1, "Conflict": PEOPLE - 1}


def test_of_cards_entered_at_once_one_lies_there(app: Flask) -> None:
    round_id = done(app, rounds.open, game_id=committed_game(app, dealing=Dealing.MANUAL))
    done(app, rounds.enter_joker, round_id=round_id, card=andar_bahar.parse("5S"))
    done(app, rounds.open_betting, round_id=round_id)
    let_time_pass(app, round_id)
    done(app, rounds.lock, round_id=round_id)
    cards = [andar_bahar.parse(name) for name in ("2C", "3C", "4C", "6C", "7C", "8C", "9C", "TC")]

    works = [doing(rounds.deal_card, round_id=round_id, position=1, card=card) for card in cards]
    results = at_once(app, works)

    assert kinds(results) == {"Deal": 1, "Conflict": PEOPLE - 1}
    (card,) = look(app, round_id).cards
    assert card in cards


def test_a_card_is_put_or_taken_back_but_never_lost(app: Flask) -> None:
    """Of one who deals the third card and one who takes the second back, exactly one is first."""
    outcomes: Counter[str] = Counter()
    for _trial in range(5):
        round_id = done(app, rounds.open, game_id=committed_game(app, dealing=Dealing.MANUAL))
        done(app, rounds.enter_joker, round_id=round_id, card=andar_bahar.parse("5S"))
        done(app, rounds.open_betting, round_id=round_id)
        let_time_pass(app, round_id)
        done(app, rounds.lock, round_id=round_id)
        for position, name in ((1, "2C"), (2, "3C")):
            card = andar_bahar.parse(name)
            done(app, rounds.deal_card, round_id=round_id, position=position, card=card)

        dealing = doing(rounds.deal_card, round_id=round_id, position=3, card=andar_bahar.parse("4C"))
        undoing = doing(rounds.undo_card, round_id=round_id, position=2)
        results = at_once(app, [dealing, undoing])

        assert kinds(results) == {"Deal": 1, "Conflict": 1}
        outcomes[str(len(look(app, round_id).cards))] += 1
    assert set(outcomes) <= {"1", "3"}
