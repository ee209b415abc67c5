"""What a balance change is made of: what is wanted, what judging it says, and how it can be refused."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from dashboard.errors import Conflict, Rejected
from dashboard.models.wallet import ChangeType
from dashboard.services import alerts, risk, vip
from dashboard.services.actors import Actor
from dashboard.services.journal import Entry


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants done to one balance. Amounts in minor units, credits positive."""

    player_id: int
    currency: str
    change_type: ChangeType
    real_delta: int
    reason: str
    idempotency_key: str
    bonus_delta: int = 0
    reference: str | None = None
    reverses: int | None = None
    metadata: Mapping[str, int | str] | None = None
    """What else the entry shall say. No part of what was asked for: approving adds to it."""
    other_player: int | None = None
    """Of a transfer: whose wallet the other leg is in."""
    override: vip.Override | None = None
    """Other figures than the rule's, for this one change."""

    @property
    def amount(self) -> int:
        """How much it moves, whatever the direction."""
        return abs(self.real_delta) + abs(self.bonus_delta)

    def fingerprint(self) -> bytes:
        """SHA-256 over all that was asked for; the same key must come with the same one."""
        asked: list[object] = [
            self.player_id,
            self.currency,
            self.change_type,
            self.real_delta,
            self.bonus_delta,
            self.reason,
            self.reference,
            self.reverses,
        ]
        if self.other_player is not None:
            asked.append({"other_player": self.other_player})
        if self.override is not None:
            asked.append(asdict(self.override))
        return hashlib.sha256(json.dumps(asked).encode()).digest()


@dataclass(frozen=True, slots=True)
class Reserved:
    """What was set aside for this very change; freed, and left out of the limits, before it is judged."""

    amount: int
    """Part of the balance's pending, in minor units; 0 for a credit."""
    request_id: int | None = None
    withdrawal_id: int | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The whole consequence of a change, whether it may be made or not. Amounts in minor units."""

    request: Request
    standing: vip.Standing
    rule: vip.Rule | None
    """With the override, where there is one."""
    validation: vip.Validation
    risk: risk.Score
    alerts: alerts.Outcome
    version: int
    """Of the balance before the change."""
    open_alerts: tuple[str, ...]
    """Types of the alerts on this balance that were not resolved before the change."""

    @property
    def real_after(self) -> int:
        """The real balance once the change is made."""
        return self.standing.real + self.request.real_delta

    @property
    def bonus_after(self) -> int:
        """The bonus balance once the change is made."""
        return self.standing.bonus + self.request.bonus_delta

    @property
    def withdrawable_after(self) -> int:
        """What is withdrawable once the change is made."""
        return vip.withdrawable(self.real_after, self.standing.pending)


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """A change that stands. `judgement` is None where an earlier one with the same key is returned."""

    entry: Entry
    judgement: Judgement | None
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Dated:
    """A change that was judged elsewhere: who made it, when, and its risk score if it has one."""

    request: Request
    actor: Actor
    at: dt.datetime
    score: risk.Score | None = None


class ChangeRefused(Rejected):
    """The rules say no; nothing was changed. Carries every reason with its figures."""

    def __init__(self, judgement: Judgement) -> None:
        errors = judgement.validation.errors
        super().__init__(" ".join(problem.message for problem in errors), field="amount")
        self.judgement = judgement


class StaleBalance(Conflict):
    """The balance has moved on since it was looked at."""

    def __init__(self, *, seen_version: int, version: int) -> None:
        super().__init__("The balance has changed since this page showed it.")
        self.seen_version = seen_version
        self.version = version


class KeyReused(Conflict):
    """The idempotency key stands on another change, which is `entry`; None: on one that is not posted yet."""

    def __init__(self, entry: Entry | None) -> None:
        super().__init__("This form has already been used for another change.")
        self.entry = entry


def canonical(metadata: Mapping[str, int | str]) -> str:
    """JSON text that is always the same for the same content: sorted keys, no spaces, not escaped."""
    return json.dumps(metadata, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
