"""Fair decks: the published test vector, no bias, seals that open for one round only, and 100,000 deals."""

from collections import Counter
from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from dashboard.config import settings
from dashboard.models.game import Side
from dashboard.services import andar_bahar, fairness

SEED = bytes(31) + b"\x01"
FIRST_CARDS = "5S KC 3D 7C 4H 2C 3C QH KD 7S 7H 5H"
COMMITMENT = "ec4916dd28fc4c10d78e287ca5d9cc51ee1ae73cbfde08c6b37324cbfaac8bc5"


def test_the_deck_is_that_of_the_test_vector() -> None:
    deck = fairness.deck(SEED, "demo", 0)

    assert " ".join(andar_bahar.name(card) for card in deck[:12]) == FIRST_CARDS
    assert sorted(deck) == list(range(52))
    assert fairness.commitment(SEED).hex() == COMMITMENT


def test_seed_salt_and_number_each_make_another_deck() -> None:
    decks = {
        fairness.deck(SEED, "demo", 0),
        fairness.deck(SEED, "demo", 1),
        fairness.deck(SEED, "demo2", 0),
        fairness.deck(SEED[::-1], "demo", 0),
    }

    assert len(decks) == 4


def draws(first: list[int]) -> Iterator[int]:
    """These numbers, then zeros for ever."""
    return chain(first, repeat(0))


def test_numbers_that_would_favour_some_cards_are_thrown_away() -> None:
    # 2**32 = 52 × 82,595,524 + 48: of the numbers from 4,294,967,248 on none is used for the first draw.
    limit = 4_294_967_248
    assert fairness.shuffled(draws([limit - 1]))[51] == 51  # the last that is used: 51 modulo 52
    assert fairness.shuffled(draws([limit, 2**32 - 1, 7]))[51] == 7
    # A plain modulo would have taken these as card 0 and card 47.
    assert fairness.shuffled(draws([limit, 7])) == fairness.shuffled(draws([7]))


def test_each_draw_has_a_limit_of_its_own() -> None:
    # 2**32 modulo 51 is 1: for the second draw only the largest number is thrown away.
    assert fairness.shuffled(draws([51, 2**32 - 2]))[50] == (2**32 - 2) % 51
    assert fairness.shuffled(draws([51, 2**32 - 1, 9]))[50] == 9
    # Of 32 cards 2**32 is a multiple: nothing is thrown away.
    untouched = [*range(51, 31, -1)]
    assert fairness.shuffled(draws([*untouched, 2**32 - 1]))[31] == 31


def test_words_run_on_over_the_end_of_a_block() -> None:
    words = fairness.words(SEED, "demo:0")
    first = [next(words) for _ in range(17)]

    assert len(set(first)) == 17
    assert all(0 <= word < 2**32 for word in first)


def test_new_seeds_differ() -> None:
    seeds = {fairness.new_seed() for _ in range(100)}

    assert {len(seed) for seed in seeds} == {32}
    assert len(seeds) == 100


def test_a_sealed_seed_opens_for_its_own_round_only() -> None:
    sealed = fairness.seal(SEED, game_id=7, number=12)

    assert fairness.unseal(sealed, game_id=7, number=12) == SEED
    assert SEED not in sealed
    assert fairness.seal(SEED, game_id=7, number=12) != sealed
    for game_id, number in ((7, 13), (8, 12), (71, 2)):
        with pytest.raises(fairness.SeedUnreadable, match="can only be voided"):
            fairness.unseal(sealed, game_id=game_id, number=number)


@pytest.mark.parametrize("at", [0, 12, -1])
def test_a_changed_seal_does_not_open(at: int) -> None:
    damaged = bytearray(fairness.seal(SEED, game_id=1, number=1))
    damaged[at] ^= 1

    with pytest.raises(fairness.SeedUnreadable):
        fairness.unseal(bytes(damaged), game_id=1, number=1)
    with pytest.raises(fairness.SeedUnreadable):
        fairness.unseal(b"", game_id=1, number=1)


def test_another_key_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = fairness.seal(SEED, game_id=1, number=1)
    monkeypatch.setenv("PURSER_SEED_KEY", "Zq3vN8sKx1Lw5Tb7Rc9Yd2Fg4Hj6Mp0UaEiOo")
    settings.cache_clear()
    try:
        with pytest.raises(fairness.SeedUnreadable):
            fairness.unseal(sealed, game_id=1, number=1)
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_hundred_thousand_deals_fall_as_they_should() -> None:
    # From fixed seeds, so that it never fails by chance.
    lengths: Counter[int] = Counter()
    for number in range(1000):
        seed = fairness.commitment(b"%d" % number)
        for deal in range(100):
            deck = fairness.deck(seed, "acceptance", deal)
            lengths[len(andar_bahar.dealt(deck, first=Side.ANDAR).cards)] += 1

    total = lengths.total()
    first_side = sum(count for length, count in lengths.items() if length % 2)
    mean = sum(length * count for length, count in lengths.items()) / total
    assert total == 100_000
    assert 0.50868 <= first_side / total <= 0.52133
    assert 12.878 <= mean <= 13.122
    assert chi_square(lengths, total) < 26.124  # the 0.999 quantile with 8 degrees of freedom


def chi_square(lengths: Counter[int], total: int) -> float:
    """Observed against exact over the bins of the acceptance."""
    bins = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 15), (16, 25), (26, 49)]
    found = 0.0
    for least, most in bins:
        among = range(least, most + 1)
        expected = float(sum(andar_bahar.probability(length) for length in among) * total)
        found += (sum(lengths[length] for length in among) - expected) ** 2 / expected
    return found


def test_the_chi_square_sees_a_plain_bias() -> None:
    # A joker's rank that matches too early by one in a hundred deals is noticed.
    exact = {length: float(andar_bahar.probability(length)) * 100_000 for length in range(1, 50)}
    lengths = Counter({length: round(count) for length, count in exact.items()})
    assert chi_square(lengths, 100_000) < 1
    lengths[1] += 1000
    lengths[30] -= 1000

    assert chi_square(lengths, 100_000) > 26.124
