"""What is told of an entry beside its player's past: histories made by hand, and what holds of any."""

import datetime as dt
import math
import pickle
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.services import anomaly_features
from dashboard.services.anomaly_features import LOOKBACK_DAYS, MARKING_DELAY_DAYS, Entry, Stream
from dashboard.services.anomaly_wording import BY_NAME, FEATURES, OF_HABITS, OF_MARKS

START = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
"""A Monday."""
NEVER = math.log2(721)


def posted(
    days: float = 0,
    amount: int = -100,
    *,
    hours: float = 0,
    player_id: int = 1,
    currency: str = "EUR",
    change_type: str = "withdrawal",
    balance: int | None = None,
    poster: str | None = None,
    is_amiss: bool | None = None,
    marked: float | None = None,
) -> Entry:
    """An entry so many days and hours after START, marked so many days after it."""
    return Entry(
        player_id,
        currency,
        START + dt.timedelta(days=days, hours=hours),
        change_type,
        amount,
        balance,
        poster,
        is_amiss,
        None if marked is None else START + dt.timedelta(days=marked),
    )


def told(entries: list[Entry], *, usual: anomaly_features.Usual | None = None, zone: str = "UTC") -> list:
    """The figures of every entry."""
    stream = Stream(zone=zone, usual=usual or {})
    return [stream.features(entry) for entry in entries]


def last(*entries: Entry, usual: anomaly_features.Usual | None = None, zone: str = "UTC") -> dict[str, float]:
    """The figures of the last entry, by name."""
    names = (feature.name for feature in FEATURES)
    return dict(zip(names, told([*entries], usual=usual, zone=zone)[-1], strict=True))


def some(figures: dict[str, float], *names: str) -> list[float]:
    return [figures[name] for name in names]


AMOUNTS = ("amount_to_own", "amount_to_largest", "amount_in_week", "amount_in_month")
COUNTS = ("count_1_day", "count_7_days", "count_30_days")
SUMS = ("sum_1_day", "sum_7_days", "sum_30_days")
OF_PLAYER = ("player_amiss_1_day", "player_amiss_7_days", "player_amiss_30_days")
OF_POSTER = ("poster_amiss_1_day", "poster_amiss_7_days", "poster_amiss_30_days")


def test_every_figure_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(FEATURES) == len(told([posted()])[0])


def test_the_first_entry_is_compared_with_the_house_alone() -> None:
    found = last(posted(amount=-1200, poster="staff:1"), usual={("EUR", "withdrawal out"): 400})

    others = {name: figure for name, figure in found.items() if figure}
    assert others == {
        "amount_to_house": pytest.approx(math.log2(3)),
        "gap_hours": pytest.approx(NEVER),
        **dict.fromkeys(SUMS, 2.0),  # 1 + 1200 ÷ 400 is 4
        "poster_new": 1.0,
    }


def test_an_amount_is_compared_with_the_players_own() -> None:
    past = [posted(day, amount) for day, amount in enumerate((-100, -200, -300))]

    found = last(*past, posted(3, -1200), usual={("EUR", "withdrawal out"): 400})

    assert found["amount_to_house"] == pytest.approx(math.log2(3))
    # The middle is 200, the largest 300; the median deviation 100 makes a spread of 148.26.
    assert some(found, *AMOUNTS) == pytest.approx([math.log2(6), 2, 1000 / 148.26, 1000 / 148.26])


@pytest.mark.parametrize(
    ("amount", "figures"),
    [
        (-1000, [0, 0, 0, 0]),
        (-1, [0, 0, 0, 0]),  # less than usual is as good as usual
        (-1100, [math.log2(1.1), math.log2(1.1), 2, 2]),  # no spread: a twentieth of 1000 is one
        (-2000, [1, 1, 20, 20]),
        (-9000, [math.log2(9), math.log2(9), 20, 20]),  # 160 spreads are no more telling than 20
    ],
)
def test_amounts_that_never_differ(amount: int, figures: list[float]) -> None:
    past = [posted(day, -1000) for day in range(5)]

    assert some(last(*past, posted(5, amount)), *AMOUNTS) == pytest.approx(figures)


@pytest.mark.parametrize(
    "past",
    [
        [posted(0), posted(1)],
        [posted(day, player_id=2) for day in range(5)],
        [posted(day, currency="USD") for day in range(5)],
        [posted(day, change_type="fee") for day in range(5)],
        [posted(day, 100) for day in range(5)],  # the other direction
        [posted(-LOOKBACK_DAYS)] * 5,  # on the edge  # 30 days before and more: the last is on the edge
    ],
    ids=[
        "too few",
        "another player",
        "another currency",
        "another type",
        "another direction",
        "too long ago",
    ],
)
def test_what_an_amount_is_not_compared_with(past: list[Entry]) -> None:
    now = posted(0 if past[0].at < START else 5.5, -5000)

    assert some(last(*past, now), *AMOUNTS) == [0, 0, 0, 0]


def test_the_week_and_the_month_are_windows_of_their_own() -> None:
    past = [posted(day, -1000) for day in range(5)] + [posted(20 + day, -100) for day in range(4)]

    found = last(*past, posted(24, -1000))

    # Of the week: four times 100, a spread of 5. Of the month: the middle is 1000, the median deviation 0.
    assert some(found, "amount_in_week", "amount_in_month") == [20, 0]
    assert found["amount_to_own"] == 0


def test_an_amount_is_compared_with_the_last_hundred() -> None:
    past = [posted(hours=hour / 4, amount=-5000) for hour in range(101)]
    past += [posted(2, hours=hour / 4, amount=-100) for hour in range(100)]

    assert last(*past, posted(4, -800))["amount_to_own"] == 3


def test_the_gap_is_compared_with_the_usual_one() -> None:
    past = [posted(), posted(hours=1), posted(hours=2)]

    found = last(*past, posted(hours=9))

    assert found["gap_hours"] == 3  # 7 hours and one
    assert found["gap_to_own"] == pytest.approx(math.log2((7 * 60 + 1) / 61))


def test_entries_of_one_instant_have_no_gap() -> None:
    found = last(*[posted()] * 4)

    assert some(found, "gap_hours", "gap_to_own") == [0, 0]


@pytest.mark.parametrize(
    ("hours", "rarity"),
    [
        (0, -math.log2(6 / 14)),  # noon, as 5 of 6; and 8 more, of which one falls near any hour
        (1.9, -math.log2(6 / 14)),  # 13:54 is an hour off at most
        (2, -math.log2(1 / 14)),
        (-1, -math.log2(6 / 14)),
        (11.5, -math.log2(2 / 14)),  # half past eleven at night is near midnight's
        (13, -math.log2(2 / 14)),
        (14, -math.log2(1 / 14)),
    ],
)
def test_an_hour_is_compared_with_the_players_hours(hours: float, rarity: float) -> None:
    past = [posted(day) for day in range(5)] + [posted(5, hours=12.2)]

    assert last(*past, posted(7, hours=hours))["hour_rarity"] == pytest.approx(rarity)


@pytest.mark.parametrize(
    ("zone", "night", "weekend"),
    [("UTC", -1 / 4, -1 / 4), ("Asia/Kolkata", 1, 3 / 4)],
)
def test_nights_and_weekends_are_the_operators(zone: str, *, night: float, weekend: float) -> None:
    # One of a Saturday, and one of half past one in the night, when it is morning in Kolkata. On Friday at
    # eight in the evening it is half past one on Saturday there.
    past = [posted(-1.9), posted(0), posted(1), posted(2, hours=-10.5)]

    found = last(*past, posted(4, hours=8), zone=zone)

    assert some(found, "night_unusual", "weekend_unusual") == pytest.approx([night, weekend])


def test_a_kind_is_compared_with_the_players_kinds() -> None:
    past = [posted(day, 100, change_type="deposit") for day in range(3)] + [posted(3)]

    assert last(*past, posted(4))["kind_rarity"] == pytest.approx(-math.log2(2 / 6))
    assert last(*past, posted(4, change_type="fee"))["kind_rarity"] == pytest.approx(-math.log2(1 / 6))


def test_counts_and_sums_are_of_what_is_younger_than_their_window() -> None:
    before = (31, 30, 29, 8, 7, 6, 1, 23 / 24)
    past = [posted(-days, -(2**place)) for place, days in enumerate(before)]

    found = last(*past, posted(0, -256), usual={("EUR", "withdrawal out"): 4})

    assert some(found, *COUNTS) == pytest.approx([math.log2(2), math.log2(4), math.log2(7)])
    # 128 and 256; 32, 64 and these; 4, 8, 16 and these.
    assert some(found, *SUMS) == pytest.approx([math.log2(1 + total / 4) for total in (384, 480, 508)])
    assert some(found, "count_crowding", "sum_crowding") == pytest.approx([2 / 7, 384 / 508])


@pytest.mark.parametrize(
    ("amount", "balance", "share"),
    [
        (-50, 200, 0.25),
        (-200, 200, 1),
        (-300, 200, 1.5),
        (-9000, 200, 10),
        (-5, 0, 5),
        (-5, -100, 5),
        (50, 200, 0),
        (-50, None, 0),
    ],
)
def test_a_debit_takes_a_share_of_the_balance(amount: int, balance: int | None, share: float) -> None:
    assert last(posted(amount=amount, balance=balance))["share_of_balance"] == share


@pytest.mark.parametrize(
    ("before", "now", "is_new"),
    [
        ([posted(poster="staff:1")], posted(1, poster="staff:1"), 0),
        ([posted(poster="staff:1")], posted(1, poster="staff:2"), 1),
        ([posted(poster="staff:1", player_id=2)], posted(1, poster="staff:1"), 1),
        ([posted(poster="staff:1")], posted(30, poster="staff:1"), 1),
        ([posted(poster="staff:1")], posted(1), 0),  # the system is nobody new
    ],
)
def test_who_posts_for_a_player_for_the_first_time(before: list[Entry], now: Entry, is_new: float) -> None:
    assert last(*before, now)["poster_new"] == is_new


@pytest.mark.parametrize(
    ("days", "shares"),
    [
        (6.999, [0, 0, 0]),  # the first mark is not known yet
        (7, [1, 1, 1]),
        (7.5, [1 / 2, 1 / 2, 1 / 2]),
        (8, [0, 1 / 2, 1 / 2]),  # of the day before the delay: what was made at noon of day 0 is not
        (9.9, [0, 1 / 2, 1 / 2]),
        (10, [1 / 2, 1 / 2, 1 / 2]),
        (14, [0, 1 / 3, 2 / 4]),  # of the week before the delay, day 0 no longer
        (37, [0, 0, 1 / 3]),
        (40, [0, 0, 0]),
    ],
)
def test_what_was_found_amiss_is_known_after_the_delay(days: float, shares: list[float]) -> None:
    past = [
        posted(0, poster="staff:1", is_amiss=True),
        posted(0.5, poster="staff:1", is_amiss=False),
        posted(3, poster="staff:1"),
        posted(3, poster="staff:1", is_amiss=True),
    ]
    of_others = [replace(entry, player_id=2 + place) for place, entry in enumerate(past)]
    of_the_player = [replace(entry, poster=f"staff:{place}") for place, entry in enumerate(past)]
    of_the_player[-1] = replace(of_the_player[-1], currency="USD")

    for_poster = last(*sorted([*of_others, posted(days, poster="staff:1")], key=lambda entry: entry.at))
    for_player = last(*sorted([*of_the_player, posted(days, poster="staff:9")], key=lambda entry: entry.at))

    assert some(for_poster, *OF_POSTER) == pytest.approx(shares)
    assert some(for_poster, *OF_PLAYER) == [0, 0, 0]
    assert some(for_player, *OF_PLAYER) == pytest.approx(shares)
    assert some(for_player, *OF_POSTER) == [0, 0, 0]


@pytest.mark.parametrize(
    ("marked", "days", "share"),
    [(0.1, 6.9, 0), (0.1, 7, 1), (None, 7, 1), (12, 11.9, 0), (12, 12, 1), (12, 37, 0)],
    ids=["soon, too early", "soon", "in time", "late, too early", "late", "out of the window"],
)
def test_a_mark_counts_when_it_is_made_but_never_before_the_delay(
    marked: float | None, days: float, share: float
) -> None:
    found = last(posted(is_amiss=True, marked=marked), posted(days))

    assert found["player_amiss_30_days"] == share


@pytest.mark.parametrize(("marked", "days"), [(None, 8), (1.5, 8), (8, 8), (20, 20)])
def test_from_when_on_a_mark_may_be_used(marked: float | None, days: float) -> None:
    entry = posted(1, is_amiss=True, marked=marked)

    assert anomaly_features.known_from(entry) == START + dt.timedelta(days=days)


def test_a_mark_is_kept_as_long_as_anybody_asks() -> None:
    found = last(posted(is_amiss=True), posted(36.5, is_amiss=True), posted(36.9))

    assert found["player_amiss_30_days"] == 1


def test_what_the_system_posts_is_nobodys() -> None:
    past = [posted(0, is_amiss=True, player_id=2)]

    assert some(last(*past, posted(8)), *OF_POSTER) == [0, 0, 0]


def test_entries_must_come_in_order() -> None:
    stream = Stream(zone="UTC", usual={})
    stream.features(posted(1))

    with pytest.raises(ValueError, match="in the order of their time"):
        stream.features(posted(0.9))
    with pytest.raises(ValueError, match="in the order of their time"):
        stream.take_in(posted(0.9))


def test_what_is_usual_at_the_house() -> None:
    entries = [posted(0, amount) for amount in (-100, -300, -200, 70, 30)] + [
        posted(currency="JPY", amount=0)
    ]

    assert anomaly_features.usual_amounts(entries) == {
        ("EUR", "withdrawal out"): 200,
        ("EUR", "withdrawal in"): 50,
        ("JPY", "withdrawal out"): 1,
    }


entries_of_any = st.lists(
    st.builds(
        posted,
        st.integers(0, 60 * 24).map(lambda hours: hours / 24),
        st.integers(-500, 500),
        player_id=st.integers(1, 2),
        currency=st.sampled_from(["EUR", "EUR", "USD"]),
        change_type=st.sampled_from(["withdrawal", "withdrawal", "adjustment"]),
        balance=st.none() | st.integers(-100, 1000),
        poster=st.sampled_from([None, "staff:1", "staff:2"]),
        is_amiss=st.sampled_from([None, True, True, False]),
        marked=st.none() | st.integers(0, 70),
    ),
    min_size=1,
    max_size=40,
).map(lambda entries: sorted(entries, key=lambda entry: entry.at))


@given(entries_of_any, st.data())
def test_what_comes_later_changes_nothing(entries: list[Entry], data: st.DataObject) -> None:
    """Neither entries that come later, nor marks that are not known yet."""
    upto = data.draw(st.integers(1, len(entries)))
    asked_at = entries[upto - 1].at
    without = [
        entry if anomaly_features.known_from(entry) <= asked_at else replace(entry, is_amiss=None)
        for entry in entries[:upto]
    ]

    assert told(entries)[upto - 1] == told(entries[:upto])[-1] == told(without)[-1]


@given(entries_of_any)
def test_nothing_but_the_recent_past_of_player_and_poster_counts(entries: list[Entry]) -> None:
    asked = entries[-1]
    since = asked.at - dt.timedelta(days=LOOKBACK_DAYS + MARKING_DELAY_DAYS)
    needed = [
        entry
        for entry in entries
        if entry.at > since
        and (entry.player_id == asked.player_id or (asked.poster and entry.poster == asked.poster))
    ]

    assert told(needed)[-1] == told(entries)[-1]


@given(entries_of_any)
def test_counts_sums_and_marks_are_what_plain_counting_gives(entries: list[Entry]) -> None:
    asked, past = entries[-1], entries[:-1]
    found = last(*entries, usual={})
    own = [e for e in entries if (e.player_id, e.currency) == (asked.player_id, asked.currency)]
    unit = max(1, asked.size)
    for days, count_of, sum_of in zip((1, 7, 30), COUNTS, SUMS, strict=True):
        within = [e.size for e in own if asked.at - e.at < dt.timedelta(days=days)]
        assert found[count_of] == pytest.approx(math.log2(len(within)))
        assert found[sum_of] == pytest.approx(math.log2(1 + sum(within) / unit))
    ripe = asked.at - dt.timedelta(days=MARKING_DELAY_DAYS)
    for days, share_of in zip((1, 7, 30), OF_PLAYER, strict=True):
        ripened = [
            e
            for e in past
            if e.player_id == asked.player_id and ripe - dt.timedelta(days=days) < e.at <= ripe
        ]
        amiss = [e for e in ripened if e.is_amiss and anomaly_features.known_from(e) <= asked.at]
        assert found[share_of] == pytest.approx(len(amiss) / max(1, len(ripened)))


def test_forgetting_changes_no_figure_and_keeps_a_stream_small(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        posted(hours=2 * place, amount=-(100 + place * 37 % 91), poster="staff:1", is_amiss=place % 3 == 0)
        for place in range(3000)
    ]
    stream, figures, sizes = Stream(zone="UTC", usual={}), [], []
    for entry in entries:
        figures.append(stream.features(entry))
        sizes.append(len(pickle.dumps(stream)) if len(figures) % 100 == 0 else 0)
    assert max(sizes[1000:]) < 1.1 * max(sizes[:1000])

    monkeypatch.setattr(anomaly_features, "_STALE_LEAST", 1_000_000)
    assert figures == told(entries)


@pytest.mark.parametrize(
    ("name", "figure", "sentence"),
    [
        ("amount_to_house", math.log2(1234.4), "amount is 1,234 times what is usual at the house"),
        ("amount_to_own", math.log2(6), "amount is 6.0 times what is usual for the player"),
        ("amount_to_largest", math.log2(2.5), "amount is 2.5 times the player's largest"),
        ("amount_in_week", 6.74, "amount is 6.7 spreads above the player's usual of 7 days"),
        ("gap_hours", math.log2(3.5), "comes 2.5 hours after the player's last entry"),
        ("gap_hours", NEVER, "the player's first entry in 30 days"),
        ("gap_to_own", 2, "comes 4.0 times later than is usual for the player"),
        ("gap_to_own", -3, "comes 8.0 times sooner than is usual for the player"),
        ("hour_rarity", math.log2(50), "about 2 % of the player's entries fall near its hour"),
        ("night_unusual", 0.9, "at night, as are 10 % of the player's entries"),
        ("night_unusual", -0.9, "by day, as are 10 % of the player's entries"),
        ("weekend_unusual", 1, "at a weekend, as are 0 % of the player's entries"),
        ("count_1_day", math.log2(12), "12 entries within 1 day"),
        ("sum_7_days", math.log2(31), "entries of 7 days come to 30.0 times what is usual at the house"),
        ("sum_crowding", 0.81, "81 % of the sum of 30 days falls into the last day"),
        ("share_of_balance", 0.97, "takes 97 % of the balance"),
        ("poster_new", 1, "posted by somebody new to the player"),
        ("poster_new", 0, "posted by somebody known to the player"),
        ("player_amiss_1_day", 1, "100 % of the player's entries of 1 day were found amiss"),
        ("poster_amiss_30_days", 0.25, "25 % of the poster's entries of 30 days were found amiss"),
    ],
)
def test_every_figure_says_what_it_means(name: str, figure: float, sentence: str) -> None:
    assert BY_NAME[name].says(figure) == sentence


def test_marks_stand_after_what_needs_none() -> None:
    assert FEATURES == OF_HABITS + OF_MARKS
    assert {feature.name for feature in OF_MARKS} == {*OF_PLAYER, *OF_POSTER}
