"""A round with thousands of bets, and what everybody must have once it is settled."""

import random
from collections import defaultdict
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.models.game import Dealing
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, rounds, settlement, verification
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_game, make_operator, make_player

T = TypeVar("T")
BETS_EACH = 20
SELECTIONS = ("andar", "bahar")
BALANCE = 10_000_00
ACE, KING, ANOTHER_ACE = 0, 12, 13


def open_round(app: Flask, *, players: int) -> tuple[int, list[int]]:
    """A manual table with an ace for joker and open bets, and players with money."""

    def make(session: Session) -> tuple[int, list[int]]:
        operator_id = make_operator(session)
        game_id = make_game(session, operator_id=operator_id, dealing=Dealing.MANUAL, betting_seconds=3600)
        round_id = rounds.open(session, game_id=game_id, actor=SYSTEM, now=NOW)
        rounds.enter_joker(session, round_id=round_id, card=ACE, actor=SYSTEM, now=NOW)
        rounds.open_betting(session, round_id=round_id, actor=SYSTEM, now=NOW)
        made = [make_player(session, operator_id=operator_id) for _each in range(players)]
        openings = [
            balances.Request(player, "USD", ChangeType.OPENING, BALANCE, "Opening", "opening")
            for player in made
        ]
        dated = [balances.Dated(request, SYSTEM, NOW) for request in openings]
        balances.post_many(session, dated, with_alerts=False)
        return round_id, made

    with app.app_context():
        return db.transact(make)


_BETS = text("""
INSERT INTO bets (player_id, operator_id, currency, round_id, selection, stage, amount, real_part,
                  wager_sequence, idempotency_key, placed_by, placed_at)
SELECT e.player_id, e.operator_id, e.currency, :r, e.metadata::jsonb ->> 'selection', 1, -e.real_delta,
       -e.real_delta, e.sequence, e.idempotency_key, 'system', e.created_at
FROM wallet_entries e WHERE e.idempotency_key LIKE :keys
""")


def fill(app: Flask, round_id: int, players: list[int]) -> None:
    """Many bets in a moment: the stakes in sets, and the rows that `bets.place` would have written."""
    chance = random.Random(7)

    def one_each(session: Session, number: int) -> None:
        wanted = [
            balances.Request(
                player,
                "USD",
                ChangeType.WAGER,
                -chance.randint(1, 500_00),
                "Bet",
                f"bet:{round_id}:{number}",
                metadata={"selection": chance.choice(SELECTIONS)},
            )
            for player in players
        ]
        dated = [balances.Dated(request, SYSTEM, NOW) for request in wanted]
        balances.post_many(session, dated, with_alerts=False)

    with app.app_context():
        for number in range(BETS_EACH):
            db.transact(partial(one_each, number=number))
        db.transact(lambda session: session.execute(_BETS, {"r": round_id, "keys": f"bet:{round_id}:%"}))


def deal(app: Flask, round_id: int, *cards: int) -> None:
    """Close the bets and lay the cards."""
    with app.app_context():
        rounds.close(db.transact, round_id=round_id, stage=1, actor=SYSTEM, now=NOW)
        for position, card in enumerate(cards, 1):
            put = partial(
                rounds.deal_card, round_id=round_id, position=position, card=card, actor=SYSTEM, now=NOW
            )
            db.transact(put)


def due(app: Flask, round_id: int, winner: str) -> dict[int, int]:
    """By player what they must have, from nothing but stakes and odds: Andar 9 to 10, Bahar 1 to 1."""
    odds = {"andar": Fraction(9, 10), "bahar": Fraction(1)}
    money: dict[int, int] = defaultdict(lambda: BALANCE)
    with app.app_context(), db.reading() as session:
        found = text("SELECT player_id, selection, amount FROM bets WHERE round_id = :r")
        for row in session.execute(found, {"r": round_id}):
            money[row.player_id] -= row.amount
            if winner in {row.selection, "nobody"}:
                money[row.player_id] += row.amount
            if row.selection == winner:
                money[row.player_id] += round(row.amount * odds[winner])
    return dict(money)


def check(app: Flask, round_id: int, winner: str, folder: Path) -> None:
    """Everybody has what is due, by one entry at most, and everything is proved."""
    with app.app_context(), db.reading() as session:
        found = text(
            "SELECT player_id, real FROM balances"
            " WHERE player_id IN (SELECT player_id FROM bets WHERE round_id = :r)"
        )
        has = {row.player_id: row.real for row in session.execute(found, {"r": round_id})}
    assert has == due(app, round_id, winner)
    with app.app_context(), db.reading() as session:
        proof = verification.prove(session, key=b"key", folder=folder, now=NOW)
    assert proof.findings == ()


def settler(round_id: int) -> Callable[[], None]:
    """Settles, and begins again when its connection is cut."""

    def settle() -> None:
        while True:
            try:
                return settlement.settle(db.transact, round_id=round_id, actor=SYSTEM, now=NOW)
            except OperationalError:
                continue

    return settle
