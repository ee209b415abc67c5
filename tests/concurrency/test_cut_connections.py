"""Connections cut in the middle: no money is made or lost, and the same key sent again settles it."""

import random
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Self

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.db import alchemy
from dashboard.errors import OutcomeUnknown, Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import balances
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, change_request
from tests.concurrency.together import at_once, journal, make_players, post, prove

THREADS = 8
CHANGES = 500
CURRENCIES = ("USD", "EUR")
CHANGES_PER_CUT = 40
TRIES = 50

Key = tuple[int, str]
"""A player and an idempotency key."""


@dataclass
class Ledger:
    """What one thread was told: the amount of each change that was acknowledged, and what was refused."""

    acknowledged: dict[Key, int] = field(default_factory=dict)
    refused: set[Key] = field(default_factory=set)
    outcomes: Counter[str] = field(default_factory=Counter)


class Cutter:
    """Cuts one of the application's busy connections, picked at random, each time it is asked."""

    def __init__(self, app: Flask) -> None:
        self.cuts = 0
        self._url = app.config["SQLALCHEMY_DATABASE_URI"]
        self._asked = threading.Semaphore(0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def ask(self) -> None:
        """Cut one, while whoever asks goes on."""
        self._asked.release()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.ask()
        self._thread.join(10)

    def _run(self) -> None:
        chance = random.Random(7)
        # A role may end, and see the state of, what runs under its own name.
        with psycopg.connect(self._url, autocommit=True) as connection:
            while self._asked.acquire() and not self._over.is_set():
                busy = connection.execute("""
                    SELECT pid FROM pg_stat_activity
                    WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()
                """).fetchall()
                if busy:
                    # Asked again: by now that number may be of somebody else's connection.
                    connection.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE pid = %s AND datname = current_database()",
                        chance.choice(busy),
                    )
                    self.cuts += 1


def until_known(
    work: Callable[[Session], balances.BalanceChange], ledger: Ledger
) -> balances.BalanceChange | None:
    """Send the same again until the outcome is known; None when it is refused."""
    for _ in range(TRIES):
        try:
            made = db.transact(work)
        except (OutcomeUnknown, DBAPIError) as lost:
            ledger.outcomes[type(lost).__name__] += 1
        except Rejected:
            return None
        else:
            ledger.outcomes["repeated" if made.repeated else "made"] += 1
            return made
    raise AssertionError("never got through")


def mixed_changes(number: int, players: list[int], cutter: Cutter) -> Ledger:
    """Five hundred changes of all kinds, singly and in sets, each with a key of its own."""
    chance, ledger = random.Random(number), Ledger()
    mine: list[tuple[int, str, int]] = []
    for step in range(CHANGES):
        if step % CHANGES_PER_CUT == number:
            cutter.ask()
        key, player, currency = f"{number}:{step}", chance.choice(players), chance.choice(CURRENCIES)
        match chance.choice(("set", "reverse", "deposit", "withdrawal", "adjust", "adjust", "fee")):
            case "set":
                post_set(chance.sample(players, 3), currency, key, chance.randint(-500, -1), ledger)
                continue
            case "reverse" if mine:
                player, currency, sequence = mine.pop()
                work = reversing(player, currency, sequence, key)
            case "deposit":
                work = changing(player, chance.randint(1, 2_000), ChangeType.DEPOSIT, currency, key)
            case "withdrawal":
                work = changing(player, -chance.randint(1, 90_000), ChangeType.WITHDRAWAL, currency, key)
            case "fee":
                work = changing(player, -chance.randint(1, 500), ChangeType.FEE, currency, key)
            case _:
                amount = chance.choice((-1, 1)) * chance.randint(1, 1_000)
                work = changing(player, amount, ChangeType.ADJUSTMENT, currency, key)
        made = until_known(work, ledger)
        if made is None:
            ledger.refused.add((player, key))
            continue
        ledger.acknowledged[player, key] = made.entry.real_delta
        if made.entry.change_type != ChangeType.REVERSAL:
            mine.append((player, currency, made.entry.sequence))
    return ledger


def changing(
    player: int, amount: int, change_type: ChangeType, currency: str, key: str
) -> Callable[[Session], balances.BalanceChange]:
    request = change_request(player, amount, change_type, currency=currency, key=key)
    return lambda session: balances.change(session, request=request, actor=SYSTEM, now=NOW)


def reversing(
    player: int, currency: str, sequence: int, key: str
) -> Callable[[Session], balances.BalanceChange]:
    return lambda session: balances.reverse(
        session,
        player_id=player,
        currency=currency,
        sequence=sequence,
        reason="Entered twice",
        actor=SYSTEM,
        idempotency_key=key,
        now=NOW,
    )


def post_set(players: list[int], currency: str, key: str, amount: int, ledger: Ledger) -> None:
    """One change of each of these players, all or none; sent again until it is known."""
    requests = [
        change_request(player, amount, ChangeType.FEE, currency=currency, key=key) for player in players
    ]
    dated = [balances.Dated(request, SYSTEM, NOW) for request in requests]
    for _ in range(TRIES):
        try:
            written = db.transact(lambda session: balances.post_many(session, dated, with_alerts=True))
        except (OutcomeUnknown, DBAPIError) as lost:
            ledger.outcomes[type(lost).__name__] += 1
            continue
        # All or none: known keys are passed over.
        assert len(written) in (0, len(players))
        ledger.outcomes["made" if written else "repeated"] += 1
        ledger.acknowledged.update({(player, key): amount for player in players})
        return
    raise AssertionError("never got through")


def test_no_money_is_made_or_lost_and_every_acknowledged_change_is_there_once(app: Flask) -> None:
    players = make_players(app, 6, currencies=CURRENCIES[1:], balance_minor=1_000_00)

    with Cutter(app) as cutter:
        results = at_once(app, [partial(mixed_changes, number, players, cutter) for number in range(THREADS)])

    ledgers = [result for result in results if isinstance(result, Ledger)]
    assert len(ledgers) == THREADS, results
    acknowledged = {key: amount for ledger in ledgers for key, amount in ledger.acknowledged.items()}
    refused = set().union(*(ledger.refused for ledger in ledgers))
    outcomes = sum((ledger.outcomes for ledger in ledgers), Counter[str]())
    # Otherwise nothing was tested.
    assert cutter.cuts > 50
    assert outcomes.total() - outcomes["made"] - outcomes["repeated"] > 50

    written = [entry for player in players for entry in journal(app, player)]
    there = {
        (entry["player_id"], entry["idempotency_key"]): entry["real_delta"]
        for entry in written
        if entry["change_type"] != ChangeType.OPENING
    }
    assert len(written) == len(there) + len(players)  # the openings
    assert there == acknowledged
    assert not refused & set(there)
    for player in players:
        prove(app, player)


@contextmanager
def losing_the_commit(app: Flask, lose: Callable[[psycopg.Connection], None]) -> Iterator[None]:
    """The next transaction of this application loses its connection at COMMIT, in the way that is given."""
    done: list[bool] = []

    def before_commit(connection: Connection) -> None:
        if not done:
            done.append(True)
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            lose(driver)

    with app.app_context():
        engine = alchemy.engine
        event.listen(engine, "commit", before_commit)
        try:
            yield
        finally:
            event.remove(engine, "commit", before_commit)
    assert done


def before_it_arrives(driver: psycopg.Connection) -> None:
    """The server never hears of the COMMIT."""
    hang_up(driver)


def before_its_answer(driver: psycopg.Connection) -> None:
    """The server has committed, and the answer is lost on its way."""
    driver.pgconn.send_query(b"COMMIT")
    result = driver.pgconn.get_result()
    assert result is not None
    assert result.command_status == b"COMMIT"
    hang_up(driver)


def hang_up(driver: psycopg.Connection) -> None:
    with socket.socket(fileno=socket.dup(driver.pgconn.socket)) as line:
        line.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("lose", "repeated"), [(before_it_arrives, False), (before_its_answer, True)], ids=["not done", "done"]
)
def test_a_commit_without_an_answer_is_unknown_and_sending_it_again_settles_it(
    app: Flask, lose: Callable[[psycopg.Connection], None], repeated: bool
) -> None:
    (player,) = make_players(app, 1)
    request = change_request(player, 100)

    with losing_the_commit(app, lose):
        with pytest.raises(OutcomeUnknown, match="Sending it again is safe"):
            post(request)
        again = post(request)

    assert again.repeated is repeated
    assert [entry["real_delta"] for entry in journal(app, player)] == [100]
    prove(app, player)
