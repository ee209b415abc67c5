"""The one door: what a change does, what it refuses, and that a refusal changes nothing."""

import datetime as dt
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.models import Balance, Refusal, WalletEntry
from dashboard.models.login import Role
from dashboard.models.wallet import ChangeType
from dashboard.services import balances, refusals, wallets
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, change, change_request, make_actor, make_operator, make_player


def real(session: Session, player_id: int, currency: str = "USD") -> int:
    return session.scalars(select(Balance.real).filter_by(player_id=player_id, currency=currency)).one()


def entries(session: Session, player_id: int) -> list[WalletEntry]:
    return list(
        session.scalars(select(WalletEntry).filter_by(player_id=player_id).order_by(WalletEntry.sequence))
    )


def codes(refused: balances.ChangeRefused) -> set[str]:
    return {problem.code for problem in refused.judgement.validation.errors}


def test_a_change_moves_the_balance_and_says_why(session: Session) -> None:
    operator = make_operator(session)
    agent = make_actor(session, operator_id=operator)
    player = make_player(session, operator_id=operator, balance_minor=100_00, agent_id=agent.id)
    request = change_request(player, 25_50, reason="Goodwill, ticket 7731", reference="ticket-7731")

    made = balances.change(session, request=request, actor=agent, now=NOW)

    assert (made.entry.real_before, made.entry.real_after, made.entry.sequence) == (100_00, 125_50, 2)
    assert real(session, player) == 125_50
    entry = entries(session, player)[-1]
    assert entry.contra_account == "adjustments"
    assert entry.performed_by == f"staff:{agent.id}"
    assert (entry.agent_id, entry.reference, entry.created_at) == (agent.id, "ticket-7731", NOW)


@pytest.mark.parametrize(
    ("change_type", "amount", "contra", "moved"),
    [
        (ChangeType.DEPOSIT, 500, "cash", {"deposited": 500}),
        (ChangeType.WITHDRAWAL, -500, "cash", {"withdrawn": 500}),
        (ChangeType.ADJUSTMENT, -500, "adjustments", {}),
        (ChangeType.FEE, -500, "fees", {}),
        (ChangeType.WAGER, -500, "gaming", {"wagered": 500, "turnover": 500, "real_losses": 500}),
        (ChangeType.SETTLEMENT, 500, "gaming", {"won": 500, "real_losses": -500}),
        (ChangeType.REFUND, 500, "gaming", {"turnover": -500, "real_losses": -500}),
    ],
)
def test_each_type_has_its_house_account_and_lifetime_sums(
    session: Session, change_type: ChangeType, amount: int, contra: str, moved: dict[str, int]
) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=100_00)

    change(session, player, amount, change_type)

    assert entries(session, player)[-1].contra_account == contra
    balance = session.scalars(select(Balance).filter_by(player_id=player)).one()
    sums = ("deposited", "withdrawn", "wagered", "turnover", "won", "real_losses", "bonus_losses")
    assert {name: getattr(balance, name) for name in sums if getattr(balance, name)} == moved


def test_the_same_key_returns_the_first_change(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    request = change_request(player, 100)

    first = balances.change(session, request=request, actor=SYSTEM, now=NOW)
    again = balances.change(session, request=request, actor=SYSTEM, now=NOW + dt.timedelta(hours=1))

    assert again.repeated
    assert again.entry == first.entry
    assert real(session, player) == 100


def test_a_repeat_is_answered_even_after_the_balance_moved_on(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    request = change_request(player, 100)
    balances.change(session, request=request, actor=SYSTEM, now=NOW, seen_version=0)
    change(session, player, 5)

    again = balances.change(session, request=request, actor=SYSTEM, now=NOW, seen_version=0)

    assert again.repeated


@pytest.mark.parametrize("other", [{"amount_minor": 101}, {"reason": "Another"}, {"reference": "x"}])
def test_the_same_key_with_other_content_is_refused(session: Session, other: dict[str, object]) -> None:
    player = make_player(session, operator_id=make_operator(session))
    asked = {"amount_minor": 100, "key": "k1"}
    balances.change(session, request=change_request(player, **asked), actor=SYSTEM, now=NOW)

    with pytest.raises(balances.KeyReused) as refused:
        balances.change(session, request=change_request(player, **{**asked, **other}), actor=SYSTEM, now=NOW)

    assert refused.value.entry.real_delta == 100
    assert real(session, player) == 100


def test_a_key_is_unique_per_player_across_currencies(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session, currencies=("EUR",)))
    balances.change(session, request=change_request(player, 100, key="k1"), actor=SYSTEM, now=NOW)

    with pytest.raises(balances.KeyReused):
        balances.change(
            session, request=change_request(player, 100, key="k1", currency="EUR"), actor=SYSTEM, now=NOW
        )


def test_a_stale_version_is_refused_with_both_versions(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    change(session, player, 5)

    with pytest.raises(balances.StaleBalance) as stale:
        balances.change(session, request=change_request(player, 100), actor=SYSTEM, now=NOW, seen_version=0)

    assert (stale.value.seen_version, stale.value.version) == (0, 1)
    assert real(session, player) == 5


def test_the_first_change_in_a_currency_makes_its_balance(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session, currencies=("JPY",)))

    change(session, player, 2_000, currency="JPY")

    assert real(session, player, "JPY") == 2_000
    assert real(session, player, "USD") == 0


def test_a_currency_without_rules_is_refused(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))

    with pytest.raises(balances.ChangeRefused) as refused:
        change(session, player, 100, currency="EUR")

    assert codes(refused.value) == {"no_rule"}


def test_another_operators_player_does_not_exist(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=100)
    stranger = make_actor(session, operator_id=make_operator(session), role=Role.ADMIN)

    with pytest.raises(NotFound):
        change(session, player, 100, actor=stranger)
    with pytest.raises(NotFound):
        wallets.freeze(session, player_id=player, reason="x", actor=stranger, now=NOW)
    assert real(session, player) == 100


def test_all_errors_come_at_once(session: Session) -> None:
    operator = make_operator(session)
    agent = make_actor(session, operator_id=operator)
    player = make_player(session, operator_id=operator, balance_minor=100_00)
    wallets.freeze(session, player_id=player, reason="Dispute", actor=agent, now=NOW)

    with pytest.raises(balances.ChangeRefused) as refused:
        change(session, player, -200_000_00, ChangeType.WITHDRAWAL)

    assert codes(refused.value) == {
        "frozen",
        "not_withdrawable",
        "below_minimum",
        "daily_limit",
        "weekly_limit",
    }


def test_a_refusal_is_recorded_once_and_raises_an_alert_for_a_limit(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    with pytest.raises(balances.ChangeRefused) as refused:
        change(session, player, 25_000_01)

    for _ in range(2):
        refusals.record(session, refused=refused.value, actor=SYSTEM, now=NOW)

    kept = session.scalars(select(Refusal).filter_by(player_id=player)).one()
    assert (kept.real_delta, kept.performed_by) == (25_000_01, "system")
    assert "25,000.01 of 25,000.00 today" in kept.errors
    alert = session.execute(text("SELECT type, hits, peak, threshold FROM alerts")).one()
    assert tuple(alert) == ("limit_exceeded", 1, 25_000_01, 25_000_00)
    assert entries(session, player) == []


def test_a_refusal_for_another_reason_raises_no_alert(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    with pytest.raises(balances.ChangeRefused) as refused:
        change(session, player, -1, ChangeType.WITHDRAWAL)

    refusals.record(session, refused=refused.value, actor=SYSTEM, now=NOW)

    assert session.scalar(text("SELECT count(*) FROM alerts")) == 0


@pytest.mark.parametrize(
    ("change_type", "amount", "takes"),
    [
        (ChangeType.DEPOSIT, 100, False),
        (ChangeType.WITHDRAWAL, -100, False),
        (ChangeType.ADJUSTMENT, 100, False),
        (ChangeType.FEE, -100, False),
        (ChangeType.WAGER, -100, False),
        (ChangeType.SETTLEMENT, 100, True),
        (ChangeType.REFUND, 100, True),
    ],
)
def test_what_a_frozen_wallet_takes(
    session: Session, change_type: ChangeType, amount: int, takes: bool
) -> None:
    operator = make_operator(session)
    agent = make_actor(session, operator_id=operator)
    player = make_player(session, operator_id=operator, balance_minor=500)
    wallets.freeze(session, player_id=player, reason="Dispute", actor=agent, now=NOW)

    if takes:
        change(session, player, amount, change_type)
    else:
        with pytest.raises(balances.ChangeRefused) as refused:
            change(session, player, amount, change_type)
        assert codes(refused.value) == {"frozen"}
    assert real(session, player) == 500 + (amount if takes else 0)


@pytest.mark.parametrize(
    ("change_type", "amount", "message"),
    [
        (ChangeType.DEPOSIT, -1, "A deposit always credits the balance."),
        (ChangeType.REFUND, -1, "A refund always credits the balance."),
        (ChangeType.WITHDRAWAL, 1, "A withdrawal always debits the balance."),
        (ChangeType.FEE, 1, "A fee always debits the balance."),
        (ChangeType.WAGER, 1, "A wager always debits the balance."),
    ],
)
def test_a_type_has_its_direction(
    session: Session, change_type: ChangeType, amount: int, message: str
) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=500)

    with pytest.raises(balances.ChangeRefused, match=message):
        change(session, player, amount, change_type)


def test_pending_money_is_neither_withdrawable_nor_adjustable(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session), balance_minor=100_00)
    session.execute(text("UPDATE balances SET pending = 6000 WHERE player_id = :p"), {"p": player})

    with pytest.raises(balances.ChangeRefused) as withdrawal:
        change(session, player, -40_01, ChangeType.WITHDRAWAL)
    with pytest.raises(balances.ChangeRefused) as adjustment:
        change(session, player, -40_01, ChangeType.ADJUSTMENT)
    change(session, player, -40_00, ChangeType.WITHDRAWAL)

    assert codes(withdrawal.value) == {"not_withdrawable"}
    assert codes(adjustment.value) == {"pending"}
    assert real(session, player) == 60_00


def test_the_credit_line_serves_adjustments_and_fees_but_no_withdrawal(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))

    change(session, player, -50_00, ChangeType.ADJUSTMENT)
    change(session, player, -1_00, ChangeType.FEE)
    with pytest.raises(balances.ChangeRefused):
        change(session, player, -1, ChangeType.WITHDRAWAL)

    assert real(session, player) == -51_00


class TestReversal:
    def test_it_moves_back_and_names_the_entry(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session))
        change(session, player, 100_00, ChangeType.DEPOSIT)

        made = self.reverse(session, player, 1)

        entry = entries(session, player)[-1]
        assert (made.entry.real_delta, entry.reverses, entry.contra_account) == (-100_00, 1, "cash")
        balance = session.scalars(select(Balance).filter_by(player_id=player)).one()
        assert (balance.real, balance.deposited) == (0, 0)

    def test_it_is_not_refused_by_rules_and_gives_no_limit_back(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session))
        change(session, player, 25_000_00, ChangeType.DEPOSIT)
        self.reverse(session, player, 1)

        with pytest.raises(balances.ChangeRefused) as refused:
            change(session, player, 1, ChangeType.DEPOSIT)

        assert codes(refused.value) == {"daily_limit"}

    def test_an_entry_is_reversed_once(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session))
        change(session, player, 100)
        self.reverse(session, player, 1)

        with pytest.raises(Rejected, match="already been reversed"):
            self.reverse(session, player, 1)

    def test_the_same_key_reverses_once(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session))
        change(session, player, 100)

        first, again = (self.reverse(session, player, 1, key="r1") for _ in range(2))

        assert again.repeated
        assert again.entry == first.entry

    def test_a_reversal_and_a_stake_are_not_reversed(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session), balance_minor=500)
        change(session, player, 100)
        self.reverse(session, player, 2)
        change(session, player, -100, ChangeType.WAGER)

        with pytest.raises(Rejected, match="cannot be reversed"):
            self.reverse(session, player, 3)
        with pytest.raises(Rejected, match="voiding its round"):
            self.reverse(session, player, 4)

    def test_on_a_closed_wallet_it_raises_an_alert(self, session: Session) -> None:
        operator = make_operator(session)
        manager = make_actor(session, operator_id=operator, role=Role.MANAGER)
        player = make_player(session, operator_id=operator)
        change(session, player, 100)
        change(session, player, -100)
        wallets.close(session, player_id=player, reason="Asked to leave", actor=manager, now=NOW)

        self.reverse(session, player, 1)

        raised = session.scalars(text("SELECT severity FROM alerts WHERE type = 'unusual'")).one()
        assert raised == "critical"

    def test_there_must_be_such_an_entry(self, session: Session) -> None:
        player = make_player(session, operator_id=make_operator(session))

        with pytest.raises(NotFound):
            self.reverse(session, player, 1)

    @staticmethod
    def reverse(
        session: Session, player_id: int, sequence: int, *, key: str | None = None
    ) -> balances.BalanceChange:
        return balances.reverse(
            session,
            player_id=player_id,
            currency="USD",
            sequence=sequence,
            reason="Entered twice",
            actor=SYSTEM,
            idempotency_key=key or str(uuid4()),
            now=NOW,
        )


def test_many_changes_at_once_are_one_entry_each(session: Session) -> None:
    operator = make_operator(session)
    players = [make_player(session, operator_id=operator) for _ in range(5)]
    dated = [
        balances.Dated(change_request(player, 100 + player, key="batch"), SYSTEM, NOW) for player in players
    ]

    written = balances.post_many(session, dated, with_alerts=False)
    again = balances.post_many(session, dated, with_alerts=False)

    assert {entry.player_id: entry.real_after for entry in written} == {p: 100 + p for p in players}
    assert again == []


def test_no_changes_are_no_entries(session: Session) -> None:
    assert balances.post_many(session, [], with_alerts=True) == []


def test_a_batch_may_not_name_a_balance_twice(session: Session) -> None:
    player = make_player(session, operator_id=make_operator(session))
    dated = [balances.Dated(change_request(player, 100), SYSTEM, NOW) for _ in range(2)]

    with pytest.raises(RuntimeError, match="2 postings made 1 entries"):
        balances.post_many(session, dated, with_alerts=False)


def test_a_batch_raises_and_closes_alerts(session: Session) -> None:
    operator = make_operator(session)
    falling = make_player(session, operator_id=operator, balance_minor=1_500_00)
    rising = make_player(session, operator_id=operator, balance_minor=1_500_00)
    change(session, rising, -501_00)

    balances.post_many(
        session,
        [
            balances.Dated(change_request(falling, -600_00), SYSTEM, NOW),
            balances.Dated(change_request(rising, 600_00), SYSTEM, NOW),
        ],
        with_alerts=True,
    )

    states = session.execute(text("SELECT player_id, type, state FROM alerts ORDER BY player_id")).all()
    assert [tuple(row) for row in states] == [(falling, "warning", "open"), (rising, "warning", "resolved")]
