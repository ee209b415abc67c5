"""VIP rules as the pages show them: what is in force, and every version there was."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models import VipLevel, VipRule, VipRuleVersion
from dashboard.models.vip import Level

RANKS = {str(level): rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A version of a rule and who made it when. Amounts in minor units of `currency`."""

    level: str
    currency: str
    version: int
    min_balance: int
    max_balance: int
    daily_limit: int
    weekly_limit: int
    warning_threshold: int
    critical_threshold: int
    drop_percent: int
    approval_threshold: int
    changed_by: str
    changed_at: dt.datetime


_COLUMNS: tuple[Any, ...] = (
    VipRuleVersion.level,
    VipRuleVersion.currency,
    VipRuleVersion.version,
    VipRuleVersion.min_balance,
    VipRuleVersion.max_balance,
    VipRuleVersion.daily_limit,
    VipRuleVersion.weekly_limit,
    VipRuleVersion.warning_threshold,
    VipRuleVersion.critical_threshold,
    VipRuleVersion.drop_percent,
    VipRuleVersion.approval_threshold,
    VipRuleVersion.changed_by,
    VipRuleVersion.changed_at,
)


def list_rules(session: Session, *, operator_id: int) -> list[RuleRow]:
    """The rules in force in every currency, from the lowest level to the highest."""
    rows = session.execute(
        select(*_COLUMNS)
        .join(
            VipRule,
            and_(
                VipRule.operator_id == VipRuleVersion.operator_id,
                VipRule.level == VipRuleVersion.level,
                VipRule.currency == VipRuleVersion.currency,
                VipRule.version == VipRuleVersion.version,
            ),
        )
        .where(VipRuleVersion.operator_id == operator_id)
    )
    return sorted((RuleRow(*row) for row in rows), key=lambda row: (row.currency, RANKS[row.level]))


def list_versions(session: Session, *, operator_id: int, level: str, currency: str) -> list[RuleRow]:
    """Every version of one rule, the one in force first. Raises NotFound where there is no such rule."""
    rows = session.execute(
        select(*_COLUMNS)
        .where(
            VipRuleVersion.operator_id == operator_id,
            VipRuleVersion.level == level,
            VipRuleVersion.currency == currency,
        )
        .order_by(VipRuleVersion.version.desc())
    ).all()
    if not rows:
        raise NotFound("There is no such rule.")
    return [RuleRow(*row) for row in rows]


def xp_by_level(session: Session, *, operator_id: int) -> dict[str, int | None]:
    """From how much total xp each level is reached; None for the default level."""
    rows = session.execute(
        select(VipLevel.level, VipLevel.xp_from).where(VipLevel.operator_id == operator_id)
    )
    return {row.level: row.xp_from for row in rows}
