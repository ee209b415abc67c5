"""What `verify` finds of bets, rounds and bonuses that somebody has edited, both ways."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from dashboard.services.findings import Check
from tests import builders
from tests.conftest import clone, drop_database
from tests.services.ledger import Ledger
from tests.services.table import ANOTHER_ACE, open_table


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
    return winner, loser, mixed


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
    ],
)  # fmt: skip
def test_an_edit_is_found_both_ways(ledger: Ledger, edit: str, check: Check) -> None:
    ledger.edit(edit)
    first, second = ledger.prove(), ledger.prove(independently=True)
    assert check in {finding.check for finding in first.findings}
    assert {finding.message for finding in first.findings} == {finding.message for finding in second.findings}
    assert first.totals == second.totals
