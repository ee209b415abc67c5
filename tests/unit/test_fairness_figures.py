"""What was dealt against the exact distribution."""

from itertools import accumulate
from math import isclose
from random import Random

import pytest

from dashboard.queries import fairness_figures
from dashboard.services import andar_bahar

LENGTHS = range(1, andar_bahar.LONGEST + 1)


def drawn(rounds: int, seed: int) -> list[int]:
    """So many rounds drawn from the exact distribution, by length."""
    weights = [float(andar_bahar.probability(length)) for length in LENGTHS]
    found = Random(seed).choices(LENGTHS, cum_weights=list(accumulate(weights)), k=rounds)
    return [found.count(length) for length in LENGTHS]


def test_the_constants_are_those_of_the_distribution() -> None:
    chances = {length: andar_bahar.probability(length) for length in LENGTHS}
    mean = sum(length * chance for length, chance in chances.items())
    assert sum(chances.values()) == 1
    assert mean == fairness_figures.MEAN
    assert (
        sum((length - mean) ** 2 * chance for length, chance in chances.items()) == fairness_figures.VARIANCE
    )
    assert sum(chances[length] for length in LENGTHS if length % 2) == fairness_figures.FIRST_SHARE


def test_fair_deals_lie_within_the_bands() -> None:
    figures = fairness_figures.compare(drawn(20_000, seed=5))
    assert figures.rounds == 20_000
    assert figures.first_share.is_within
    assert figures.mean.is_within
    assert figures.chance is not None
    assert figures.chance > 0.001
    assert isclose(sum(each.expected for each in figures.by_length), 20_000)


@pytest.mark.parametrize("cheated", [1, 2])
def test_a_side_that_wins_too_often_is_seen(cheated: int) -> None:
    counts = drawn(20_000, seed=5)
    counts[cheated - 1] += 1_000
    figures = fairness_figures.compare(counts)
    assert not figures.first_share.is_within
    assert not figures.mean.is_within
    assert not figures.by_length[cheated - 1].is_within
    assert figures.chance is not None
    assert figures.chance < 1e-6


def test_one_round_of_a_length_that_is_seldom_is_nothing_unusual() -> None:
    # In a thousand rounds one of 49 cards comes up once in twenty times; three come up once in 50,000 times.
    for count, is_within in ((0, True), (1, True), (2, True), (3, False)):
        counts = drawn(1_000, seed=5)
        counts[48] = count
        assert fairness_figures.compare(counts).by_length[48].is_within is is_within


def test_the_bands_of_seldom_and_of_frequent_counts_meet() -> None:
    # 10,000 rounds: 36 cards are expected 50.4 times, 37 cards 43.7 times.
    bands = fairness_figures.compare(drawn(10_000, seed=5)).by_length
    for length in (36, 37):
        expected = float(10_000 * andar_bahar.probability(length))
        assert isclose(bands[length - 1].low, expected - 4 * expected**0.5, abs_tol=4)
        assert isclose(bands[length - 1].high, expected + 4 * expected**0.5, abs_tol=4)
    assert bands[35].expected > fairness_figures.FEW > bands[36].expected


def test_without_rounds_there_is_nothing_to_say() -> None:
    figures = fairness_figures.compare([0] * andar_bahar.LONGEST)
    assert (figures.rounds, figures.chance) == (0, None)
    assert all(each.observed == each.expected == 0 for each in figures.by_length)


def test_the_tail_of_chi_square_is_the_known_one() -> None:
    # 95 % of chi-square with 8 degrees of freedom lie below 15.507 (any table of it).
    assert isclose(fairness_figures.tail(15.507), 0.05, abs_tol=1e-4)
    assert isclose(fairness_figures.tail(26.124), 0.001, abs_tol=1e-5)
