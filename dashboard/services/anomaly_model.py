"""Models of entries: a forest that needs nobody's word, a model of what people marked, and why they say so.

Pure. A model is fitted on rows of figures (`anomaly_features`), one per entry, in the order of FEATURES. Both
kinds are trees whose answers are summed, so both are scored, explained and kept by `anomaly_trees`. The same
rows give the same model. A stream's first rows have less past than the others and look unusual for that: let
the stream take in LOOKBACK_DAYS before those to fit on, where there are any.

A kept model carries no seal. Its bytes are numbers that are checked when they are read; the worst that a
forged one can do is score wrongly, and whoever may write it into the database may write the scores as well.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dashboard.errors import PurserError
from dashboard.services import anomaly_trees as trees
from dashboard.services.anomaly_features import Usual
from dashboard.services.anomaly_trees import Floats, Tree, Trees
from dashboard.services.anomaly_wording import BY_NAME, FEATURES, OF_HABITS

MAGIC = b"purser.entries.1\n"
ENTRIES_LEAST = 256
"""A forest of fewer entries takes everything for unusual."""
MARKS_LEAST = 30
"""So many entries must be marked amiss, and as many not, before marks are learnt from."""
HIT_SHARE = 0.005
"""Of the entries of the fitting, how many score as high as a hit."""
REASONS = 3

FOREST_TREES = 200
"""With the 100 of the paper the order of the highest scores depends on the seed (`benchmarks/fraud.py`)."""
FOREST_SAMPLE = 1024
"""Entries to a tree. The 256 of the paper leave leaves so coarse that the rarest are not told apart."""
_SEED = 20_260_301
_LENGTH = struct.Struct(">I")
_HEAD_MOST_BYTES = 1024 * 1024
_EULER = 0.577_215_664_901_532_9


class TooFew(PurserError):
    """There is not enough to fit a model on."""


class Unreadable(PurserError):
    """What was kept is no model of these features: fit anew."""


class Kind(StrEnum):
    """What a score is: of a forest its anomaly score; of marks how likely a person would find it amiss."""

    FOREST = "forest"
    MARKED = "marked"


@dataclass(frozen=True, slots=True)
class Model:
    """A fitted model, and what must be known to make rows for it."""

    kind: Kind
    names: tuple[str, ...]
    """Of the features that it asks for: the first ones of a row."""
    usual: Usual
    """The house's usual amounts at the fitting, by which the rows to be scored are measured too."""
    hit_from: float
    base: float
    scale: float
    """What the trees say together becomes base + scale × sum; then see `score`."""
    trees: Trees


@dataclass(frozen=True, slots=True)
class Reason:
    """One of the features that raised a score."""

    name: str
    figure: float
    share: float
    """Of all that raised it, 0 to 1."""
    sentence: str


def matrix(rows: ArrayLike) -> Floats:
    """Rows as they are fitted and scored: rounded to single precision, as scikit-learn's forest rounds them.

    Raises ValueError where they are not rows of FEATURES, or not numbers.
    """
    found = np.asarray(rows, dtype=np.float32).astype(np.float64)
    if found.ndim != 2 or found.shape[1] != len(FEATURES):
        raise ValueError(f"rows of {len(FEATURES)} figures are wanted")
    if not np.isfinite(found).all():
        raise ValueError("a figure is no number")
    return found


def fit_unlabelled(rows: ArrayLike, *, usual: Usual, hit_share: float = HIT_SHARE) -> Model:
    """An isolation forest (F. T. Liu, K. M. Ting, Z.-H. Zhou, 2008) on what needs no marks.

    Raises TooFew for fewer than ENTRIES_LEAST rows.
    """
    # Imported here: it takes seconds, and nothing but fitting asks for it.
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415

    figures = matrix(rows)[:, : len(OF_HABITS)]
    if len(figures) < ENTRIES_LEAST:
        raise TooFew(f"A model needs {ENTRIES_LEAST} entries at least; there are {len(figures)}.")
    sample = min(FOREST_SAMPLE, len(figures))
    fitted = IsolationForest(n_estimators=FOREST_TREES, max_samples=sample, random_state=_SEED, n_jobs=1)
    fitted.fit(figures.astype(np.float32))
    joined = trees.joined([_isolating(each.tree_) for each in fitted.estimators_])
    scale = -1 / (FOREST_TREES * float(_mean_depth(np.array([sample]))[0]))
    names = tuple(feature.name for feature in OF_HABITS)
    return _with_hits(Model(Kind.FOREST, names, dict(usual), 0.0, 0.0, scale, joined), figures, hit_share)


def fit_marked(
    rows: ArrayLike,
    is_amiss: Sequence[bool] | NDArray[np.bool_],
    *,
    usual: Usual,
    hit_share: float = HIT_SHARE,
) -> Model:
    """Boosted trees on what people found amiss, by every feature.

    `is_amiss` has a word for each row. The caller leaves out entries whose marks may still come
    (`anomaly_features.known_from`). Amiss and in order are not weighed against each other: a score is then a
    likelihood, and the order of scores is no better for it. Raises TooFew for fewer than MARKS_LEAST of
    either.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    figures, marks = matrix(rows), np.asarray(is_amiss, dtype=np.bool_)
    amiss = int(marks.sum())
    if min(amiss, len(marks) - amiss) < MARKS_LEAST:
        raise TooFew(f"A model needs {MARKS_LEAST} entries marked amiss, and as many in order.")
    fitted = HistGradientBoostingClassifier(
        learning_rate=0.05,
        max_iter=150,
        max_leaf_nodes=8,  # with few entries amiss larger trees learn them by heart
        min_samples_leaf=50,
        l2_regularization=1.0,
        early_stopping=False,  # it would set entries aside at random
        random_state=_SEED,
    )
    # Its threads wait for each other by spinning: where the desk has a core, ten times as long as one takes.
    with threadpool_limits(1, user_api="openmp"):
        fitted.fit(figures, marks)
    joined = trees.joined([_boosted(each.nodes) for (each,) in fitted._predictors])
    base = float(np.ravel(fitted._baseline_prediction)[0])
    names = tuple(feature.name for feature in FEATURES)
    return _with_hits(Model(Kind.MARKED, names, dict(usual), 0.0, base, 1.0, joined), figures, hit_share)


def score(model: Model, rows: ArrayLike) -> Floats:
    """How unusual each row is, 0 to 1. Raises ValueError as `matrix` does."""
    return _score(model, matrix(rows)[:, : len(model.names)])


def explain(model: Model, row: Sequence[float], *, most: int = REASONS) -> tuple[Reason, ...]:
    """What raised the score of one row, the leading feature first, and one for each thing they speak of.

    Empty where nothing did. Equal contributions stand in the order of FEATURES.
    """
    figures = matrix([row])[0, : len(model.names)]
    added = model.scale * model.trees.contributions(figures)
    raised = float(added[added > 0].sum())
    reasons: dict[str, Reason] = {}
    for place in np.argsort(-added, kind="stable"):
        feature = BY_NAME[model.names[place]]
        if added[place] <= 0 or len(reasons) == most:
            break
        if feature.about not in reasons:
            figure, share = float(figures[place]), float(added[place]) / raised
            reasons[feature.about] = Reason(feature.name, figure, share, feature.says(figure))
    return tuple(reasons.values())


def to_bytes(model: Model) -> bytes:
    """A model as it is kept: a name, the length of a head in JSON and the head, and the trees."""
    head = json.dumps(
        {
            "kind": model.kind,
            "names": model.names,
            "usual": [[*key, amount] for key, amount in sorted(model.usual.items())],
            "hit_from": model.hit_from,
            "base": model.base,
            "scale": model.scale,
        }
    ).encode()
    return MAGIC + _LENGTH.pack(len(head)) + head + model.trees.to_bytes()


def from_bytes(data: bytes) -> Model:
    """The model that `to_bytes` wrote; whatever else is given, nothing of it is run.

    Raises Unreadable for what is no model, and for one that was fitted on other features.
    """
    start = len(MAGIC) + _LENGTH.size
    if not data.startswith(MAGIC) or len(data) < start:
        raise Unreadable("This is no model of entries.")
    (length,) = _LENGTH.unpack(data[len(MAGIC) : start])
    if length > _HEAD_MOST_BYTES:
        raise Unreadable("The head of the model is damaged.")
    try:
        model = _model(json.loads(data[start : start + length]), data[start + length :])
    except (ValueError, KeyError, TypeError, RecursionError, trees.Damaged) as error:
        raise Unreadable(f"The model is damaged: {error}.") from error
    if model.names != tuple(feature.name for feature in FEATURES[: len(model.names)]):
        raise Unreadable("The model was fitted on other features: fit it anew.")
    return model


def _model(head: Mapping[str, Any], body: bytes) -> Model:
    names = tuple(map(str, head["names"]))
    return Model(
        kind=Kind(head["kind"]),
        names=names,
        usual={(str(currency), str(kind)): _number(amount) for currency, kind, amount in head["usual"]},
        hit_from=_number(head["hit_from"]),
        base=_number(head["base"]),
        scale=_number(head["scale"]),
        trees=trees.from_bytes(body, features=len(names)),
    )


def _number(value: Any) -> float:
    number = float(value)
    if not np.isfinite(number):
        raise ValueError("a number is none")
    return number


def _with_hits(model: Model, figures: Floats, hit_share: float) -> Model:
    return replace(model, hit_from=float(np.quantile(_score(model, figures), 1 - hit_share)))


def _score(model: Model, figures: Floats) -> Floats:
    told = model.base + model.scale * model.trees.sums(figures)
    return np.exp2(told) if model.kind == Kind.FOREST else 1 / (1 + np.exp(-told))


def _isolating(tree: Any) -> Tree:
    """A leaf says how deep it lies, and how deep those in it would lie if they were isolated further."""
    left, right = tree.children_left, tree.children_right
    is_leaf = left < 0
    depth = np.zeros(len(left))
    for node in np.flatnonzero(~is_leaf):
        depth[[left[node], right[node]]] = depth[node] + 1
    value = depth + _mean_depth(tree.n_node_samples)
    return Tree(tree.feature, tree.threshold, left, right, is_leaf, value, tree.n_node_samples)


def _mean_depth(count: NDArray[Any]) -> Floats:
    """The mean depth of a leaf in a random search tree of so many: c(n) of the paper."""
    count = np.asarray(count, dtype=np.float64)
    many = np.maximum(count, 3.0) - 1
    return np.select(
        [count <= 1, count <= 2], [0.0, 1.0], 2 * (np.log(many) + _EULER) - 2 * many / (many + 1)
    )


def _boosted(nodes: NDArray[Any]) -> Tree:
    return Tree(
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["left"].astype(np.int64),
        nodes["right"].astype(np.int64),
        nodes["is_leaf"].astype(np.bool_),
        nodes["value"],
        nodes["count"],
    )
