"""Histories for anomalies: journals written at once, and a model by hand that minds nothing but amounts."""

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from dashboard.models import AnomalyModel, WalletEntry
from dashboard.models.anomaly import ModelKind
from dashboard.services import anomaly_model, anomaly_trees, rollups
from dashboard.services.anomaly_model import Kind, Model
from dashboard.services.anomaly_wording import OF_HABITS
from tests import builders
from tests.builders import NOW

DAY = dt.timedelta(days=1)
USUAL = 10_00
"""What the entries of `ordinary` come to, about."""


class Posted(NamedTuple):
    """An entry of a journal."""

    at: dt.datetime
    amount: int = USUAL
    by: str = "system"


def write(session: Session, player_id: int, posted: Sequence[Posted], *, currency: str = "USD") -> None:
    """Append adjustments to a journal in one statement, past the door: figures need no proof."""
    scope = {"player": player_id, "currency": currency}
    known = session.execute(
        text(
            "SELECT operator_id, real, version FROM balances"
            " WHERE player_id = :player AND currency = :currency"
        ),
        scope,
    ).one()
    rows, stands = [], known.real
    for number, entry in enumerate(posted, known.version + 1):
        stands += entry.amount
        rows.append(
            {
                "player_id": player_id,
                "currency": currency,
                "sequence": number,
                "operator_id": known.operator_id,
                "change_type": "adjustment",
                "contra_account": "adjustments",
                "real_delta": entry.amount,
                "real_after": stands,
                "bonus_after": 0,
                "reason": "Planted",
                "performed_by": entry.by,
                "idempotency_key": f"{currency}-{number}",
                "fingerprint": bytes(32),
                "created_at": entry.at,
                "hash": bytes(32),
            }
        )
    session.execute(insert(WalletEntry), rows)
    session.execute(
        text(
            "UPDATE balances SET version = :version, real = :real"
            " WHERE player_id = :player AND currency = :currency"
        ),
        {**scope, "version": known.version + len(rows), "real": stands},
    )


def ordinary(player: int, *, days: int = 60, until: dt.datetime = NOW) -> list[Posted]:
    """An entry a day, near noon, of about the usual amount; players differ a little."""
    return [
        Posted(
            until - back * DAY + dt.timedelta(minutes=(back * 37 + player * 11) % 120 - 90),
            USUAL + (back * 53 + player * 29) % 400 - 200,
        )
        for back in range(days, 0, -1)
    ]


def make_history(session: Session, operator_id: int, *, players: int = 20, days: int = 60) -> list[int]:
    """Players with ordinary journals that are rolled up; their ids."""
    found = [builders.make_player(session, operator_id=operator_id) for _ in range(players)]
    for number, player_id in enumerate(found):
        write(session, player_id, ordinary(number, days=days))
    roll(session)
    return found


def roll(session: Session, *, at: dt.datetime = NOW) -> None:
    """Have the rollups hold everything."""
    rollups.begin(session)
    while rollups.roll(session):
        pass
    rollups.passed(session, at=at)


def large_amounts(*, hit_from: float = 0.9) -> Model:
    """A forest of one tree: 0.93 for an amount beyond 8 times the house's usual, else 0.5."""
    tree = anomaly_trees.Tree(
        feature=np.array([0, 0, 0]),
        threshold=np.array([3.0, 0.0, 0.0]),
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        is_leaf=np.array([False, True, True]),
        leaf_value=np.array([0.0, 0.0, 1.0]),
        count=np.array([100, 99, 1]),
    )
    return Model(
        kind=Kind.FOREST,
        names=tuple(feature.name for feature in OF_HABITS),
        usual={("USD", "adjustment in"): float(USUAL), ("USD", "adjustment out"): float(USUAL)},
        hit_from=hit_from,
        base=-1.0,
        scale=0.9,
        trees=anomaly_trees.joined([tree]),
    )


def install(session: Session, operator_id: int, model: Model | None = None, *, at: dt.datetime = NOW) -> int:
    """Have a model score the operator's entries; its id."""
    made = model or large_amounts()
    new = insert(AnomalyModel).values(
        operator_id=operator_id,
        kind=ModelKind.UNLABELLED,
        fitted_at=at,
        entries=1_200,
        marked=0,
        threshold=int(100 * made.hit_from),
        content=anomaly_model.to_bytes(made),
        metrics='{"days": 90, "hits_a_day": 1.5, "judged_on": 0}',
    )
    return session.scalars(new.returning(AnomalyModel.id)).one()
