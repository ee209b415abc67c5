"""Xp in sets do what xp one by one do."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.login import Role
from dashboard.models.vip import Level
from dashboard.services import vip_rules
from dashboard.services.actors import SYSTEM
from tests.builders import NOW, make_actor, make_operator, make_player

GAINS = (0, 1, 999, 1_000, 9_999, 10_000, 49_999, 50_000, 250_000, 10**9)


def standing(session: Session, player_ids: list[int]) -> list[tuple[Any, ...]]:
    return [
        tuple(
            session.execute(
                text("""
                SELECT w.vip_level, w.xp, w.total_xp, (
                  SELECT array_agg(ROW(from_level, to_level, reason, total_xp, changed_by, changed_at)::text
                                   ORDER BY id)
                  FROM vip_level_changes c WHERE c.player_id = w.player_id)
                FROM wallets w WHERE w.player_id = :p
                """),
                {"p": player_id},
            ).one()
        )
        for player_id in player_ids
    ]


def test_many_at_once_end_as_one_by_one(session: Session) -> None:
    operator_id = make_operator(session)
    manager = make_actor(session, operator_id=operator_id, role=Role.MANAGER)
    alone = [make_player(session, operator_id=operator_id) for _ in GAINS]
    together = [make_player(session, operator_id=operator_id) for _ in GAINS]
    for player_id in (alone[2], together[2]):
        vip_rules.set_level(
            session, player_id=player_id, level=Level.GOLD, reason="A gift", actor=manager, now=NOW
        )
    for later in (NOW, NOW + dt.timedelta(hours=1)):
        for player_id, xp in zip(alone, GAINS, strict=True):
            vip_rules.add_xp(session, player_id=player_id, xp=xp, reason="Stakes", actor=SYSTEM, now=later)
        gains = [
            vip_rules.Gain(player_id, xp, "Stakes", later)
            for player_id, xp in zip(together, GAINS, strict=True)
        ]
        vip_rules.add_xp_many(session, gains, actor=SYSTEM)
        assert standing(session, together) == standing(session, alone)


def test_a_player_who_is_not_there_is_told(session: Session) -> None:
    with pytest.raises(NotFound):
        vip_rules.add_xp_many(session, [vip_rules.Gain(0, 5, "Stakes", NOW)], actor=SYSTEM)
