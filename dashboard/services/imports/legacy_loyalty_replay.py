"""A patient's history as a member's: loads, redemptions, tiers, and points that lapse between. Pure.

A redemption takes what there is, soonest expiry first, as one of ours would; what it asked for beyond that
is its shortfall, which is told and never hidden.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from dashboard import money
from dashboard.models.loyalty import TierChange
from dashboard.models.points import PointsKind
from dashboard.services import points_reckoning
from dashboard.services.imports.legacy_files import Row
from dashboard.services.imports.legacy_loyalty_plan import House, Load, Moving, Step, Use
from dashboard.services.loyalty_tiers import Tier
from dashboard.services.member_tiers import Step as TierStep
from dashboard.services.points_replay import Replay


@dataclass(slots=True)
class Played:
    """A patient's history as it is to be written."""

    moving: Moving
    replay: Replay
    sequences: dict[int, int] = field(default_factory=dict)
    """The entry of an old row, by its `id`."""
    shorts: dict[int, int] = field(default_factory=dict)
    """Points that a row asked for and that were not there, by its `id`."""
    notes: list[tuple[Row, str]] = field(default_factory=list)

    @property
    def short(self) -> int:
        """Of all rows together."""
        return sum(self.shorts.values())

    @property
    def expired(self) -> int:
        """Points that lapsed on their last day, before they moved in."""
        postings = (written.posting for written in self.replay.entries)
        return sum(posting.expired for posting in postings if posting.kind == PointsKind.EXPIRE)


def play(
    moving: Moving, player_id: int, house: House, tiers: Mapping[str, Tier], *, digest: str, now: dt.datetime
) -> Played:
    """The history of one patient. `tiers` are by code; `digest` names the files that it comes from."""
    began = moving.events[0].at if moving.events else now
    replay = Replay(player_id, house.programme, tuple(tiers.values()), min(began, now))
    played = Played(moving, replay)
    for event in moving.events:
        match event:
            case Load():
                _load(played, event, house, digest)
            case Use():
                _use(played, event, digest)
            case Step():
                _step(played, event, tiers)
    replay.nights(now, tiers=False)
    _follow_card(played, tiers, now)
    return played


def _load(played: Played, load: Load, house: House, digest: str) -> None:
    """For a payment its whole units are base points; what is more is bonus of the tier the patient was in.

    Without a tier no load has bonus points: they come beside it as an adjustment, to the same day. Where
    nothing or more than the points was paid, all of it is an adjustment.
    """
    replay = played.replay
    replay.nights(load.at, tiers=False)
    said = f"Moved in: {(load.row['transaction_type'] or 'points')[:200]} {load.row['id']}"
    asked = _asked(load.row, said, digest, load.at)
    units = (load.amount or 0) // money.from_whole(1, house.programme.currency)
    if not 0 < units <= load.points:
        if units:
            played.notes.append(
                (load.row, f"points_value is more than {load.points:,} points: kept, not paid")
            )
        replay.bring(asked, base=load.points, bonus=0, expires_on=load.expires_on, payment=load.reference)
        _remember(played, load.row)
        return
    bonus, tier = load.points - units, replay.member.tier
    replay.bring(
        asked,
        base=units,
        bonus=bonus if tier else 0,
        expires_on=load.expires_on,
        amount=load.amount,
        payment=load.reference,
        tier_id=tier.id if tier and bonus else None,
    )
    _remember(played, load.row)
    if bonus and tier is None:
        beside = _asked(load.row, f"{said}, beside its load", f"{digest}:bonus", load.at)
        replay.bring(beside, base=bonus, bonus=0, expires_on=load.expires_on)


def _use(played: Played, use: Use, digest: str) -> None:
    replay = played.replay
    replay.nights(use.at, tiers=False)
    there = min(use.points, replay.member.balance)
    if there < use.points:
        played.shorts[id(use.row)] = use.points - there
    if not there:
        played.moving.outcomes[id(use.row)] = "left_out"
        return
    what = "redemption" if use.is_redemption else use.row["transaction_type"][:200] or "points taken off"
    of_them = "" if there == use.points else f", {there:,} of {use.points:,} points were there"
    asked = _asked(use.row, f"Moved in: {what} {use.row['id']}{of_them}", digest, use.at)
    if use.is_redemption:
        replay.use(there, asked, payment=use.payment)
    else:
        replay.take_off(there, asked)
    _remember(played, use.row)


def _step(played: Played, step: Step, tiers: Mapping[str, Tier]) -> None:
    """What kind of step it was follows from the tier before, whatever the old word for it."""
    present = played.replay.member.tier
    tier = tiers[step.code] if step.code else None
    change = _change(present, tier)
    if change is None:
        played.moving.outcomes[id(step.row)] = "left_out"
        return
    played.replay.nights(step.at, tiers=False)
    word = step.row["change_type"].lower()
    if word in set(TierChange) and word != change:
        played.notes.append((step.row, f"called “{word}” there; after what was before, it is “{change}”"))
    played.replay.move(TierStep(tier, change, step.valid_until, step.reason), now=step.at)
    if step.row.table == "loyalty_card_tier_history":
        _remember(played, step.row)


def _change(present: Tier | None, tier: Tier | None) -> TierChange | None:
    """None: there is no step from none to none."""
    if tier is None:
        return TierChange.DOWNGRADE if present else None
    if present is None:
        return TierChange.NEW
    if present.id == tier.id:
        return TierChange.RENEWAL
    higher = tier.minimum_payment > present.minimum_payment
    return TierChange.UPGRADE if higher else TierChange.DOWNGRADE


def _follow_card(played: Played, tiers: Mapping[str, Tier], now: dt.datetime) -> None:
    """The card that is in use says which tier the patient is in, whatever the history says."""
    card, present = played.moving.card_in_use, played.replay.member.tier
    if card is None or (present is not None and present.code == card.code):
        return
    tier = tiers[card.code]
    text = f"Moved in: the card in use says {tier.name}"
    before = present.name if present else "no tier"
    played.notes.append((card.row, f"the card in use says {tier.name}, the history {before}: {tier.name}"))
    played.replay.move(TierStep(tier, TierChange.MANUAL, card.expires_on, text), now=now)


def _remember(played: Played, row: Row) -> None:
    played.sequences[id(row)] = played.replay.member.version


def _asked(row: Row, notes: str, digest: str, at: dt.datetime) -> points_reckoning.Asked:
    return points_reckoning.asked_by_nobody(f"import:{digest}:{row.table}:{row.line}", notes, at)
