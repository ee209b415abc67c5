"""A deck that can be proved: a committed seed shuffles it, and anybody can do it again.

Pure, but for the key of seals. docs/fairness.md writes the algorithm down; the browser (static/js) and
`dashboard/verifier` do the same without this module. Never log a seed, and let none out before its
round has ended.
"""

import hashlib
import hmac
import secrets
import struct
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dashboard import keys
from dashboard.errors import PurserError
from dashboard.models.game import Side
from dashboard.services import andar_bahar

SEED_BYTES = 32
WORD_BITS = 32
PROOF_FORMAT = "purser.round.1"

_EIGHT_WORDS = struct.Struct(">8I")
_FORMAT = b"purser.seed.1"
_NONCE_BYTES = 12


class SeedUnreadable(PurserError):
    """A sealed seed does not open: it was changed or moved, or the key is another one."""


def new_seed() -> bytes:
    """32 bytes that nobody can guess."""
    return secrets.token_bytes(SEED_BYTES)


def commitment(seed: bytes) -> bytes:
    """SHA-256 over the raw seed: what is shown before betting opens."""
    return hashlib.sha256(seed).digest()


def deck(seed: bytes, salt: str, number: int) -> tuple[int, ...]:
    """All 52 cards in the order in which they are dealt, the joker first."""
    return shuffled(words(seed, f"{salt}:{number}"))


def words(seed: bytes, label: str) -> Iterator[int]:
    """32-bit numbers without end: HMAC-SHA256(seed, "label:counter"), eight to each, big-endian."""
    for counter in count():
        yield from _EIGHT_WORDS.unpack(hmac.digest(seed, f"{label}:{counter}".encode(), "sha256"))


def shuffled(numbers: Iterator[int]) -> tuple[int, ...]:
    """Fisher–Yates from the last card down to the second, over 32-bit numbers.

    A number is taken modulo n only if it lies below the largest multiple of n that 32 bits hold;
    otherwise the next one is taken. A plain modulo would make some decks likelier than others.
    """
    cards = list(range(andar_bahar.CARDS))
    for last, limit in _LIMITS:
        while (number := next(numbers)) >= limit:
            continue
        drawn = number % (last + 1)
        cards[last], cards[drawn] = cards[drawn], cards[last]
    return tuple(cards)


_LIMITS = tuple(
    (last, 2**WORD_BITS - 2**WORD_BITS % (last + 1)) for last in range(andar_bahar.CARDS - 1, 0, -1)
)


def proof(
    *,
    number: int,
    salt: str,
    seed: bytes,
    commitment: bytes,
    joker: int | None,
    cards: Sequence[int],
    first: Side | None,
    winner: Side | None,
) -> dict[str, Any]:
    """What `dashboard/verifier/verify_round.py` takes: all that one needs to check a round that has ended.

    Joker and cards as they were dealt; `first` is the side that was dealt first, and `winner` None where
    the round was voided.
    """
    return {
        "format": PROOF_FORMAT,
        "number": number,
        "salt": salt,
        "seed": seed.hex(),
        "commitment": commitment.hex(),
        "joker": None if joker is None else andar_bahar.name(joker),
        "cards": [andar_bahar.name(card) for card in cards],
        "first": first,
        "winner": winner,
    }


def seal(seed: bytes, *, game_id: int, number: int) -> bytes:
    """The seed as the database keeps it: AES-256-GCM, bound to its game and round number."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher().encrypt(nonce, seed, _bound_to(game_id, number))


def unseal(sealed: bytes, *, game_id: int, number: int) -> bytes:
    """The seed again. Raises SeedUnreadable for another round's seed, a changed one or another key."""
    try:
        return _cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound_to(game_id, number))
    except (InvalidTag, ValueError):
        raise SeedUnreadable(
            f"The seed of round {number} of game {game_id} does not open: it was changed, or PURSER_SEED_KEY"
            " (or secrets/seed.key) is not the key that it was sealed with. The round can only be voided."
        ) from None


def _cipher() -> AESGCM:
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_FORMAT).derive(keys.seed_key())
    return AESGCM(key)


def _bound_to(game_id: int, number: int) -> bytes:
    return b"%s:%d:%d" % (_FORMAT, game_id, number)
