"""A month under other terms: exact, for every policy, and as plain Python has it."""

import datetime as dt
from fractions import Fraction
from random import Random

import pytest
from sqlalchemy.orm import Session

from benchmarks import policies
from benchmarks.policies import MONTH, Played
from dashboard.models.partner import LossPolicy
from dashboard.services import partner_terms, partner_what_if, settlement
from dashboard.services.actors import SYSTEM
from dashboard.services.partner_what_if import WhatIf
from tests import builders
from tests.builders import NOW
from tests.services.table import ANOTHER_ACE, open_table


@pytest.fixture
def operator_id(session: Session) -> int:
    operator_id = builders.make_operator(session)
    builders.make_rule_set(session, operator_id=operator_id)
    return operator_id


def compared(
    session: Session,
    partner_id: int,
    *,
    month: dt.date = MONTH,
    share_bp: int = 5_000,
    rate_bp: int = 1_000,
) -> WhatIf:
    return partner_what_if.compare(
        session, partner_id=partner_id, currency="USD", month=month, share_bp=share_bp, rate_bp=rate_bp
    )


@pytest.mark.parametrize("players", [1, 5, 20, 100])
def test_the_factor_is_that_of_plain_python(session: Session, operator_id: int, players: int) -> None:
    played = policies.play(players=players, rounds=150)
    partner_id = policies.load(session, operator_id=operator_id, played=played)
    for share_bp, rate_bp in ((5_000, 1_000), (3_333, 1_275)):
        expected = policies.tally(played, share_bp=share_bp, rate_bp=rate_bp)
        found = compared(session, partner_id, share_bp=share_bp, rate_bp=rate_bp)
        assert (found.would[LossPolicy.PER_ROUND], found.would[LossPolicy.PERIOD]) == (
            expected.per_round,
            expected.period,
        )
        assert found.factor == expected.factor
        assert found.rows == 150


def test_halves_are_rounded_as_a_settlement_does(session: Session, operator_id: int) -> None:
    # A twentieth of these: every tenth unit is a half, on both sides of zero.
    played = [Played(1, 300, 300 - profit) for profit in range(-300, 301)]
    partner_id = policies.load(session, operator_id=operator_id, played=played)
    found = compared(session, partner_id)
    for policy in (LossPolicy.PER_ROUND, LossPolicy.CARRY):
        due = [
            partner_terms.earned(each.bets - each.payouts, share_bp=5_000, rate_bp=1_000, loss_policy=policy)
            for each in played
        ]
        assert found.would[policy] == sum(due)


def test_large_figures_stay_exact(session: Session, operator_id: int) -> None:
    rng = Random(7)
    played = [Played(5, 10**15, rng.randrange(10**15)) for _ in range(50)]
    partner_id = policies.load(session, operator_id=operator_id, played=played)
    found = compared(session, partner_id, share_bp=9_999, rate_bp=9_997)
    assert found.summed == sum(
        round(Fraction((each.bets - each.payouts) * 9_999 * 9_997, 10**8)) for each in played
    )


def test_a_loss_is_nothing_by_period_and_carried_by_carry(session: Session, operator_id: int) -> None:
    played = [Played(1, 1_000, 0), Played(1, 1_000, 5_000)]
    partner_id = policies.load(session, operator_id=operator_id, played=played)
    found = compared(session, partner_id)
    assert dict(found.would) == {LossPolicy.PER_ROUND: 50, LossPolicy.PERIOD: 0, LossPolicy.CARRY: -150}
    assert (found.real_profit, found.really, found.summed) == (-3_000, -150, -150)
    assert (found.factor, found.factor_text) == (None, "–")


def test_a_correction_counts_as_the_difference_to_what_stood_before(session: Session) -> None:
    table = open_table(session)
    partner_id = builders.make_partner(session, operator_id=table.operator_id)
    player = table.player()
    builders.refer(session, partner_id, player)
    table.bet(player, "andar", 100_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    later = NOW + dt.timedelta(days=40)
    settlement.void(table.transact, round_id=table.round_id, reason="Wrong shoe", actor=SYSTEM, now=later)

    first = compared(session, partner_id, month=NOW.date().replace(day=1))
    second = compared(session, partner_id, month=later.date().replace(day=1))
    # Andar won 90.00: a round by itself neither brings nor takes anything, and so does taking it back.
    assert (first.would[LossPolicy.PER_ROUND], first.would[LossPolicy.CARRY]) == (0, -4_50)
    assert (second.would[LossPolicy.PER_ROUND], second.would[LossPolicy.CARRY]) == (0, 4_50)
    assert (first.statement_id, first.really, second.really) == (None, -4_50, 4_50)


def test_a_month_in_which_nothing_was_earned(session: Session, operator_id: int) -> None:
    partner_id = builders.make_partner(session, operator_id=operator_id)
    found = compared(session, partner_id)
    assert (found.rows, found.really, set(found.would.values())) == (0, 0, {0})
