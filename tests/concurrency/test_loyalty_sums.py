"""Sums by day and tier, while many move points and the worker makes one row of theirs."""

from functools import partial
from typing import Any

from flask import Flask
from sqlalchemy import text

from dashboard import db
from dashboard.jobs import loyalty as job
from dashboard.services import loyalty_sums, points
from dashboard.services.actors import SYSTEM
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW
from tests.concurrency.together import at_once, make_players
from tests.services.membership import prove_sums

_ROWS = text("""
SELECT (SELECT count(*) FROM loyalty_days d JOIN players p ON p.operator_id = d.operator_id WHERE p.id = :p)
     + (SELECT count(*) FROM tier_members m JOIN players p ON p.operator_id = m.operator_id WHERE p.id = :p)
""")


def named(player: int, key: str) -> dict[str, Any]:
    return {"player_id": player, "idempotency_key": key, "actor": SYSTEM, "now": NOW, "notes": "Busy"}


def many_acts(player: int) -> None:
    """A member who comes to a tier, and uses some points."""
    load = partial(points.load, payment=Payment(22_000_00), **named(player, "load"))
    db.transact(load)
    for number in range(8):
        db.transact(partial(points.redeem, points=1 + number, **named(player, f"redeem {number}")))


def test_acts_and_foldings_at_once_leave_the_sums_right(app: Flask) -> None:
    players = make_players(app, 5)
    works = [partial(many_acts, player) for player in players]

    def fold_often() -> None:
        for _ in range(15):
            job.fold_sums()

    assert at_once(app, [*works, fold_often, fold_often]) == [None] * 7
    with app.app_context():
        with db.reading() as session:
            prove_sums(session)
        job.fold_sums()
        with db.reading() as session:
            prove_sums(session)
            # Loads, tiers and redemptions of one day; members of one tier.
            assert session.scalar(_ROWS, {"p": players[0]}) == 3 + 1


def test_nobody_waits_for_who_has_not_committed(app: Flask) -> None:
    first, second = make_players(app, 2)
    with app.app_context():
        for player in (first, second):
            db.transact(partial(points.adjust, points=9, reason="Welcome", **_of(player, "a")))
        with db.writing() as slow:
            points.load(slow, payment=Payment(22_000_00), **named(first, "slow"))
            # It would wait for a row until its statement is given up.
            db.transact(partial(points.load, payment=Payment(22_000_00), **named(second, "quick")))
            with db.writing() as folding:
                folding.execute(text("SELECT set_config('lock_timeout', '100ms', true)"))
                loyalty_sums.fold(folding)
        with db.reading() as session:
            prove_sums(session)


def _of(player: int, key: str) -> dict[str, Any]:
    return {name: value for name, value in named(player, key).items() if name != "notes"}
