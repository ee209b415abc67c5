"""Alerts that several people reach for at the same moment: each is one person's, and acts are done once."""

import threading
from collections import Counter
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text

from dashboard import db
from dashboard.models.wallet import ChangeType
from dashboard.services import alert_life
from dashboard.services.actors import Actor
from dashboard.services.alert_life import AlertKey
from tests.builders import NOW, actor_of, change, make_login, make_operator, make_player
from tests.concurrency.together import PATIENCE_SECONDS, at_once

PEOPLE, ALERTS = 20, 10
TRIALS = 10


def make_desk(app: Flask, *, people: int, alerts: int) -> tuple[list[Actor], list[AlertKey]]:
    """That many agents of a new operator, and that many open alerts."""
    with app.app_context(), db.writing() as session:
        operator_id = make_operator(session)
        staff = [actor_of(make_login(session, operator_id=operator_id)) for _ in range(people)]
        for _ in range(alerts):
            player = make_player(session, operator_id=operator_id, balance_minor=1_500_00)
            change(session, player, -700_00, ChangeType.WITHDRAWAL)
        query = text(
            "SELECT player_id, id FROM alerts WHERE operator_id = :o ORDER BY raised_at, player_id, id"
        )
        return staff, [AlertKey(*row) for row in session.execute(query, {"o": operator_id})]


def take_next(actor: Actor) -> AlertKey | None:
    return db.transact(lambda session: alert_life.take_next(session, actor=actor, now=NOW))


def holders(app: Flask, keys: list[AlertKey]) -> dict[AlertKey, int | None]:
    """Who has each of them."""
    query = text("SELECT player_id, id, assigned_to FROM alerts WHERE player_id = ANY(:players)")
    with app.app_context(), db.reading() as session:
        found = session.execute(query, {"players": [key.player_id for key in keys]})
        return {AlertKey(row.player_id, row.id): row.assigned_to for row in found}


@pytest.mark.parametrize("trial", range(TRIALS))
def test_twenty_take_next_of_ten_and_each_is_one_persons(app: Flask, trial: int) -> None:
    staff, keys = make_desk(app, people=PEOPLE, alerts=ALERTS)

    results = at_once(app, [partial(take_next, actor) for actor in staff])

    assert not [result for result in results if isinstance(result, Exception)], results
    taken = {result: actor.id for actor, result in zip(staff, results, strict=True) if result is not None}
    assert len(taken) == len([result for result in results if result is not None]) == ALERTS
    assert holders(app, keys) == taken
    with app.app_context(), db.reading() as session:
        query = text("SELECT count(*) FROM staff_log WHERE action = 'alert.taken' AND operator_id = :o")
        assert session.scalar(query, {"o": staff[0].operator_id}) == ALERTS


def test_people_who_keep_taking_share_all_there_are(app: Flask) -> None:
    staff, keys = make_desk(app, people=8, alerts=60)

    def take_all(actor: Actor) -> list[AlertKey]:
        mine = []
        while (key := take_next(actor)) is not None:
            mine.append(key)
        return mine

    results = at_once(app, [partial(take_all, actor) for actor in staff])

    assert not [result for result in results if isinstance(result, Exception)], results
    taken = Counter(key for result in results if isinstance(result, list) for key in result)
    # Nobody goes away empty-handed while one is being taken back: none was.
    assert taken == dict.fromkeys(keys, 1)


def test_two_selections_in_opposite_order_both_end_and_each_alert_is_resolved_once(app: Flask) -> None:
    staff, keys = make_desk(app, people=6, alerts=40)

    def resolve(actor: Actor, chosen: list[AlertKey]) -> int:
        acted = db.transact(
            lambda session: alert_life.resolve(session, keys=chosen, actor=actor, note="Done", now=NOW)
        )
        return len([one for one in acted if one.refusal is None])

    orders = [keys, keys[::-1]]
    works = [partial(resolve, actor, orders[number % 2]) for number, actor in enumerate(staff)]
    results = at_once(app, works)

    assert not [result for result in results if isinstance(result, Exception)], results
    assert sum(result for result in results if isinstance(result, int)) == len(keys)


def test_next_does_not_wait_for_what_another_is_just_taking(app: Flask) -> None:
    (ana, bo), keys = make_desk(app, people=2, alerts=2)

    with app.app_context(), db.writing() as first, db.writing() as second:
        second.execute(text("SET LOCAL lock_timeout = '2s'"))
        taken = [alert_life.take_next(first, actor=ana, now=NOW)]
        taken.append(alert_life.take_next(second, actor=bo, now=NOW))

    assert taken == keys


def test_who_comes_while_another_resolves_waits_and_is_told(app: Flask) -> None:
    (ana, bo), keys = make_desk(app, people=2, alerts=1)
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    results: list[list[alert_life.Acted]] = []

    def come_second() -> None:
        with app.app_context():
            results.append(
                db.transact(lambda s: alert_life.resolve(s, keys=keys, actor=bo, note="Mine", now=NOW))
            )

    thread = threading.Thread(target=come_second, daemon=True)
    with app.app_context(), db.writing() as session:
        alert_life.the_only(alert_life.resolve(session, keys=keys, actor=ana, note="First", now=NOW))
        thread.start()
        while not session.scalar(waiting):
            assert thread.is_alive()
    thread.join(PATIENCE_SECONDS)

    ((one,),) = results
    assert one.refusal is not None
    assert one.refusal.message == "This alert is already resolved."
