"""`simulate` as a person or a script runs it, and what its seed decides."""

import json
from dataclasses import replace

import psycopg
import pytest

from dashboard.services import rule_sets, simulation
from dashboard.services.simulation import Table
from tests.conftest import database_url

SMALL = ("--players", "5", "--rounds", "3", "--bets-per-round", "8")


def query(database: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(database_url("app", database)) as connection:
        return connection.execute(statement).fetchall()


def test_on_an_empty_database_it_plays_and_proves(command, database):
    finished = command("simulate", *SMALL, "--json")

    outcome = json.loads(finished.out)
    assert finished.code == 0
    assert (outcome["players"], outcome["rounds"], outcome["bets"], outcome["refused"]) == (5, 3, 24, {})
    assert outcome["verify"] == {"ok": True, "findings": []}
    ((rounds, bets, staked, paid),) = query(
        database,
        "SELECT count(*), sum(bets), sum(staked), sum(paid) FROM rounds WHERE state = 'settled'",
    )
    assert (rounds, bets, staked, paid) == (3, 24, outcome["staked_minor"], outcome["paid_minor"])
    assert query(database, "SELECT count(*) FROM bets WHERE state = 'pending'") == [(0,)]
    assert outcome["hold_percent"] == pytest.approx(100 * float(staked - paid) / float(staked), abs=0.001)


def test_a_second_run_plays_on_with_the_same_players_and_other_money(command, database):
    command("simulate", *SMALL)
    finished = command("simulate", *SMALL, "--seed", "2", "--threads", "1")

    assert finished.code == 0
    assert finished.out.startswith("3 rounds and 24 bets in ")
    assert finished.out.endswith("verify: nothing differs.\n")
    assert query(database, "SELECT count(*) FROM players") == [(5,)]
    assert query(database, "SELECT max(number) FROM rounds") == [(6,)]
    # Nobody had run out: there is one opening each.
    openings = "SELECT count(*) FROM wallet_entries WHERE change_type = 'opening'"
    assert query(database, openings) == [(5,)]


def test_what_differs_is_told_and_exits_1(command, database):
    command("simulate", *SMALL)
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute("UPDATE wallet_entries SET real_delta = 1 WHERE change_type = 'opening'")

    finished = command("simulate", *SMALL)

    assert finished.code == 1
    assert "verify: something differs." in finished.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE operators SET money = 'real'", "plays for real money"),
        ("UPDATE games SET is_running = true", "choose another --game"),
        ("UPDATE games SET state = 'retired'", "choose another --game"),
    ],
)
def test_where_nothing_is_simulated(command, database, change, told):
    command("simulate", *SMALL)
    with psycopg.connect(database_url("owner", database)) as connection:
        connection.execute(change)

    finished = command("simulate", *SMALL)

    assert finished.code == 1
    assert told in finished.err
    assert query(database, "SELECT max(number) FROM rounds") == [(3,)]


def test_of_several_operators_one_is_named(command):
    assert command("simulate", *SMALL).code == 0
    made = command(
        *(
            "operator",
            "create",
            "--slug",
            "lotus",
            "--name",
            "Lotus",
            "--currency",
            "JPY",
            "--timezone",
            "UTC",
        )
    )
    assert made.code == 0

    assert "choose one of simulation, lotus" in command("simulate", *SMALL).err
    assert "no operator called nobody" in command("simulate", *SMALL, "--operator", "nobody").err


class TestStakes:
    @pytest.fixture
    def table(self) -> Table:
        return Table(1, "USD", rule_sets.SHIPPED["three-stage"], tuple(range(1, 21)))

    def stakes(self, table: Table, **given: int) -> list[simulation.Stake]:
        return list(simulation.stakes(table, **{"seed": 1, "number": 1, "stage": 1, "count": 50, **given}))

    def test_the_same_seed_bets_the_same(self, table: Table) -> None:
        assert self.stakes(table) == self.stakes(table)

    @pytest.mark.parametrize("other", [{"seed": 2}, {"number": 2}, {"stage": 2}])
    def test_another_seed_round_or_stage_bets_otherwise(self, table: Table, other: dict[str, int]) -> None:
        assert self.stakes(table) != self.stakes(table, **other)

    def test_they_are_whole_units_on_what_is_offered(self, table: Table) -> None:
        made = self.stakes(replace(table, currency="JPY"), count=500)

        assert {stake.selection for stake in made} == {"andar", "bahar"}
        assert {stake.player_id for stake in made} == set(table.player_ids)
        assert min(stake.amount for stake in made) == 1
        assert max(stake.amount for stake in made) == simulation.STAKE_MAX
