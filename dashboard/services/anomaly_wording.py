"""The features of anomaly detection by name, and the sentence in which each speaks to a person. Pure.

A model is fitted on these names in this order. Changing either makes models that were kept unreadable, which
`anomaly_model.from_bytes` says.
"""

from collections.abc import Callable
from dataclasses import dataclass

Says = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Feature:
    """One figure of an entry."""

    name: str
    about: str
    """What it speaks of: of several that speak of the same, the leading one is enough for a person."""
    says: Says
    """The sentence for a value, without a full stop."""


def _twice(sentence: str) -> Says:
    """Of a figure that is the binary logarithm of a multiple."""
    return lambda value: sentence.format(_plain(2.0**value))


def _less_one(sentence: str) -> Says:
    """Of a figure that is the binary logarithm of one more than what is said."""
    return lambda value: sentence.format(_plain(2.0**value - 1))


def _percent(sentence: str) -> Says:
    return lambda value: sentence.format(f"{100 * value:.0f} %")


def _distance(sentence: str) -> Says:
    return lambda value: sentence.format(_plain(abs(value)), "above" if value >= 0 else "below")


def _either(positive: str, negative: str) -> Says:
    return lambda value: positive if value > 0 else negative


def _count(sentence: str) -> Says:
    return lambda value: sentence.format(f"{2.0**value:.0f}")


def _plain(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def _rarity(often: str) -> Says:
    return lambda value: often.format(f"{100 * 2.0**-value:.0f} %")


OF_HABITS = (
    Feature("amount_to_house", "amount", _twice("amount is {} times what is usual at the house")),
    Feature("amount_to_own", "amount", _twice("amount is {} times what is usual for the player")),
    Feature("amount_to_largest", "amount", _twice("amount is {} times the player's largest in 30 days")),
    Feature("amount_in_week", "amount", _distance("amount is {} spreads {} the player's middle of 7 days")),
    Feature("amount_in_month", "amount", _distance("amount is {} spreads {} the player's middle of 30 days")),
    Feature("gap_hours", "gap", _less_one("comes {} hours after the player's last entry")),
    Feature("gap_to_own", "gap", _twice("the gap before it is {} times the player's usual one")),
    Feature("hour_rarity", "hour", _rarity("only about {} of the player's entries fall near this hour")),
    Feature("night_unusual", "hour", _either("night, when the player is seldom active",
                                             "day, though the player is mostly active at night")),
    Feature("weekend_unusual", "weekday", _either("weekend, when the player is seldom active",
                                                  "working day, though the player is mostly active at weekends")),
    Feature("kind_rarity", "kind", _rarity("only about {} of the player's entries are of this kind")),
    Feature("count_1_day", "count", _count("{} entries within 1 day")),
    Feature("count_7_days", "count", _count("{} entries within 7 days")),
    Feature("count_30_days", "count", _count("{} entries within 30 days")),
    Feature("sum_1_day", "sum", _less_one("entries of 1 day come to {} times what is usual at the house")),
    Feature("sum_7_days", "sum", _less_one("entries of 7 days come to {} times what is usual at the house")),
    Feature("sum_30_days", "sum", _less_one("entries of 30 days come to {} times what is usual at the house")),
    Feature("count_concentration", "count", _percent("{} of the entries of 30 days fall into the last day")),
    Feature("sum_concentration", "sum", _percent("{} of the sum of 30 days falls into the last day")),
    Feature("share_of_balance", "balance", _percent("amount is {} of the balance before")),
    Feature("poster_new", "poster", _either("posted by somebody new to the player in 30 days",
                                            "posted by somebody who posts for the player")),
)
OF_MARKS = tuple(
    Feature(f"{whose}_confirmed_{days}", f"{whose}'s marks",
            _percent("{} of " + whom + f" entries of {days} were found amiss"))
    for whose, whom in (("player", "the player's"), ("poster", "the poster's"))
    for days in ("1_day", "7_days", "30_days")
)
FEATURES = OF_HABITS + OF_MARKS
