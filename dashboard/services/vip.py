"""VIP rules: what a level allows in a currency, and the judgement of one change by them.

Pure: figures in, problems out, all of them at once.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from dashboard import money
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType, WalletStatus
from dashboard.services.change_types import KEEPS_PENDING_WHOLE, TRAITS

NEARLY_USED_PERCENT = 80
"""From this share of a limit on, a change is accepted with a warning."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one level allows in one currency. Amounts in minor units."""

    level: str
    currency: str
    min_balance: int
    max_balance: int
    daily_limit: int
    weekly_limit: int
    warning_threshold: int
    critical_threshold: int
    drop_percent: int
    approval_threshold: int
    version: int


@dataclass(frozen=True, slots=True)
class Override:
    """Other figures for one change, by a manager, with the reason why. Minor units; None: the rule's."""

    reason: str
    min_balance: int | None = None
    max_balance: int | None = None
    daily_limit: int | None = None
    weekly_limit: int | None = None

    @property
    def figures(self) -> dict[str, int]:
        """What it sets, by the name of the rule's figure."""
        return {name: value for name in _OVERRIDABLE if (value := getattr(self, name)) is not None}

    def applied_to(self, rule: Rule) -> Rule:
        """The rule that the change is judged by."""
        return replace(
            rule,
            min_balance=rule.min_balance if self.min_balance is None else self.min_balance,
            max_balance=rule.max_balance if self.max_balance is None else self.max_balance,
            daily_limit=rule.daily_limit if self.daily_limit is None else self.daily_limit,
            weekly_limit=rule.weekly_limit if self.weekly_limit is None else self.weekly_limit,
        )

    def as_metadata(self) -> dict[str, int | str]:
        """How the entry keeps it."""
        return {"override_reason": self.reason} | {
            f"override_{name}": value for name, value in self.figures.items()
        }


_OVERRIDABLE = ("min_balance", "max_balance", "daily_limit", "weekly_limit")


@dataclass(frozen=True, slots=True)
class Problem:
    """Something said against a change (an error), or about it (a warning), with its figures."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a gross limit is used, before and with the change. Minor units."""

    period: str
    """`day` or `week`."""
    limit: int
    used: int
    """Before the change."""
    amount: int
    """What the change adds: its absolute amount, or 0 for a type that does not count."""
    resets_at: dt.datetime

    @property
    def would_use(self) -> int:
        """What is used once the change is made."""
        return self.used + self.amount

    @property
    def left(self) -> int:
        """What may still be moved after the change; never below zero."""
        return max(0, self.limit - self.would_use)

    @property
    def is_exceeded(self) -> bool:
        """Whether the change counts and does not fit."""
        return self.amount > 0 and self.would_use > self.limit


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a balance stands before a change. Amounts in minor units."""

    status: str
    currency: str
    real: int
    bonus: int
    pending: int
    used_today: int
    used_this_week: int
    day_ends_at: dt.datetime
    week_ends_at: dt.datetime

    @property
    def withdrawable(self) -> int:
        """Real money that is not locked; never below zero, and bonus is never part of it."""
        return withdrawable(self.real, self.pending)


@dataclass(slots=True)
class Validation:
    """What the rules say about a change: all errors and all warnings at once."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    limits: list[LimitUse] = field(default_factory=list)

    @property
    def is_valid(self) -> bool:
        """Whether nothing was said against it."""
        return not self.errors


def withdrawable(real: int, pending: int) -> int:
    """Real money that is not locked for withdrawals: max(0, real − pending)."""
    return max(0, real - pending)


def limit_uses(standing: Standing, rule: Rule, amount: int) -> list[LimitUse]:
    """Both limits with what is used, and what a change of `amount` (not negative) adds."""
    return [
        LimitUse("day", rule.daily_limit, standing.used_today, amount, standing.day_ends_at),
        LimitUse("week", rule.weekly_limit, standing.used_this_week, amount, standing.week_ends_at),
    ]


def judge(
    standing: Standing,
    rule: Rule | None,
    *,
    change_type: ChangeType,
    real_delta: int,
    bonus_delta: int = 0,
    counted_before: bool = False,
) -> Validation:
    """Judge one change by the wallet's status and the rule; every error and warning at once.

    `counted_before` is for paying a withdrawal: it used its limits when it was requested.
    """
    verdict = Validation()
    _judge_status(verdict, standing, change_type)
    if real_delta == 0 and bonus_delta == 0:
        verdict.errors.append(Problem("zero_amount", "Enter an amount other than zero."))
    if real_delta * TRAITS[change_type].direction < 0:
        sense = "credits" if real_delta < 0 else "debits"
        verdict.errors.append(Problem("direction", f"A {_spoken(change_type)} always {sense} the balance."))
    _judge_cover(verdict, standing, change_type, real_delta)
    _judge_bonus(verdict, standing, bonus_delta)
    if rule is None:
        verdict.errors.append(
            Problem("no_rule", f"There is no VIP rule for {standing.currency}: changes in it are refused.")
        )
        return verdict
    counts = TRAITS[change_type].counts_to_limits and not counted_before
    counted = abs(real_delta) if counts else 0
    verdict.limits = limit_uses(standing, rule, counted)
    if TRAITS[change_type].answers_to_range:
        _judge_range(verdict, standing, rule, real_delta)
    _judge_limits(verdict, standing.currency)
    _warn(verdict, standing, rule, real_delta)
    return verdict


def _judge_status(verdict: Validation, standing: Standing, change_type: ChangeType) -> None:
    traits = TRAITS[change_type]
    if standing.status == WalletStatus.FROZEN and not traits.while_frozen:
        verdict.errors.append(Problem("frozen", f"The wallet is frozen: it takes no {_spoken(change_type)}."))
    if standing.status == WalletStatus.CLOSED and not traits.while_closed:
        verdict.errors.append(Problem("closed", f"The wallet is closed: it takes no {_spoken(change_type)}."))


def _judge_cover(verdict: Validation, standing: Standing, change_type: ChangeType, real_delta: int) -> None:
    if real_delta >= 0:
        return
    after, show = standing.real + real_delta, _shower(standing.currency)
    if TRAITS[change_type].draws_withdrawable and -real_delta > standing.withdrawable:
        verdict.errors.append(
            Problem(
                "not_withdrawable",
                f"More than is withdrawable: {show(-real_delta)} of {show(standing.withdrawable)}.",
            )
        )
    elif change_type in KEEPS_PENDING_WHOLE and standing.pending and after < standing.pending:
        verdict.errors.append(
            Problem(
                "pending",
                f"Would leave {show(after)}, less than the {show(standing.pending)} locked for withdrawals.",
            )
        )


def _judge_bonus(verdict: Validation, standing: Standing, bonus_delta: int) -> None:
    """Bonus money has no credit line."""
    show = _shower(standing.currency)
    if bonus_delta < 0 and standing.bonus + bonus_delta < 0:
        message = f"More than the bonus balance: {show(-bonus_delta)} of {show(standing.bonus)}."
        verdict.errors.append(Problem("below_zero_bonus", message))


def _judge_range(verdict: Validation, standing: Standing, rule: Rule, real_delta: int) -> None:
    after, show = standing.real + real_delta, _shower(rule.currency)
    if real_delta < 0 and after < rule.min_balance:
        verdict.errors.append(
            Problem(
                "below_minimum",
                f"Would reach {show(after)}, below the minimum of {show(rule.min_balance)} for {rule.level}.",
            )
        )
    if real_delta > 0 and after > rule.max_balance:
        verdict.errors.append(
            Problem(
                "above_maximum",
                f"Would reach {show(after)}, above the maximum of {show(rule.max_balance)} for {rule.level}.",
            )
        )


def _judge_limits(verdict: Validation, currency: str) -> None:
    show = _shower(currency)
    for use in verdict.limits:
        spoken = "today" if use.period == "day" else "this week"
        name = "daily" if use.period == "day" else "weekly"
        if use.is_exceeded:
            message = (
                f"Over the {name} limit: would reach {show(use.would_use)} of {show(use.limit)} {spoken}."
            )
            verdict.errors.append(Problem(f"{name}_limit", message))
        elif use.amount and use.would_use * 100 >= use.limit * NEARLY_USED_PERCENT:
            percent = use.would_use * 100 // use.limit
            message = (
                f"{percent} % of the {name} limit used: {show(use.would_use)} of {show(use.limit)} {spoken}."
            )
            verdict.warnings.append(Problem(f"{name}_limit_nearly_used", message))


def _warn(verdict: Validation, standing: Standing, rule: Rule, real_delta: int) -> None:
    after, show = standing.real + real_delta, _shower(rule.currency)
    if after < rule.critical_threshold:
        message = f"Leaves {show(after)}, under the critical threshold of {show(rule.critical_threshold)}."
        verdict.warnings.append(Problem("under_critical", message))
    elif after < rule.warning_threshold:
        message = f"Leaves {show(after)}, under the warning threshold of {show(rule.warning_threshold)}."
        verdict.warnings.append(Problem("under_warning", message))
    dropped = drop_percent(standing.real, real_delta)
    if dropped >= rule.drop_percent:
        verdict.warnings.append(
            Problem("significant_drop", f"Takes {dropped} % of the real balance at once.")
        )


def drop_percent(real_before: int, real_delta: int) -> int:
    """Which share of the real balance a debit takes, in whole percent rounded down.

    0 for a credit, and where there was nothing to take from.
    """
    if real_delta >= 0 or real_before <= 0:
        return 0
    return -real_delta * 100 // real_before


def level_for(total_xp: int, xp_from: Mapping[str, int]) -> str:
    """The highest level that `total_xp` reaches; `default` when it reaches none."""
    reached = [level for level in Level if level in xp_from and total_xp >= xp_from[level]]
    return reached[-1] if reached else Level.DEFAULT


def _shower(currency: str) -> Callable[[int], str]:
    return partial(money.show, currency=currency)


def _spoken(change_type: ChangeType) -> str:
    return change_type.replace("_", " ")
