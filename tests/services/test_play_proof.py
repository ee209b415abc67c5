"""What `verify` finds of bets, rounds and bonuses that somebody has edited, both ways."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from dashboard.models.login import Role
from dashboard.services import round_requests
from dashboard.services.findings import Check
from dashboard.services.settlement import Amendment
from tests import builders
from tests.conftest import clone, drop_database
from tests.services.ledger import Ledger
from tests.services.table import ACE, ANOTHER_ACE, KING, Table, open_table


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One settled round with a winner, a loser, and a stake of which a bonus paid a part."""
    ledger = Ledger(clone(), tmp_path_factory.mktemp("anchors"), ())
    yield replace(ledger, players=ledger.transact(_play))
    drop_database(ledger.database)


def _play(session: Session) -> tuple[int, ...]:
    table = open_table(session)
    winner, loser, mixed = table.player(), table.player(), table.player(10_00)
    builders.give_bonus(session, mixed, 100_00)
    table.bet(winner, "andar", 10_00)
    table.bet(loser, "bahar", 20_00)
    table.bet(mixed, "andar", 30_00)
    table.deal(ANOTHER_ACE)
    table.settle()
    _amend(table, session)
    return winner, loser, mixed


def _amend(table: Table, session: Session) -> None:
    """A correction and a void after it, which leave another round as it was."""
    amended = open_table(session, operator_id=table.operator_id)
    amended.deal(ANOTHER_ACE)
    amended.settle()
    asker, decider = (
        builders.make_actor(session, operator_id=table.operator_id, role=Role.MANAGER) for _each in range(2)
    )
    for amendment in (Amendment(ACE, [KING, ANOTHER_ACE]), Amendment()):
        request_id = round_requests.ask(
            session,
            round_id=amended.round_id,
            amendment=amendment,
            reason="Seen",
            actor=asker,
            now=builders.NOW,
        )
        round_requests.approve(
            amended.transact, request_id=request_id, reason="Yes", actor=decider, now=builders.NOW
        )


@pytest.fixture
def ledger(played: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """A copy, to be spoilt."""
    made = played.copy(tmp_path / "anchors")
    yield made
    drop_database(made.database)


def test_what_was_played_has_nothing_to_find(played: Ledger) -> None:
    for independently in (False, True):
        assert played.prove(independently=independently).findings == ()


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        ("UPDATE bonuses SET remaining = remaining + 1", Check.BONUS),
        ("UPDATE bets SET amount = amount + 1, real_part = real_part + 1 WHERE state = 'lost'", Check.BET),
        ("UPDATE bonus_stakes SET amount = amount - 1", Check.BET),
        ("UPDATE bonus_stakes SET returned = returned + 1, credited = credited + 1", Check.BET),
        ("UPDATE bets SET payout = payout + 1, payout_real = payout_real + 1 WHERE state = 'won'", Check.BET),
        ("UPDATE bets SET payout = 0, payout_real = 0, payout_bonus = 0, state = 'lost',"
         " settlement_sequence = NULL WHERE state = 'won' AND bonus_part = 0", Check.PAYOUT),
        ("UPDATE bets SET settlement_sequence = 1 WHERE state = 'won' AND bonus_part = 0", Check.PAYOUT),
        ("UPDATE rounds SET paid = paid + 1", Check.ROUND),
        ("UPDATE bets SET state = 'pending', version = 0, pays_numerator = NULL, pays_denominator = NULL"
         " WHERE state = 'lost'", Check.ROUND),
        ("UPDATE round_requests SET state = 'lapsed', decided_by = NULL, decided_at = NULL,"
         " decision_reason = NULL WHERE kind = 'void'", Check.AMENDMENT),
        ("UPDATE round_settlements SET made_by = 'system', approved_by = NULL WHERE version = 2",
         Check.AMENDMENT),
        ("UPDATE round_settlements SET approved_by = 'staff:99' WHERE version = 3", Check.AMENDMENT),
        ("UPDATE round_requests SET reason = 'Another' WHERE kind = 'void'", Check.AMENDMENT),
        ("UPDATE round_requests SET cards = '{11,13}' WHERE kind = 'correction'", Check.AMENDMENT),
        ("UPDATE round_requests SET kind = 'void', joker = NULL, cards = NULL WHERE version = 1",
         Check.AMENDMENT),
    ],
)  # fmt: skip
def test_an_edit_is_found_both_ways(ledger: Ledger, edit: str, check: Check) -> None:
    ledger.edit(edit)
    first, second = ledger.prove(), ledger.prove(independently=True)
    assert check in {finding.check for finding in first.findings}
    assert {finding.message for finding in first.findings} == {finding.message for finding in second.findings}
    assert first.totals == second.totals
