"""Models of entries: what scikit-learn says, reasons on planted cases, and bytes that lead nowhere else."""

import datetime as dt
import math
import pickle
import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, IsolationForest
from threadpoolctl import threadpool_limits

from dashboard.services import anomaly_features, anomaly_model, anomaly_trees
from dashboard.services.anomaly_features import Entry, Stream
from dashboard.services.anomaly_model import Kind, Model, Reason, TooFew, Unreadable
from dashboard.services.anomaly_wording import FEATURES, OF_HABITS

NAMES = [feature.name for feature in FEATURES]
USUAL = {("EUR", "withdrawal out"): 5000.0, ("USD", "deposit in"): 2500.0}
QUIET = dict.fromkeys(NAMES, 0.0)
START = dt.datetime(2026, 3, 2, tzinfo=dt.UTC)
COUNT = 2000
MARKED = 400
"""Of these entries, the poster's earlier ones were found amiss; most of them were found amiss too."""


def usual_rows() -> NDArray[np.float32]:
    """Entries of players with habits: no figure is far from the others."""
    rows = np.random.default_rng(1).normal(0.0, 1.0, (COUNT, len(NAMES)))
    rows[:, NAMES.index("player_amiss_1_day") :] = 0.0
    return rows.astype(np.float32)


def row(**figures: float) -> list[float]:
    return [*(QUIET | figures).values()]


@pytest.fixture(scope="module")
def forest() -> Model:
    return anomaly_model.fit_unlabelled(usual_rows(), usual=USUAL)


@pytest.fixture(scope="module")
def marked() -> Model:
    rows, is_amiss = marked_rows()
    return anomaly_model.fit_marked(rows, is_amiss, usual=USUAL)


def marked_rows() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Amiss is what is far above the player's usual, and most of what a poster with a past has posted."""
    rows = usual_rows()
    rows[:MARKED, NAMES.index("poster_amiss_7_days")] = np.linspace(0.2, 1, MARKED)
    is_amiss = rows[:, NAMES.index("amount_to_own")] > 2
    is_amiss[: MARKED * 3 // 4] = True
    return rows, is_amiss


@pytest.fixture(scope="module")
def habits() -> tuple[Model, Stream]:
    """A forest of 40 players who deposit once a day about noon, about as much each, and the stream of them.

    One entry in 50 is of the night, one of another type, one of other staff: a forest can only tell apart
    what it has seen differ.
    """
    random = np.random.default_rng(2)
    entries = []
    for place in range(40 * 40):
        day, player_id = place // 40, 1 + place % 40
        is_night, is_other, is_by_other = random.random(3) < 1 / 50
        hour = random.uniform(1, 4) if is_night else random.normal(12, 1)
        entries.append(
            Entry(
                player_id,
                "EUR",
                START + dt.timedelta(days=day, hours=float(hour)),
                "adjustment" if is_other else "deposit",
                int(1000 * player_id * random.uniform(0.8, 1.2)),
                poster="staff:9" if is_by_other else "staff:1",
            )
        )
    entries.sort(key=lambda entry: entry.at)
    usual = anomaly_features.usual_amounts(entries)
    stream = Stream(zone="UTC", usual=usual)
    rows = [stream.features(entry) for entry in entries]
    # On the first days there is no past to be unlike.
    return anomaly_model.fit_unlabelled(rows[400:], usual=usual), stream


def rows_of(stream: Stream, then: list[Entry]) -> list[tuple[float, ...]]:
    """The figures of what comes then; the stream stays as it was."""
    copied = deepcopy(stream)
    return [copied.features(entry) for entry in then]


def afterwards(
    *, hours: float = 12, amount: int = 3000, change_type: str = "deposit", poster: str = "staff:1"
) -> Entry:
    """An entry of player 3 on the day after."""
    at = START + dt.timedelta(days=40, hours=hours)
    return Entry(3, "EUR", at, change_type, amount, poster=poster)


def leading(model: Model, **figures: float) -> Reason:
    return anomaly_model.explain(model, row(**figures))[0]


def test_a_forest_scores_as_scikit_learns_does(forest: Model) -> None:
    rows = usual_rows()
    habits = rows[:, : len(OF_HABITS)]
    theirs = IsolationForest(
        n_estimators=anomaly_model.FOREST_TREES,
        max_samples=anomaly_model.FOREST_SAMPLE,
        random_state=anomaly_model._SEED,
    ).fit(habits)

    assert anomaly_model.score(forest, rows) == pytest.approx(-theirs.score_samples(habits), rel=1e-12)


def test_a_model_of_marks_scores_as_scikit_learns_does(marked: Model) -> None:
    rows, is_amiss = marked_rows()
    theirs = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,
        min_samples_leaf=50,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=anomaly_model._SEED,
    )
    with threadpool_limits(1, user_api="openmp"):
        theirs.fit(rows, is_amiss)

    assert anomaly_model.score(marked, rows) == pytest.approx(theirs.predict_proba(rows)[:, 1], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("amount_to_own", 9),
        ("gap_hours", 9),
        ("night_unusual", 9),
        ("sum_1_day", 12),
        ("share_of_balance", 10),
    ],
)
def test_the_forest_names_what_was_planted(forest: Model, name: str, figure: float) -> None:
    found = leading(forest, **{name: figure})

    assert (found.name, found.figure) == (name, figure)
    assert found.share > 0.5
    unusual, usual = anomaly_model.score(forest, [row(**{name: figure}), row()])
    assert unusual > usual


@pytest.mark.parametrize(
    ("planted", "about"),
    [
        ([afterwards(amount=30_000)], "amount"),
        ([afterwards(hours=2)], "hour"),
        ([afterwards(change_type="adjustment")], "kind"),
        ([afterwards(poster="staff:2")], "poster"),
        ([afterwards(hours=12 + place / 2) for place in range(8)], "gap"),
    ],
    ids=["amount", "hour", "kind", "poster", "in a row"],
)
def test_the_forest_says_what_a_player_never_did_before(
    habits: tuple[Model, Stream], planted: list[Entry], about: str
) -> None:
    model, stream = habits
    rows, usual = rows_of(stream, planted), rows_of(stream, [afterwards()])

    reasons = anomaly_model.explain(model, rows[-1])
    assert anomaly_model.BY_NAME[reasons[0].name].about == about, reasons
    assert anomaly_model.score(model, rows)[-1] > 1.1 * anomaly_model.score(model, usual)[0]


def test_the_forest_finds_nothing_in_what_a_player_always_does(habits: tuple[Model, Stream]) -> None:
    model, stream = habits

    assert anomaly_model.score(model, rows_of(stream, [afterwards()]))[0] < model.hit_from


def test_the_forest_does_not_see_what_never_differed() -> None:
    """No tree asks about a figure that is the same in all rows: whatever it is later tells nothing."""
    rows = usual_rows()[:256]
    rows[:, NAMES.index("poster_new")] = 0.0
    model = anomaly_model.fit_unlabelled(rows, usual=USUAL)

    new, same, far = anomaly_model.score(model, [row(poster_new=1), row(), row(gap_hours=8)])
    assert new == same < far


def test_a_model_of_marks_names_what_was_planted(marked: Model) -> None:
    assert leading(marked, amount_to_own=3).name == "amount_to_own"
    assert leading(marked, poster_amiss_7_days=0.9).name == "poster_amiss_7_days"
    amiss, other = anomaly_model.score(marked, [row(poster_amiss_7_days=0.4), row()])
    assert amiss > 0.9
    assert other < 0.1


def test_a_reason_is_a_sentence(forest: Model) -> None:
    found = anomaly_model.explain(forest, row(amount_to_own=math.log2(64), gap_hours=8))

    assert {reason.sentence for reason in found[:2]} == {
        "amount is 64.0 times what is usual for the player",
        "comes 255 hours after the player's last entry",
    }
    assert 0.8 < sum(reason.share for reason in found[:2]) <= 1


def test_reasons_speak_of_different_things(forest: Model) -> None:
    many = dict.fromkeys(
        ("amount_to_own", "amount_to_house", "amount_in_month", "sum_1_day", "hour_rarity"), 8.0
    )

    found = anomaly_model.explain(forest, row(**many), most=2)
    assert len(found) == 2
    every = anomaly_model.explain(forest, row(**many), most=100)
    about = [anomaly_model.BY_NAME[reason.name].about for reason in every]
    assert len(about) == len(set(about)) >= 3
    assert [reason.share for reason in every] == sorted((reason.share for reason in every), reverse=True)
    # What made the score lower is no reason for it.
    assert all(reason.share > 0 for reason in every)


def test_contributions_add_up_to_the_score(forest: Model, marked: Model) -> None:
    rows = anomaly_model.matrix(usual_rows()[:50])
    for model in (forest, marked):
        figures = rows[:, : len(model.names)]
        mean = model.trees.value[model.trees.roots].sum()
        for each, whole in zip(figures, model.trees.sums(figures), strict=True):
            assert mean + model.trees.contributions(each).sum() == pytest.approx(whole)


def test_the_same_rows_give_the_same_model(forest: Model, marked: Model) -> None:
    again = anomaly_model.fit_unlabelled(usual_rows(), usual=USUAL)
    assert anomaly_model.to_bytes(again) == anomaly_model.to_bytes(forest)
    rows, is_amiss = marked_rows()
    again = anomaly_model.fit_marked(rows, is_amiss, usual=USUAL)
    assert anomaly_model.to_bytes(again) == anomaly_model.to_bytes(marked)


def test_hits_are_as_rare_as_asked_for() -> None:
    model = anomaly_model.fit_unlabelled(usual_rows(), usual=USUAL, hit_share=0.02)

    hits = anomaly_model.score(model, usual_rows()) >= model.hit_from
    assert hits.sum() == COUNT * 0.02


def test_many_rows_score_as_each_alone(forest: Model) -> None:
    rows = usual_rows()

    whole = anomaly_model.score(forest, rows)
    assert len(rows) > anomaly_trees._ROWS_AT_ONCE
    assert whole[[0, 1023, 1024, -1]] == pytest.approx(
        [anomaly_model.score(forest, rows[[place]])[0] for place in (0, 1023, 1024, -1)], rel=1e-12
    )


def test_too_little_to_fit_on() -> None:
    rows, least = usual_rows(), anomaly_model.MARKS_LEAST
    with pytest.raises(TooFew, match="256 entries at least; there are 255"):
        anomaly_model.fit_unlabelled(rows[:255], usual=USUAL)
    assert anomaly_model.fit_unlabelled(rows[:256], usual=USUAL).kind == Kind.FOREST
    for amiss in (least - 1, COUNT - least + 1):
        with pytest.raises(TooFew, match="30 entries marked amiss, and as many in order"):
            anomaly_model.fit_marked(rows, np.arange(COUNT) < amiss, usual=USUAL)
    assert anomaly_model.fit_marked(rows, np.arange(COUNT) < least, usual=USUAL).kind == Kind.MARKED


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row()[:-1]], "rows of"),
        (row(), "rows of"),
        ([row(gap_hours=math.nan)], "no number"),
        ([row(gap_hours=math.inf)], "no number"),
    ],
)
def test_what_are_no_rows(forest: Model, rows: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        anomaly_model.score(forest, rows)


def test_no_rows_have_no_scores(forest: Model) -> None:
    assert len(anomaly_model.score(forest, np.zeros((0, len(NAMES))))) == 0


@pytest.mark.parametrize("kind", [Kind.FOREST, Kind.MARKED])
def test_a_model_is_kept_as_it_is(kind: Kind, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    rows = usual_rows()

    kept = anomaly_model.to_bytes(model)
    found = anomaly_model.from_bytes(kept)

    assert (found.kind, found.names, found.usual, found.hit_from) == (
        kind,
        model.names,
        USUAL,
        model.hit_from,
    )
    assert np.array_equal(anomaly_model.score(found, rows), anomaly_model.score(model, rows))
    assert anomaly_model.explain(found, row(amount_to_own=6)) == anomaly_model.explain(
        model, row(amount_to_own=6)
    )
    assert anomaly_model.to_bytes(found) == kept
    assert len(kept) < 5e6


def changed(column: str, place: int, value: float) -> Callable[[Model], bytes]:
    """The bytes of a model one of whose nodes was written anew."""

    def kept(model: Model) -> bytes:
        found = getattr(model.trees, column).copy()
        found[place] = value
        return anomaly_model.to_bytes(replace(model, trees=replace(model.trees, **{column: found})))

    return kept


def with_head(old: bytes, new: bytes) -> Callable[[Model], bytes]:
    """The bytes of a model whose head was written anew."""

    def kept(model: Model) -> bytes:
        whole, start = anomaly_model.to_bytes(model), len(anomaly_model.MAGIC) + 4
        (length,) = struct.unpack(">I", whole[start - 4 : start])
        head = whole[start : start + length]
        assert old in head
        head = head.replace(old, new)
        return anomaly_model.MAGIC + struct.pack(">I", len(head)) + head + whole[start + length :]

    return kept


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: b"", "no model of entries"),
        (pickle.dumps, "no model of entries"),
        (lambda model: anomaly_model.MAGIC, "no model of entries"),
        (lambda model: anomaly_model.MAGIC + b"\xff" * 4, "head of the model is damaged"),
        (lambda model: anomaly_model.MAGIC + struct.pack(">I", 500_000) + b"[" * 500_000, "damaged"),
        (lambda model: anomaly_model.MAGIC + struct.pack(">I", 2) + b"{}", "damaged: 'names'"),
        (lambda model: anomaly_model.to_bytes(model)[:-1], "not as long as it says"),
        (lambda model: anomaly_model.to_bytes(model) + b"\0", "not as long as it says"),
        (changed("left", 0, 0), "leads nowhere"),
        (changed("right", 0, 2**31 - 1), "leads nowhere"),
        (changed("left", 0, -1), "leads nowhere"),
        (changed("roots", 0, -1), "begins nowhere"),
        (changed("roots", 0, 2**31 - 1), "begins nowhere"),
        (changed("feature", 0, -1), "a feature that there is not"),
        (changed("feature", 0, len(OF_HABITS)), "a feature that there is not"),
        (changed("value", 5, math.nan), "holds no number"),
        (changed("threshold", 0, math.inf), "holds no number"),
        (with_head(b'"forest"', b'"pickle"'), "not a valid Kind"),
        (with_head(b"2500.0", b"NaN"), "a number is none"),
        (with_head(b'"scale": -', b'"scale": -Infinity, "was": '), "a number is none"),
        (with_head(b"amount_to_own", b"amount_to_me"), "fitted on other features"),
        (with_head(b'"gap_hours", "gap_to_own"', b'"gap_to_own", "gap_hours"'), "fitted on other features"),
    ],
)
def test_what_is_no_model_is_not_read(forest: Model, damage: Callable[[Model], bytes], message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        anomaly_model.from_bytes(damage(forest))


@pytest.mark.parametrize("data", [b"", b"\0" * 7, struct.pack("<II", 0, 0), b"\xff" * 64])
def test_bytes_that_are_no_trees(data: bytes) -> None:
    with pytest.raises(anomaly_trees.Damaged):
        anomaly_trees.from_bytes(data, features=3)


def test_a_tree_by_hand() -> None:
    """10 entries: 6 go left at feature 0 ≤ 1 and say 1; the 4 others at feature 1 ≤ 2: 3 say 5, 1 says 9."""
    tree = anomaly_trees.Tree(
        feature=np.array([0, 0, 1, 0, 0]),
        threshold=np.array([1.0, 0, 2.0, 0, 0]),
        left=np.array([1, -1, 3, -1, -1]),
        right=np.array([2, -1, 4, -1, -1]),
        is_leaf=np.array([False, True, False, True, True]),
        leaf_value=np.array([0.0, 1, 0, 5, 9]),
        count=np.array([10, 6, 4, 3, 1]),
    )
    found = anomaly_trees.joined([tree, tree])

    rows = np.array([[1.0, 9.0], [1.1, 2.0], [1.1, 2.1]])
    assert [*found.sums(rows)] == [2, 10, 18]
    # The mean of those on the right is 6, of all 3: for two trees alike twice that.
    assert [*found.contributions(rows[0])] == [-4, 0]
    assert [*found.contributions(rows[1])] == [6, -2]
    assert [*found.contributions(rows[2])] == [6, 6]


def test_a_child_before_its_parent_is_refused() -> None:
    nodes = np.array([1, -1, -1])
    tree = anomaly_trees.Tree(nodes, nodes, np.array([1, 0, 0]), np.array([0, 0, 0]), nodes > 1, nodes, nodes)

    with pytest.raises(ValueError, match="before its parent"):
        anomaly_trees.joined([tree])
