#!/usr/bin/env python3
"""Check one round of Andar Bahar by yourself, with nothing but Python (3.8 or newer).

    python3 verify_round.py round.json
    python3 verify_round.py --seed HEX --commitment HEX --salt TEXT --number N --joker 5S --cards "KC 3D 7C"

The file comes from the page of the round. From the seed this computes the commitment that was shown before
betting, and the whole deck, and compares both with what was shown and dealt.

Exit code 0: equal. 1: not equal. 2: what was given cannot be used.
"""

from __future__ import annotations  # for Python before 3.10

import argparse
import hashlib
import hmac
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

RANKS = "A23456789TJQK"
SUITS = "CDHS"
NAMES = [rank + suit for suit in SUITS for rank in RANKS]
FORMAT = "purser.round.1"


class Unusable(Exception):
    """What was given cannot be used; the message says why."""


def words(seed: bytes, salt: str, number: int) -> Iterator[int]:
    """32-bit numbers: HMAC-SHA256(seed, "salt:number:counter") gives eight of them, big-endian."""
    counter = 0
    while True:
        message = f"{salt}:{number}:{counter}".encode()
        block = hmac.new(seed, message, hashlib.sha256).digest()
        for at in range(0, 32, 4):
            yield int.from_bytes(block[at : at + 4], "big")
        counter += 1


def deck(seed: bytes, salt: str, number: int) -> list[str]:
    """Fisher-Yates from the last card down; numbers that would favour some cards are thrown away."""
    cards = list(range(52))
    numbers = words(seed, salt, number)
    for last in range(51, 0, -1):
        drawn = next(numbers)
        while drawn >= 2**32 - 2**32 % (last + 1):
            drawn = next(numbers)
        at = drawn % (last + 1)
        cards[last], cards[at] = cards[at], cards[last]
    return [NAMES[card] for card in cards]


def differences(given: dict[str, Any]) -> Iterator[str]:
    """What is not as it should be, one sentence each; nothing if all is equal."""
    seed = bytes.fromhex(given["seed"])
    if hashlib.sha256(seed).hexdigest() != given["commitment"].lower():
        yield "The seed is not the one that was committed to."
    computed = deck(seed, given["salt"], given["number"])
    dealt = ([given["joker"]] if given["joker"] else []) + given["cards"]
    for at, claimed in enumerate(dealt):
        if claimed != computed[at]:
            place = f"Card {at}" if at else "The joker"
            yield f"{place} was {claimed}, but the deck has {computed[at]}."
            return
    yield from outcome(given)


def outcome(given: dict[str, Any]) -> Iterator[str]:
    """Whether the round ended at the match, and on the side on which the match fell."""
    joker, cards = given["joker"], given["cards"]
    matches = [at for at, card in enumerate(cards) if card[0] == joker[0]] if joker else []
    if matches and matches[0] != len(cards) - 1:
        yield f"Card {matches[0] + 1} was a match, but more were dealt."
    if given.get("winner"):
        if not matches:
            yield "There is a winner, but no match was dealt."
        elif given.get("first"):
            other = {"andar": "bahar", "bahar": "andar"}[given["first"]]
            won = given["first"] if matches[0] % 2 == 0 else other
            if won != given["winner"]:
                yield f"The match fell on {won}, but {given['winner']} won."


def checked(given: Any) -> dict[str, Any]:
    """The same, where every part has its shape. Raises Unusable."""
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise Unusable(f"This is no file of a round: its format should be {FORMAT}.")
    for name in ("seed", "commitment"):
        if not isinstance(given.get(name), str) or not re.fullmatch("[0-9a-fA-F]{64}", given[name]):
            raise Unusable(f"The {name} should be 64 hexadecimal digits.")
    if not isinstance(given.get("salt"), str):
        raise Unusable("The salt should be a text.")
    if type(given.get("number")) is not int or given["number"] < 0:
        raise Unusable("The number of the round should be a whole number.")
    if given.get("joker") is not None and given["joker"] not in NAMES:
        raise Unusable("The joker should be a card such as 5S.")
    cards = given.get("cards")
    if not isinstance(cards, list) or not all(card in NAMES for card in cards) or len(cards) > 51:
        raise Unusable("The cards should be a list of cards such as 5S.")
    if cards and given.get("joker") is None:
        raise Unusable("Cards were dealt, so there should be a joker.")
    for name in ("first", "winner"):
        if given.get(name) not in ("andar", "bahar", None):
            raise Unusable(f"The {name} should be andar or bahar.")
    return dict(given, joker=given.get("joker"))


def read(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was given on the command line, in the shape of the file. Raises Unusable."""
    if arguments.file:
        try:
            with open(arguments.file, encoding="utf-8") as file:
                given = json.load(file)
        except OSError as error:
            raise Unusable(f"{arguments.file} cannot be read: {error.strerror}.") from None
        except ValueError:
            raise Unusable(f"{arguments.file} is no JSON.") from None
        return checked(given)
    return checked(
        {
            "format": FORMAT,
            "seed": arguments.seed,
            "commitment": arguments.commitment,
            "salt": arguments.salt,
            "number": arguments.number,
            "joker": arguments.joker,
            "cards": (arguments.cards or "").split(),
        }
    )


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    made = argparse.ArgumentParser(description="Check one round of Andar Bahar by its seed.")
    made.add_argument("file", nargs="?", help="the file from the page of the round")
    made.add_argument("--seed", help="64 hexadecimal digits, shown after the round")
    made.add_argument("--commitment", help="64 hexadecimal digits, shown before the round")
    made.add_argument("--salt", help="the public salt")
    made.add_argument("--number", type=int, help="the number of the round")
    made.add_argument("--joker", help="such as 5S")
    made.add_argument("--cards", help='dealt after the joker, such as "KC 3D 7C"')
    return made


def main() -> int:
    """Say whether it is equal; returns the exit code."""
    try:
        given = read(parser().parse_args())
    except Unusable as error:
        print(error, file=sys.stderr)
        return 2
    print("Commitment:", hashlib.sha256(bytes.fromhex(given["seed"])).hexdigest())
    print("Deck:", " ".join(deck(bytes.fromhex(given["seed"]), given["salt"], given["number"])))
    found = list(differences(given))
    for difference in found:
        print(difference)
    print("NOT EQUAL" if found else "EQUAL")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
