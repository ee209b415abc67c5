"""The stand-alone verifier, run as anybody would: by itself, without Purser."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dashboard.config import ROOT
from dashboard.models.game import Side
from dashboard.services import andar_bahar, fairness
from dashboard.verifier import verify_round

SCRIPT = ROOT / "dashboard" / "verifier" / "verify_round.py"
SEED = bytes(31) + b"\x01"
FIRST_CARDS = "5S KC 3D 7C 4H 2C 3C QH KD 7S 7H 5H"


def run(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """-I: neither Purser nor anything else beside the standard library can be imported."""
    return subprocess.run(
        [sys.executable, "-I", str(SCRIPT), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def played(**changes: Any) -> dict[str, Any]:
    """The round of the test vector: 11 cards, so Andar, who was dealt first, wins."""
    deal = andar_bahar.dealt(fairness.deck(SEED, "demo", 0), first=Side.ANDAR)
    proof = fairness.proof(
        number=0,
        salt="demo",
        seed=SEED,
        commitment=fairness.commitment(SEED),
        joker=deal.joker,
        cards=deal.cards,
        first=deal.first,
        winner=deal.winner,
    )
    return proof | changes


def run_on(folder: Path, given: Any) -> "subprocess.CompletedProcess[str]":
    (folder / "round.json").write_text(json.dumps(given))
    return run(folder, "round.json")


def test_it_needs_nothing_but_the_standard_library() -> None:
    imports = [
        node
        for node in ast.walk(ast.parse(SCRIPT.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {
        name.partition(".")[0]
        for node in imports
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }

    assert names <= set(sys.stdlib_module_names)


def test_the_round_of_the_test_vector_is_equal(tmp_path: Path) -> None:
    assert played()["cards"] == FIRST_CARDS.split()[1:]

    done = run_on(tmp_path, played())

    assert (done.returncode, done.stderr) == (0, "")
    assert "Commitment: ec4916dd28fc4c10d78e287ca5d9cc51ee1ae73cbfde08c6b37324cbfaac8bc5\n" in done.stdout
    assert f"Deck: {FIRST_CARDS} " in done.stdout
    assert done.stdout.endswith("\nEQUAL\n")


def test_it_takes_the_same_by_hand(tmp_path: Path) -> None:
    given = played()
    arguments = [f"--seed={given['seed']}", f"--commitment={given['commitment'].upper()}", "--salt=demo"]

    equal = run(tmp_path, *arguments, "--number=0", "--joker=5S", "--cards=KC 3D 7C")
    other = run(tmp_path, *arguments, "--number=1", "--joker=5S", "--cards=KC 3D 7C")
    lacking = run(tmp_path, *arguments, "--joker=5S")

    assert (equal.returncode, other.returncode, lacking.returncode) == (0, 1, 2)


def test_a_voided_round_of_which_few_cards_lie_there_is_equal(tmp_path: Path) -> None:
    voided = played(winner=None)
    lying: list[dict[str, Any]] = [{"joker": None, "cards": []}, {"cards": []}, {"cards": ["KC", "3D"]}]
    for dealt in lying:
        assert run_on(tmp_path, {**voided, **dealt}).returncode == 0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"seed": "00" * 32}, "not the one that was committed to"),
        ({"commitment": "00" * 32}, "not the one that was committed to"),
        ({"salt": "demo2"}, "The joker was 5S"),
        ({"number": 1}, "The joker was 5S"),
        ({"joker": "5H"}, "The joker was 5H, but the deck has 5S"),
        ({"cards": ["KC", "3D", "7D"]}, "Card 3 was 7D, but the deck has 7C"),
        ({"cards": FIRST_CARDS.split()[2:]}, "Card 1 was 3D, but the deck has KC"),
        ({"winner": "bahar"}, "The match fell on andar, but bahar won"),
        ({"first": "bahar"}, "The match fell on bahar, but andar won"),
        ({"cards": ["KC", "3D"]}, "There is a winner, but no match"),
        ({"joker": None, "cards": []}, "There is a winner, but no match"),
    ],
)
def test_what_is_not_equal_is_named(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    done = run_on(tmp_path, played(**changes))

    assert done.returncode == 1
    assert why in done.stdout
    assert done.stdout.endswith("\nNOT EQUAL\n")


def test_cards_after_the_match_are_noticed(tmp_path: Path) -> None:
    deck = [andar_bahar.name(card) for card in fairness.deck(SEED, "demo", 0)]

    done = run_on(tmp_path, played(cards=deck[1:14], winner="andar"))

    assert done.returncode == 1
    assert "Card 11 was a match, but more were dealt." in done.stdout


@pytest.mark.parametrize(
    "given",
    [
        [],
        {},
        played(format="purser.round.2"),
        played(seed=None),
        played(seed="00" * 31),
        played(seed="g" * 64),
        played(commitment=7),
        played(salt=None),
        played(number="0"),
        played(number=True),
        played(number=-1),
        played(joker="1S"),
        played(joker=7),
        played(cards="KC"),
        played(cards=[7]),
        played(cards=["KC"] * 52),
        played(joker=None),
        played(winner="dealer"),
        played(first="joker_colour"),
    ],
)
def test_what_has_not_its_shape_cannot_be_used(given: Any) -> None:
    with pytest.raises(verify_round.Unusable):
        verify_round.checked(given)


def test_what_cannot_be_used_is_neither_equal_nor_not(tmp_path: Path) -> None:
    (tmp_path / "text.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")

    for name, why in (
        ("none.json", "cannot be read"),
        ("text.json", "is no JSON"),
        ("list.json", "no file of a round"),
    ):
        done = run(tmp_path, name)
        assert (done.returncode, done.stdout) == (2, "")
        assert why in done.stderr
