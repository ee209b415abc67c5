"""The locks: hashes, no addresses, and each holds all that the ones before it hold."""

import re
from pathlib import Path

import pytest

LOCKS = Path(__file__).parents[2] / "dashboard" / "locks"


def pins(name: str) -> set[str]:
    """Every `package==version` of a lock."""
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;\\]+)", (LOCKS / f"{name}.txt").read_text(), re.MULTILINE))


@pytest.mark.parametrize(("smaller", "larger"), [("run", "test"), ("test", "dev")])
def test_a_lock_holds_the_ones_before_it(smaller: str, larger: str) -> None:
    assert pins(smaller) - pins(larger) == set(), "compile the locks again: see CONTRIBUTING.md"


@pytest.mark.parametrize("path", sorted(LOCKS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_names_no_address(path: Path) -> None:
    text = path.read_text()

    assert "://" not in text
    assert "--hash=sha256:" in text
