"""Fitted trees as plain arrays: what they say of an entry, what each feature adds to it, and as bytes. Pure.

scikit-learn is asked to fit and never again: its own way of keeping a model is pickle, and whoever can write
a pickle can run a program where it is read. These bytes are numbers alone. They are checked when they are
read, so that nothing in them can lead outside of the arrays or round in circles.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Places = NDArray[np.int32]

_ROWS_AT_ONCE = 1024
"""So many rows go down all trees together: a few megabytes."""
_LAYOUT = (("feature", "<i2"), ("threshold", "<f8"), ("left", "<i4"), ("right", "<i4"), ("value", "<f8"))


class Damaged(Exception):
    """The bytes are no trees, or lead somewhere that trees cannot."""


@dataclass(frozen=True, slots=True)
class Trees:
    """All nodes of all trees, one after the other; a row goes left where its figure is at most the threshold.

    A leaf leads to itself. The value of a leaf is what the tree says; of a node within, the mean of what it
    says of the entries of the fitting that came by.
    """

    feature: NDArray[np.int16]
    threshold: Floats
    left: _Places
    right: _Places
    value: Floats
    roots: _Places

    def sums(self, rows: Floats) -> Floats:
        """What all trees say of each row, together; `rows` has a column for each feature."""
        parts = [self._sums(rows[at : at + _ROWS_AT_ONCE]) for at in range(0, len(rows), _ROWS_AT_ONCE)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def contributions(self, row: Floats) -> Floats:
        """What each feature adds to the sum of one row, beyond the mean over the entries of the fitting.

        Going down a tree, what is expected changes at every node; the change belongs to the feature that is
        asked about there (A. Saabas, Interpreting random forests, 2014). They add up to the sum less the
        mean exactly.
        """
        added = np.zeros(len(row))
        at = self.roots
        while True:
            following = self._step(at, row[self.feature[at]])
            if np.array_equal(following, at):
                return added
            np.add.at(added, self.feature[at], self.value[following] - self.value[at])
            at = following

    def to_bytes(self) -> bytes:
        """The numbers of nodes and of trees, and the arrays as they are, little-endian."""
        counts = np.array([len(self.feature), len(self.roots)], "<u4")
        columns = (getattr(self, name).astype(kind) for name, kind in _LAYOUT)
        return b"".join(part.tobytes() for part in (counts, self.roots.astype("<i4"), *columns))

    def _sums(self, rows: Floats) -> Floats:
        at = np.tile(self.roots, (len(rows), 1))
        place = np.arange(len(rows))[:, np.newaxis]
        while True:
            following = self._step(at, rows[place, self.feature[at]])
            if np.array_equal(following, at):
                return np.asarray(self.value[at].sum(axis=1))
            at = following

    def _step(self, at: _Places, figures: Floats) -> _Places:
        return np.where(figures <= self.threshold[at], self.left[at], self.right[at])


def from_bytes(data: bytes, *, features: int) -> Trees:
    """The trees of so many features that `to_bytes` wrote. Raises Damaged."""
    if len(data) < 8:
        raise Damaged("too short")
    nodes, trees = (int(count) for count in np.frombuffer(data, "<u4", 2))
    sizes = [trees * 4, *(nodes * np.dtype(kind).itemsize for _name, kind in _LAYOUT)]
    if len(data) != 8 + sum(sizes):
        raise Damaged("not as long as it says")
    columns: dict[str, Any] = {"roots": np.frombuffer(data, "<i4", trees, 8)}
    place = 8 + sizes[0]
    for (name, kind), size in zip(_LAYOUT, sizes[1:], strict=True):
        columns[name] = np.frombuffer(data, kind, nodes, place)
        place += size
    found = Trees(**columns)
    _check(found, features)
    return found


def _check(found: Trees, features: int) -> None:
    """Every step leads further on within the arrays, so that there is an end to them."""
    here = np.arange(len(found.feature))
    is_leaf = (found.left == here) & (found.right == here)
    leads_on = (np.minimum(found.left, found.right) > here) & (
        np.maximum(found.left, found.right) < len(here)
    )
    if not (is_leaf | leads_on).all():
        raise Damaged("a node leads nowhere")
    if not len(found.roots) or found.roots.min() < 0 or found.roots.max() >= len(here):
        raise Damaged("a tree begins nowhere")
    if found.feature.min() < 0 or found.feature.max() >= features:
        raise Damaged("a node asks for a feature that there is not")
    if not (np.isfinite(found.value).all() and np.isfinite(found.threshold).all()):
        raise Damaged("a node holds no number")


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree on its way from scikit-learn: children of leaves are what they may, the root comes first."""

    feature: NDArray[Any]
    threshold: NDArray[Any]
    left: NDArray[Any]
    right: NDArray[Any]
    is_leaf: NDArray[np.bool_]
    leaf_value: NDArray[Any]
    count: NDArray[Any]
    """Of the entries of the fitting that came by."""


def joined(trees: list[Tree]) -> Trees:
    """Many trees as one set of arrays. Raises ValueError where a child stands before its parent."""
    roots = np.cumsum([0, *(len(tree.feature) for tree in trees)])[:-1]
    parts = [_placed(tree, int(root)) for tree, root in zip(trees, roots, strict=True)]
    feature, threshold, left, right, value = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Trees(feature, threshold, left, right, value, roots.astype(np.int32))


def _placed(tree: Tree, root: int) -> tuple[NDArray[Any], ...]:
    here = np.arange(len(tree.feature))
    left = np.where(tree.is_leaf, here, tree.left)
    right = np.where(tree.is_leaf, here, tree.right)
    within = here[~tree.is_leaf]
    if (np.minimum(left, right)[within] <= within).any():
        raise ValueError("a child stands before its parent")
    value = _means(tree, within.tolist())
    return (
        np.where(tree.is_leaf, 0, tree.feature).astype(np.int16),
        np.where(tree.is_leaf, 0.0, tree.threshold).astype(np.float64),
        (left + root).astype(np.int32),
        (right + root).astype(np.int32),
        value,
    )


def _means(tree: Tree, within: list[int]) -> Floats:
    """The value of every node, from the leaves up. Node by node: lists are faster than arrays at that."""
    value = np.where(tree.is_leaf, tree.leaf_value, 0.0).tolist()
    left, right, count = tree.left.tolist(), tree.right.tolist(), tree.count.tolist()
    for node in reversed(within):
        one, other = left[node], right[node]
        total = value[one] * count[one] + value[other] * count[other]
        value[node] = total / (count[one] + count[other])
    return np.array(value, np.float64)
