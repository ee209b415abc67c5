"""Points that several people reach for at the same moment."""

import datetime as dt
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.models.login import Role
from dashboard.services import (
    chain,
    loyalty_cards,
    loyalty_expiry,
    loyalty_wallets,
    points,
    points_conversion,
    points_journal,
    points_refunds,
    points_requests,
)
from dashboard.services.actors import SYSTEM, Actor
from dashboard.services.points import Done
from dashboard.services.points_reckoning import Payment
from tests.builders import NOW, make_actor
from tests.concurrency.together import at_once, make_players, prove
from tests.services.membership import LATER

_OPERATOR = text("SELECT operator_id FROM players WHERE id = :p")
_ENTRIES = text("SELECT * FROM loyalty_entries WHERE player_id = :p ORDER BY sequence")
_WALLET = text("SELECT * FROM loyalty_wallets WHERE player_id = :p")
_UNTRUE = text("""
SELECT 'wallet' FROM loyalty_wallets w
WHERE w.player_id = ANY(:players)
  AND (w.balance, w.loaded, w.redeemed, w.expired, w.reversed, w.owed) <> (
    SELECT sum(b.remaining), sum(b.loaded), sum(b.redeemed), sum(b.expired), sum(b.reversed), sum(b.owed)
    FROM points_batches b WHERE b.player_id = w.player_id)
UNION ALL
SELECT 'batch' FROM points_batches b
WHERE b.player_id = ANY(:players) AND b.loaded - b.remaining <> (
  SELECT coalesce(sum(a.points), 0) FROM points_allocations a
  WHERE a.player_id = b.player_id AND a.number = b.number)
UNION ALL
SELECT 'refund' FROM points_allocations a
WHERE a.player_id = ANY(:players) AND a.refunded > greatest(a.points, 0)
""")
_keys = count(1)


def does(act: Callable[..., Any], player: int, **given: Any) -> Callable[[], Any]:
    """The act in a transaction of its own, as the edge does it, for later."""
    named = {"player_id": player, "idempotency_key": f"key-{next(_keys)}", "actor": SYSTEM, "now": NOW}
    return partial(db.transact, partial(act, **{**named, **given}))


def redeem(player: int, wanted: int, **given: Any) -> Callable[[], Done]:
    return does(points.redeem, player, points=wanted, notes="Massage", **given)


def load(app: Flask, *players: int, amount: int = 100_00) -> None:
    with app.app_context():
        for player in players:
            does(points.load, player, payment=Payment(amount), notes="Paid")()


def hire(app: Flask, player: int, people: int) -> list[Actor]:
    """Managers of the player's operator."""
    with app.app_context(), db.writing() as session:
        operator_id = session.execute(_OPERATOR, {"p": player}).scalar_one()
        return [make_actor(session, operator_id=operator_id, role=Role.MANAGER) for _ in range(people)]


def kinds(app: Flask, player: int) -> list[str]:
    """The journal, told by its kinds, after proving it and the sums."""
    with app.app_context(), db.reading() as session:
        entries = [dict(row) for row in session.execute(_ENTRIES, {"p": player}).mappings()]
        untrue = session.execute(_UNTRUE, {"players": [player]}).all()
        wallet = session.execute(
            text("SELECT * FROM loyalty_wallets WHERE player_id = :p"), {"p": player}
        ).one()
    assert untrue == []
    balance, head = 0, chain.GENESIS
    for sequence, entry in enumerate(entries, start=1):
        balance += entry["points"]
        assert (entry["sequence"], entry["balance_after"]) == (sequence, balance)
        head = chain.digest(entry, head, form=chain.POINTS_FORMAT)
    assert (wallet.balance, wallet.version, bytes(wallet.head)) == (balance, len(entries), head)
    return [entry["kind"] for entry in entries]


def split(results: list[Any]) -> tuple[list[Any], list[Exception]]:
    """What was done, and what was raised."""
    return (
        [result for result in results if not isinstance(result, Exception)],
        [result for result in results if isinstance(result, Exception)],
    )


def test_of_two_who_redeem_the_last_points_one_does_200_times(app: Flask) -> None:
    players = make_players(app, 200)
    load(app, *players)
    for player in players:
        done, refused = split(at_once(app, [redeem(player, 100), redeem(player, 100)]))
        assert len(done) == 1, refused
        assert [str(each) for each in refused] == ["There are 0 points, and not 100."]
    for player in players:
        assert kinds(app, player) == ["load", "redeem"]


@pytest.mark.parametrize("trial", range(10))
def test_many_small_ones_take_what_there_is_and_no_more(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player, player)
    done, refused = split(at_once(app, [redeem(player, 30) for _ in range(10)]))
    assert (len(done), len(refused)) == (6, 4)
    assert all(isinstance(each, Rejected) for each in refused)
    assert kinds(app, player).count("redeem") == 6


@pytest.mark.parametrize("trial", range(10))
def test_one_form_sent_by_many_is_one_redemption(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    results = at_once(app, [redeem(player, 10, idempotency_key="form")] * 6)
    done, refused = split(results)
    assert refused == []
    assert [each.repeated for each in done].count(False) == 1
    assert kinds(app, player) == ["load", "redeem"]


@pytest.mark.parametrize("trial", range(10))
def test_a_first_load_by_many_makes_one_wallet(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    works = [does(points.load, player, payment=Payment(5_00), notes="Paid") for _ in range(5)]
    assert split(at_once(app, works))[1] == []
    assert kinds(app, player) == ["load"] * 5


@pytest.mark.parametrize("trial", range(10))
def test_a_service_is_refunded_once(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    with app.app_context():
        sequence = redeem(player, 60)().entry.sequence

    def refund(wanted: int | None) -> Callable[[], Done]:
        return does(
            points_refunds.refund_service, player, sequence=sequence, points=wanted, notes="Called off"
        )

    done, refused = split(at_once(app, [refund(None), refund(None), refund(40), refund(40)]))
    given = sum(each.entry.points for each in done)
    assert given in {40, 60}, done
    assert all(isinstance(each, Rejected) for each in refused)
    assert kinds(app, player).count("refund_service") == len(done)


@pytest.mark.parametrize("trial", range(10))
def test_a_payment_is_given_back_once(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    works = [
        does(points_refunds.reverse_load, player, sequence=1, amount=amount, notes="Bounced")
        for amount in (None, None, 70_00, 70_00)
    ]
    works.append(redeem(player, 50))
    done, refused = split(at_once(app, works))
    given = sum(each.entry.payment_amount for each in done if each.entry.kind == "reversal")
    assert given in {70_00, 100_00}, done
    assert all(isinstance(each, Rejected) for each in refused)
    kinds(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_of_three_who_decide_one_does(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    asker, first, second, third = hire(app, player, 4)
    with app.app_context():
        submit = does(points_requests.submit, player, points=600, reason="Goodwill", actor=asker)
        request_id = submit()
    named = {"player_id": player, "request_id": request_id, "reason": "So it is", "now": NOW}
    works: list[Callable[[], Any]] = [
        partial(db.transact, partial(points_requests.approve, actor=first, **named)),
        partial(db.transact, partial(points_requests.approve, actor=second, **named)),
        partial(db.transact, partial(points_requests.decline, actor=third, **named)),
        # The asker's form once more, while they decide.
        submit,
    ]
    results = at_once(app, works)
    refused = [each for each in results[:3] if isinstance(each, Exception)]
    assert len(refused) == 2
    assert all(isinstance(each, Conflict) and "has already" in each.message for each in refused), refused
    assert not isinstance(results[3], Exception)
    assert kinds(app, player).count("adjustment") <= 1


@pytest.mark.parametrize("trial", range(10))
def test_many_small_adjustments_at_once_do_not_slip_past_the_threshold(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    (asker,) = hire(app, player, 1)
    works = [
        does(points_requests.submit, player, points=200, reason="Goodwill", actor=asker) for _ in range(4)
    ]
    results = at_once(app, works)
    assert sorted(type(each).__name__ for each in results) == ["Done", "Done", "int", "int"], results
    assert kinds(app, player).count("adjustment") == 2


@pytest.mark.parametrize("trial", range(10))
def test_a_conversion_is_undone_once_and_whole(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player)
    with app.app_context(), db.writing() as session:
        session.execute(
            text("""
            UPDATE loyalty_programmes SET conversion_points = 50, conversion_amount = 100
            WHERE operator_id = (SELECT operator_id FROM players WHERE id = :p)
            """),
            {"p": player},
        )
    convert = [does(points_conversion.convert, player, points=100, reason="Asked") for _ in range(3)]
    done, refused = split(at_once(app, convert))
    assert (len(done), len(refused)) == (1, 2), refused
    sequence = done[0].done.entry.sequence
    undo = [does(points_conversion.undo, player, sequence=sequence, reason="Mistake") for _ in range(3)]
    done, refused = split(at_once(app, undo))
    assert (len(done), len(refused)) == (1, 2), refused
    assert kinds(app, player) == ["load", "convert", "refund_service"]
    assert done[0].change.entry.real_after == 0
    prove(app, player)


@pytest.mark.parametrize("trial", range(10))
def test_closing_beside_everything_leaves_a_wallet_that_adds_up(app: Flask, trial: int) -> None:
    (player,) = make_players(app, 1)
    load(app, player, player, amount=22_000_00)
    works: list[Callable[[], Any]] = [
        does(loyalty_wallets.close, player, reason="Moved away"),
        does(loyalty_wallets.close, player, reason="Moved away"),
        redeem(player, 100),
        does(points.load, player, payment=Payment(5_00), notes="Paid"),
        partial(
            db.transact,
            partial(loyalty_cards.issue, player_id=player, number=None, actor=SYSTEM, now=NOW),
        ),
    ]
    _, refused = split(at_once(app, works))
    assert all(isinstance(each, Rejected | Conflict) for each in refused), refused
    assert kinds(app, player).count("refund_wallet") == 1
    with app.app_context(), db.reading() as session:
        in_use = session.scalar(
            text("SELECT count(*) FROM loyalty_cards WHERE player_id = :p AND is_active"), {"p": player}
        )
    assert in_use == 0


@pytest.mark.parametrize("trial", range(10))
def test_what_expires_does_so_once_whoever_comes_first(app: Flask, trial: int) -> None:
    players = make_players(app, 3)
    load(app, *players)
    works: list[Callable[[], Any]] = [
        partial(db.transact, partial(loyalty_expiry.expire_due, now=LATER, limit=100)) for _ in range(2)
    ]
    works += [does(points.adjust, player, points=1, reason="Hello", now=LATER) for player in players]
    works += [redeem(player, 100, now=LATER) for player in players]
    _, refused = split(at_once(app, works))
    assert len(refused) == 3, refused
    assert all(isinstance(each, Rejected) for each in refused), refused
    for player in players:
        assert kinds(app, player).count("expire") == 1


_MONTHS_APART = text("""
SELECT month, sum(loaded), sum(remaining), sum(redeemed), sum(expired), sum(reversed) FROM (
  SELECT month, loaded, remaining, redeemed, expired, reversed FROM loyalty_months WHERE operator_id = :o
  UNION ALL
  SELECT date_trunc('month', expires_on)::date, -loaded, -remaining, -redeemed, -expired, -reversed
  FROM points_batches WHERE operator_id = :o
) AS both_ways
GROUP BY 1 HAVING (sum(loaded), sum(remaining), sum(redeemed), sum(expired), sum(reversed)) <> (0, 0, 0, 0, 0)
""")


def _busy(player: int, seed: int, now: dt.datetime) -> Callable[[], None]:
    """A row of acts on batches of many months, none of which is begun again when it fails."""
    rng = random.Random(seed)

    def one() -> Callable[[Session], Any]:
        named = {"player_id": player, "idempotency_key": f"busy-{seed}-{rng.random()}"}
        given: dict[str, Any] = {**named, "actor": SYSTEM, "now": now, "notes": "Busy"}
        return rng.choice(
            [
                partial(points.redeem, points=rng.randrange(1, 400), **given),
                partial(points.load, payment=Payment(rng.randrange(1_00, 300_00)), **given),
                partial(points_refunds.refund_service, sequence=rng.randrange(9, 20), points=None, **given),
                partial(
                    points_refunds.reverse_load,
                    sequence=rng.randrange(1, 9),
                    amount=rng.randrange(1, 50_00),
                    **given,
                ),
            ]
        )

    def run() -> None:
        for _ in range(12):
            with suppress(PurserError), db.writing() as session:
                one()(session)

    return run


def test_members_of_one_slot_do_not_wait_for_each_other_crosswise(app: Flask) -> None:
    players = make_players(app, points_journal.SLOTS * 2 + 1)
    same = [
        player for player in players if player % points_journal.SLOTS == players[0] % points_journal.SLOTS
    ]
    with app.app_context():
        for player in same:
            for month in (0, 3, 6, 1, 4, 7, 2, 5):
                at = NOW + dt.timedelta(days=31 * month)
                does(points.load, player, payment=Payment(100_00), notes="Paid", now=at)()
    now = NOW + dt.timedelta(days=240)
    works = [_busy(player, seed, now) for seed, player in enumerate(same * 3)]

    assert at_once(app, works) == [None] * 9

    for player in same:
        kinds(app, player)
    with app.app_context(), db.reading() as session:
        operator_id = session.execute(_OPERATOR, {"p": same[0]}).scalar_one()
        assert session.execute(_MONTHS_APART, {"o": operator_id}).all() == []


def test_a_debt_that_is_paid_keeps_no_month_that_stays_as_it_was(app: Flask) -> None:
    """Two who hold a month each and want the other's would wait for each other."""
    (player,) = make_players(app, 1)
    load(app, player)
    with app.app_context():
        redeem(player, 100)()
        does(points_refunds.reverse_load, player, sequence=1, amount=None, notes="Bounced")()
        at = NOW + dt.timedelta(days=62)
        named: dict[str, Any] = {"player_id": player, "idempotency_key": "late", "actor": SYSTEM, "now": at}
        with db.writing() as paying, db.writing() as other:
            done = points.load(paying, payment=Payment(30_00), notes="Paid", **named)
            assert [entry.kind for entry in done.also] == ["reversal"]
            held = text("SELECT month FROM loyalty_months WHERE operator_id = :o FOR UPDATE SKIP LOCKED")
            operator_id = other.execute(_OPERATOR, {"p": player}).scalar_one()
            assert list(other.scalars(held, {"o": operator_id})) == [dt.date(2027, 3, 1)]
    assert kinds(app, player) == ["load", "redeem", "reversal", "load", "reversal"]
