"""Changes at the same moment: one entry per key, limits to the cent, no debit after a freeze."""

from collections import Counter
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, wallets
from dashboard.services.actors import SYSTEM, Actor
from tests.builders import NOW, change_request, make_actor
from tests.concurrency.together import at_once, journal, kinds, make_players, post, poster, prove

DAILY_LIMIT = 25_000_00


def test_twenty_with_the_same_key_are_one_entry(app: Flask) -> None:
    for player in make_players(app, 10):
        request = change_request(player, 100, key="same")

        results = at_once(app, [poster(request)] * 20)

        assert kinds(results) == {"made": 1, "repeated": 19}
        assert (
            len({result.entry.sequence for result in results if isinstance(result, balances.BalanceChange)})
            == 1
        )
        assert len(journal(app, player)) == 1
        prove(app, player)


def test_the_same_key_with_other_content_is_one_entry_too(app: Flask) -> None:
    for player in make_players(app, 10):
        asked = [change_request(player, 100 + number, key="same") for number in range(10)]

        results = at_once(app, [poster(request) for request in asked])

        assert kinds(results) == {"made": 1, "KeyReused": 9}
        assert len(journal(app, player)) == 1


def test_the_same_key_in_two_currencies_is_one_entry_too(app: Flask) -> None:
    for player in make_players(app, 20, currencies=("EUR",)):
        asked = [change_request(player, 100, key="same", currency=currency) for currency in ("USD", "EUR")]

        results = at_once(app, [poster(request) for request in asked * 2])

        assert kinds(results) == {"made": 1, "repeated": 1, "KeyReused": 2}
        assert len(journal(app, player)) == 1


@pytest.mark.parametrize(
    ("amount", "accepted"),
    [(DAILY_LIMIT * 6 // 10, 1), (DAILY_LIMIT * 2 // 10, 5)],
    ids=["0.6 of the limit", "0.2 of the limit"],
)
def test_forty_at_once_never_pass_the_daily_limit(app: Flask, amount: int, accepted: int) -> None:
    trials = make_players(app, 50, balance_minor=500_000_00)
    refusals: Counter[str] = Counter()

    for player in trials:
        # Credits and debits alike: the limit is gross.
        asked = [change_request(player, amount * (-1) ** number) for number in range(40)]
        results = at_once(app, [poster(request) for request in asked])

        assert kinds(results) == {"made": accepted, "ChangeRefused": 40 - accepted}
        for result in results:
            if isinstance(result, balances.ChangeRefused):
                refusals.update(problem.code for problem in result.judgement.validation.errors)
        moved = journal(app, player)[1:]
        assert sum(abs(entry["real_delta"]) for entry in moved) == accepted * amount

    assert refusals == {"daily_limit": 50 * (40 - accepted)}
    for player in trials:
        prove(app, player)


def test_parallel_debits_never_pass_the_minimum(app: Flask) -> None:
    for player in make_players(app, 20):
        results = at_once(app, [poster(change_request(player, -3_000_00, ChangeType.FEE)) for _ in range(10)])

        assert kinds(results) == {"made": 3, "ChangeRefused": 7}
        assert journal(app, player)[-1]["real_after"] == -9_000_00


@pytest.mark.parametrize(
    ("trials", "currency"), [(100, "USD"), (30, "EUR")], ids=["of a balance", "of one that is not made yet"]
)
def test_one_freeze_lets_no_debit_through_behind_it(app: Flask, trials: int, currency: str) -> None:
    players = make_players(app, trials, currencies=("EUR",))
    outcomes: Counter[str] = Counter()
    manager = manager_of(app, players[0])

    for player in players:
        frozen: list[int] = []

        def debit(player: int = player, frozen: list[int] = frozen) -> tuple[bool, object]:
            began_after = bool(frozen)
            request = change_request(player, -1, ChangeType.FEE, currency=currency)
            try:
                return began_after, post(request)
            except balances.ChangeRefused as refused:
                return began_after, refused

        def freeze(player: int = player, frozen: list[int] = frozen) -> tuple[bool, object]:
            frozen.append(db.transact(partial(freeze_and_count, player=player, actor=manager)))
            return False, "frozen"

        works = [debit] * 50
        works.insert(player % 50, freeze)
        results = at_once(app, works)

        assert not [result for result in results if isinstance(result, Exception)]
        pairs = [result for result in results if isinstance(result, tuple)]
        made = [began_after for began_after, result in pairs if isinstance(result, balances.BalanceChange)]
        # The freeze counted while it held the wallet: whatever came later would be more.
        assert frozen == [len(made)] == [len(journal(app, player))]
        assert not any(made), "a debit began after the freeze had returned, and was made"
        outcomes["made"] += len(made)
        outcomes["refused"] += 50 - len(made)

    # Otherwise the two never met, and nothing was tested.
    assert outcomes["made"] > trials
    assert outcomes["refused"] > trials


def freeze_and_count(session: Session, *, player: int, actor: Actor) -> int:
    """Freeze, and count the entries that are there while nobody else can write one."""
    wallets.freeze(session, player_id=player, reason="Dispute", actor=actor, now=NOW)
    count = session.scalar(text("SELECT count(*) FROM wallet_entries WHERE player_id = :p"), {"p": player})
    assert isinstance(count, int)
    return count


def manager_of(app: Flask, player: int) -> Actor:
    with app.app_context(), db.writing() as session:
        operator = session.scalar(text("SELECT operator_id FROM players WHERE id = :p"), {"p": player})
        return make_actor(session, operator_id=operator, role=Role.MANAGER)


def test_ten_first_changes_in_a_currency_make_one_balance(app: Flask) -> None:
    for player in make_players(app, 30, currencies=("JPY",)):
        asked = [change_request(player, 10 + number, currency="JPY") for number in range(10)]

        results = at_once(app, [poster(request) for request in asked])

        assert kinds(results) == {"made": 10}
        entries = journal(app, player)
        assert sorted(entry["real_delta"] for entry in entries) == list(range(10, 20))
        prove(app, player)


def reverse(player: int, key: str) -> balances.BalanceChange:
    return db.transact(
        lambda session: balances.reverse(
            session,
            player_id=player,
            currency="USD",
            sequence=1,
            reason="Entered twice",
            actor=SYSTEM,
            idempotency_key=key,
            now=NOW,
        )
    )


@pytest.mark.parametrize(
    ("keys", "expected"),
    [(("a", "b"), {"made": 1, "Rejected": 1}), (("a", "a"), {"made": 1, "repeated": 1})],
    ids=["two reversals", "one sent twice"],
)
def test_an_entry_is_reversed_once(app: Flask, keys: tuple[str, str], expected: dict[str, int]) -> None:
    for player in make_players(app, 30, balance_minor=100_00):
        results = at_once(app, [partial(reverse, player, key) for key in keys])

        assert kinds(results) == expected
        assert [entry["reverses"] for entry in journal(app, player)] == [None, 1]
        prove(app, player)


def test_sets_that_overlap_and_single_changes_meet_without_harm(app: Flask) -> None:
    players = make_players(app, 20, balance_minor=100_00, currencies=("EUR",))
    currencies = ("USD", "EUR")

    def post_set(number: int) -> int:
        # Each in another order, with keys that the next one shares.
        wanted = [(player, currency) for player in players for currency in currencies]
        wanted = wanted[number * 7 :] + wanted[: number * 7]
        dated = [
            balances.Dated(
                change_request(player, 5, key=f"set-{number // 2}-{currency}", currency=currency), SYSTEM, NOW
            )
            for player, currency in wanted
        ]
        return len(db.transact(lambda session: balances.post_many(session, dated, with_alerts=True)))

    def post_singles(number: int) -> int:
        for player in reversed(players):
            post(change_request(player, 7, key=f"single-{number}"))
        return 0

    works = [partial(post_set, number) for number in range(4)]
    results = at_once(app, works + [partial(post_singles, number) for number in range(4)])

    assert not [result for result in results if isinstance(result, Exception)], results
    # Of two sets with the same keys one writes each entry, whichever comes first.
    assert sum(result for result in results if isinstance(result, int)) == 2 * len(players) * len(currencies)
    for player in players:
        assert len(journal(app, player)) == 1 + 4 + 4
        prove(app, player)
