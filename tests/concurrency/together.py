"""Running things at the same moment, and looking at what they left behind."""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import text

from dashboard import db
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, chain
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, change_request, make_operator, make_player

T = TypeVar("T")
PATIENCE_SECONDS = 300.0


def at_once(app: Flask, works: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Run all of them from the same moment on, each in a thread; what each returned or raised."""
    results: list[T | Exception] = [AssertionError("never ran")] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        with app.app_context():
            start.wait(PATIENCE_SECONDS)
            try:
                results[number] = works[number]()
            except Exception as error:
                results[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "a thread hangs"
    return results


def kinds(results: Sequence[object]) -> Counter[str]:
    """How many of each: the name of what was raised, `made` or `repeated`."""
    return Counter(kind(result) for result in results)


def kind(result: object) -> str:
    """The name of what was raised, `made` or `repeated`."""
    if isinstance(result, balances.BalanceChange):
        return "repeated" if result.repeated else "made"
    return type(result).__name__


def post(request: balances.Request) -> balances.BalanceChange:
    """Make a change in a transaction of its own, as the edge does."""
    return db.transact(lambda session: balances.change(session, request=request, actor=SYSTEM, now=NOW))


def poster(request: balances.Request) -> Callable[[], balances.BalanceChange]:
    """The same, for later."""
    return lambda: post(request)


def make_players(app: Flask, count: int, *, balance_minor: int = 0, **operator: Any) -> list[int]:
    """Players of one new operator, committed."""
    with app.app_context(), db.writing() as session:
        operator_id = make_operator(session, **operator)
        made = [make_player(session, operator_id=operator_id) for _ in range(count)]
        if balance_minor:
            openings = [change_request(player, balance_minor, ChangeType.OPENING) for player in made]
            dated = [balances.Dated(opening, SYSTEM, NOW) for opening in openings]
            balances.post_many(session, dated, with_alerts=False)
        return made


def journal(app: Flask, player_id: int) -> list[dict[str, Any]]:
    """A player's entries over all currencies, in order."""
    query = text("SELECT * FROM wallet_entries WHERE player_id = :p ORDER BY currency, sequence")
    with app.app_context(), db.reading() as session:
        return [dict(row) for row in session.execute(query, {"p": player_id}).mappings()]


def prove(app: Flask, player_id: int) -> None:
    """The balances are the sums of the entries, versions have no gap, and the chain holds."""
    with app.app_context(), db.reading() as session:
        rows = session.execute(text("SELECT * FROM balances WHERE player_id = :p"), {"p": player_id}).all()
    entries = journal(app, player_id)
    assert {entry["currency"] for entry in entries} <= {row.currency for row in rows}
    for row in rows:
        real, head = 0, chain.GENESIS
        own = [entry for entry in entries if entry["currency"] == row.currency]
        for sequence, entry in enumerate(own, start=1):
            assert (entry["sequence"], entry["real_before"]) == (sequence, real)
            real += entry["real_delta"]
            assert entry["real_after"] == real
            head = chain.digest(entry, head)
            assert bytes(entry["hash"]) == head
        assert (row.real, row.version, bytes(row.head)) == (real, len(own), head)
