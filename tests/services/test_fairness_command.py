"""`fairness deals` as a person or a script runs it."""

import json


def test_for_machines_it_is_a_list_of_integers(command):
    finished = command("fairness", "deals", "--count", "200", "--json")

    lengths = json.loads(finished.out)
    assert finished.code == 0
    assert len(lengths) == 200
    assert all(type(length) is int and 1 <= length <= 49 for length in lengths)
    assert len(set(lengths)) > 10


def test_no_two_runs_deal_the_same(command):
    one, other = (command("fairness", "deals", "--count", "50", "--json").out for _ in range(2))

    assert one != other


def test_for_people_it_stands_beside_chance(command):
    finished = command("fairness", "deals", "--count", "100")

    assert finished.out.startswith("100 rounds, ")
    assert "(by chance 0.51501)" in finished.out
    assert "26–49" in finished.out
    counted = [int(line.split()[1]) for line in finished.out.splitlines()[3:]]
    assert sum(counted) == 100


def test_no_rounds_is_wrong_usage(command):
    assert command("fairness", "deals", "--count", "0").code == 2
