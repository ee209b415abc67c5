"""The features of anomaly detection by name, and the sentence in which each speaks to a person. Pure.

Models are fitted on these names in this order; one that was fitted on others is refused when it is loaded.
Where a sentence names no time it speaks of the 30 days before the entry: the page says so once.
Most figures are binary logarithms of a multiple: twice as much and four times as much are as far apart as
four and eight times.
"""

from collections.abc import Callable
from dataclasses import dataclass

NEVER_HOURS = 30 * 24
"""The gap in hours that stands for no earlier entry in the time looked back over."""

Says = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Feature:
    """One figure of an entry."""

    name: str
    about: str
    """What it speaks of: of several that speak of the same, the leading one is enough for a person."""
    says: Says
    """The sentence for a figure, without a capital letter or a full stop."""


def _multiple(sentence: str) -> Says:
    return lambda figure: sentence.format(_plain(2.0**figure))


def _total(sentence: str) -> Says:
    """Of the logarithm of one more than what is said, so that nothing is 0."""
    return lambda figure: sentence.format(_plain(2.0**figure - 1))


def _count(sentence: str) -> Says:
    return lambda figure: sentence.format(f"{2.0**figure:.0f}")


def _rarity(sentence: str) -> Says:
    """Of the negative logarithm of a share."""
    return lambda figure: sentence.format(f"{100 * 2.0**-figure:.0f} %")


def _share(sentence: str) -> Says:
    return lambda figure: sentence.format(f"{100 * figure:.0f} %")


def _number(sentence: str) -> Says:
    return lambda figure: sentence.format(_plain(figure))


def _part(positive: str, negative: str) -> Says:
    """Of 1 less the share of a player's entries that fall into the same part of the day or week."""
    sentence = "{}, as are {:.0f} % of the player's entries"
    return lambda figure: sentence.format(positive if figure > 0 else negative, 100 * (1 - abs(figure)))


def _gap(figure: float) -> str:
    hours = 2.0**figure - 1
    # A figure may have been kept in single precision.
    if hours >= NEVER_HOURS - 0.01:
        return "the player's first entry in 30 days"
    return f"comes {_plain(hours)} hours after the player's last entry"


def _gap_to_own(figure: float) -> str:
    times = _plain(2.0 ** abs(figure))
    return f"comes {times} times {'later' if figure >= 0 else 'sooner'} than is usual for the player"


def _new(figure: float) -> str:
    return f"posted by somebody {'new' if figure else 'known'} to the player"


def _plain(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def _of_marks(whose: str) -> tuple[Feature, ...]:
    says = "{} of the " + whose + "'s entries of {} were found amiss"
    return tuple(
        Feature(f"{whose}_amiss_{window}", f"{whose}'s marks", _share(says.format("{}", words)))
        for window, words in (("1_day", "1 day"), ("7_days", "7 days"), ("30_days", "30 days"))
    )


OF_HABITS = (
    Feature("amount_to_house", "amount", _multiple("amount is {} times what is usual at the house")),
    Feature("amount_to_own", "amount", _multiple("amount is {} times what is usual for the player")),
    Feature("amount_to_largest", "amount", _multiple("amount is {} times the player's largest")),
    Feature("amount_in_week", "amount", _number("amount is {} spreads above the player's usual of 7 days")),
    Feature("amount_in_month", "amount", _number("amount is {} spreads above the player's usual")),
    Feature("gap_hours", "gap", _gap),
    Feature("gap_to_own", "gap", _gap_to_own),
    Feature("hour_rarity", "hour", _rarity("about {} of the player's entries fall near its hour")),
    Feature("night_unusual", "hour", _part("at night", "by day")),
    Feature("weekend_unusual", "weekday", _part("at a weekend", "on a working day")),
    Feature("kind_rarity", "kind", _rarity("about {} of the player's entries are of its kind")),
    Feature("count_1_day", "count", _count("{} entries within 1 day")),
    Feature("count_7_days", "count", _count("{} entries within 7 days")),
    Feature("count_30_days", "count", _count("{} entries within 30 days")),
    Feature("sum_1_day", "sum", _total("entries of 1 day come to {} times what is usual at the house")),
    Feature("sum_7_days", "sum", _total("entries of 7 days come to {} times what is usual at the house")),
    Feature("sum_30_days", "sum", _total("entries of 30 days come to {} times what is usual at the house")),
    Feature("count_crowding", "count", _share("{} of the entries of 30 days fall into the last day")),
    Feature("sum_crowding", "sum", _share("{} of the sum of 30 days falls into the last day")),
    Feature("share_of_balance", "balance", _share("takes {} of the balance")),
    Feature("poster_new", "poster", _new),
)
"""What can be told without anybody's marks."""

OF_MARKS = _of_marks("player") + _of_marks("poster")
"""What people said of earlier entries of the same player and of the same poster."""

FEATURES = OF_HABITS + OF_MARKS
BY_NAME = {feature.name: feature for feature in FEATURES}
