"""At most two events a second tell of a game, and the last of them is never left out."""

from dashboard.views.live import KEEPALIVE_SECONDS, PACE_SECONDS, Pace


def test_what_comes_too_soon_waits_for_its_time() -> None:
    pace = Pace()
    assert pace.let_through({"game:1"}, 100.0) == {"game:1"}
    assert pace.let_through({"game:1"}, 100.1) == set()
    assert pace.patience(100.1) == 100.0 + PACE_SECONDS - 100.1
    assert pace.let_through(set(), 100.0 + PACE_SECONDS) == {"game:1"}
    assert pace.patience(101.0) == KEEPALIVE_SECONDS


def test_other_topics_wait_for_nothing() -> None:
    pace = Pace()
    pace.let_through({"game:1"}, 100.0)
    assert pace.let_through({"game:1", "player:7", "alerts:1"}, 100.1) == {"player:7", "alerts:1"}
    assert pace.let_through({"player:7"}, 100.6) == {"player:7", "game:1"}


def test_a_thousand_bets_in_a_second_are_told_twice() -> None:
    pace = Pace()
    told = [pace.let_through({"game:1"}, 100 + number / 1000) for number in range(1000)]
    assert len([topics for topics in told if topics]) == 2
    assert 0 < pace.patience(101.0) <= PACE_SECONDS
