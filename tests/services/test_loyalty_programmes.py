"""What a programme is run by: its settings, its tiers, and tiers given by hand."""

import datetime as dt
import json
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from dashboard.errors import Conflict, NotFound, PurserError, Rejected
from dashboard.services import loyalty_programmes, loyalty_tiers, loyalty_wallets
from dashboard.services.loyalty_programmes import Settings, TierFigures
from dashboard.services.points import Done
from tests.builders import NOW, make_player
from tests.services.membership import Act, Membership, join

SETTINGS = Settings(100, 1_50, "extend", 14, "qualifying", 1_000)
DIAMOND = TierFigures("diamond", "Diamond", 200_000_00, 230_000, 700, 24)


@pytest.fixture
def member(session: Session) -> Membership:
    return join(session)


def edit(member: Membership, **changed: Any) -> Act[None]:
    settings = replace(SETTINGS, **changed)
    return partial(loyalty_programmes.edit, settings=settings, actor=member.manager, now=NOW)


def create(member: Membership, **changed: Any) -> Act[int]:
    figures = replace(DIAMOND, **changed)
    return partial(loyalty_programmes.create_tier, figures=figures, actor=member.manager, now=NOW)


def change(member: Membership, which: str, **changed: Any) -> Act[None]:
    stored = tier(member, which)
    figures = TierFigures(**{name: getattr(stored, name) for name in loyalty_programmes.FIGURES})
    named: dict[str, Any] = {"tier_id": stored.id, "actor": member.manager, "now": NOW}
    return partial(loyalty_programmes.edit_tier, figures=replace(figures, **changed), **named)


def retire(member: Membership, code: str) -> Act[None]:
    tier_id = tier(member, code).id
    return partial(loyalty_programmes.retire_tier, tier_id=tier_id, actor=member.manager, now=NOW)


def assign(member: Membership, code: str | None, until: dt.date | None = None, **given: Any) -> Act[Done]:
    named = {
        "player_id": member.player_id,
        "tier_id": tier(member, code).id if code else None,
        "valid_until": until,
        "reason": "Long a guest",
        "actor": member.manager,
        "now": NOW,
        **given,
    }
    return partial(loyalty_programmes.assign_tier, **named)


def tiers(member: Membership) -> list[loyalty_tiers.Tier]:
    return loyalty_tiers.tiers_of(member.session, member.operator_id)


def tier(member: Membership, code: str) -> loyalty_tiers.Tier:
    return next(tier for tier in tiers(member) if tier.code == code)


def logged(member: Membership, action: str) -> dict[str, Any]:
    query = text("SELECT details FROM staff_log WHERE action = :action ORDER BY id DESC LIMIT 1")
    details: dict[str, Any] = json.loads(member.session.execute(query, {"action": action}).scalar_one())
    return details


class TestSettings:
    def test_what_changed_is_logged(self, member: Membership) -> None:
        edit(member)(member.session)
        query = text("SELECT * FROM loyalty_programmes WHERE operator_id = :o")
        row = member.session.execute(query, {"o": member.operator_id}).one()
        assert (row.conversion_points, row.refund_policy, row.tier_loss) == (100, "extend", "qualifying")
        assert logged(member, "loyalty_programme.edited")["grace_days"] == "30 → 14"
        edit(member, conversion_points=None, conversion_amount=None)(member.session)
        assert logged(member, "loyalty_programme.edited") == {
            "conversion_points": "100 → None",
            "conversion_amount": "150 → None",
        }

    @pytest.mark.parametrize(
        ("changed", "field"),
        [
            ({"conversion_points": None}, "conversion_points"),
            ({"conversion_amount": None}, "conversion_amount"),
            ({"conversion_points": 0}, "conversion_points"),
            ({"conversion_amount": 0}, "conversion_amount"),
            ({"conversion_points": 10**15 + 1}, "conversion_points"),
            ({"conversion_amount": 10**15 + 1}, "conversion_amount"),
            ({"refund_policy": "never"}, "refund_policy"),
            ({"grace_days": 0}, "grace_days"),
            ({"grace_days": 366}, "grace_days"),
            ({"tier_loss": "all"}, "tier_loss"),
            ({"approval_points": -1}, "approval_points"),
            ({"approval_points": 10**15 + 1}, "approval_points"),
        ],
    )
    def test_what_is_out_of_range(self, member: Membership, changed: dict[str, Any], field: str) -> None:
        member.refuses(edit(member, **changed), ".", field=field)

    @pytest.mark.parametrize(
        "changed", [{"grace_days": 1}, {"grace_days": 365}, {"approval_points": 0}, {"conversion_points": 1}]
    )
    def test_the_bounds_themselves(self, member: Membership, changed: dict[str, Any]) -> None:
        edit(member, **changed)(member.session)

    def test_another_operators_programme_stays(self, member: Membership) -> None:
        other = join(member.session)
        edit(member)(member.session)
        query = text("SELECT grace_days FROM loyalty_programmes WHERE operator_id = :o")
        assert member.session.scalar(query, {"o": other.operator_id}) == 30


class TestTiers:
    def test_a_new_one_is_reached(self, member: Membership) -> None:
        tier_id = create(member)(member.session)
        done = member.load(200_000_00)
        assert done.tier is not None
        assert (done.tier.id, done.entry.points) == (tier_id, 230_000)
        assert member.row().discount_bp == 700
        assert logged(member, "loyalty_tier.created") == {"tier": tier_id, "code": "diamond"}

    def test_edited_it_holds_for_what_comes(self, member: Membership) -> None:
        member.load(22_000_00)
        change(member, "silver", points=26_400, discount_bp=250)(member.session)
        assert member.row().discount_bp == 200
        assert member.load(10_000_00).entry.points == 12_000
        assert logged(member, "loyalty_tier.edited")["points"] == "25000 → 26400"

    def test_a_retired_one_is_kept_and_not_reached(self, member: Membership) -> None:
        member.load(22_000_00)
        retire(member, "silver")(member.session)
        assert member.load(22_000_00).entry.points == 25_000
        other = Membership(
            member.session,
            member.operator_id,
            make_player(member.session, operator_id=member.operator_id),
            member.manager,
        )
        done = other.load(22_000_00)
        assert (done.tier, done.entry.points) == (None, 22_000)
        # Its payment is free for another one.
        create(member, code="bronze", minimum_payment=22_000_00)(member.session)
        assert logged(member, "loyalty_tier.retired")["code"] == "silver"

    @pytest.mark.parametrize(
        ("changed", "field", "kind"),
        [
            ({"code": "Diamond"}, "code", Rejected),
            ({"code": ""}, "code", Rejected),
            ({"code": "x" * 21}, "code", Rejected),
            ({"code": "gold\n"}, "code", Rejected),
            ({"code": "gold"}, "code", Conflict),
            ({"name": ""}, "name", Rejected),
            ({"name": " Diamond"}, "name", Rejected),
            ({"name": "x" * 41}, "name", Rejected),
            ({"minimum_payment": 99}, "minimum_payment", Rejected),
            ({"minimum_payment": 10**15 + 1}, "minimum_payment", Rejected),
            ({"minimum_payment": 45_000_00}, "minimum_payment", Conflict),
            ({"points": 199_999}, "points", Rejected),
            ({"points": 200_000_001}, "points", Rejected),
            ({"discount_bp": -1}, "discount_bp", Rejected),
            ({"discount_bp": 10_001}, "discount_bp", Rejected),
            ({"validity_months": 0}, "validity_months", Rejected),
            ({"validity_months": 121}, "validity_months", Rejected),
        ],
    )
    def test_what_is_out_of_range(
        self, member: Membership, changed: dict[str, Any], field: str, kind: type[PurserError]
    ) -> None:
        member.refuses(create(member, **changed), ".", field=field, kind=kind)
        create(member, code="jade", minimum_payment=300_000_00, points=300_000)(member.session)
        named = {**asdict(DIAMOND), **changed}
        member.refuses(change(member, "jade", **named), ".", field=field, kind=kind)

    @pytest.mark.parametrize(
        "changed",
        [
            {"points": 200_000},
            {"points": 200_000_000},
            {"discount_bp": 0},
            {"discount_bp": 10_000},
            {"validity_months": 1},
            {"validity_months": 120},
            {"minimum_payment": 1_00, "points": 1},
            {"code": "a" * 20, "name": "x" * 40},
        ],
    )
    def test_the_bounds_themselves(self, member: Membership, changed: dict[str, Any]) -> None:
        create(member, **changed)(member.session)

    def test_what_of_a_tier_is_refused(self, member: Membership) -> None:
        stranger = join(member.session)
        foreign = tier(stranger, "gold").id
        for act in (change(member, "gold"), retire(member, "gold")):
            member.refuses(partial(act, tier_id=foreign), "no such tier", kind=NotFound)
        retire(member, "gold")(member.session)
        for act in (change(member, "gold"), retire(member, "gold")):
            member.refuses(act, "is retired", kind=Conflict)

    def test_the_database_keeps_payments_apart(self, member: Membership) -> None:
        with pytest.raises(IntegrityError, match="minimum_payment"), member.session.begin_nested():
            member.session.execute(text("UPDATE loyalty_tiers SET minimum_payment = 4500000"))

    def test_the_shipped_ones_earn_a_warning(self, member: Membership) -> None:
        said = loyalty_programmes.warnings(tiers(member), "USD")
        assert [each.split(":")[0] for each in said] == [
            "Gold gives 11.11 % more than is paid, less than Silver with 13.64 %",
            "Platinum gives 8.70 % more than is paid, less than Gold with 11.11 %",
        ]
        # As much per unit is no less.
        change(member, "gold", minimum_payment=44_000_00, points=50_000)(member.session)
        change(member, "platinum", points=110_000)(member.session)
        assert loyalty_programmes.warnings(tiers(member), "USD") == []

    def test_only_neighbours_that_can_be_reached_are_compared(self, member: Membership) -> None:
        retire(member, "gold")(member.session)
        (said,) = loyalty_programmes.warnings(tiers(member), "USD")
        assert said.startswith("Platinum gives 8.70 % more than is paid, less than Silver")


class TestByHand:
    def test_a_tier_is_given_and_taken_away(self, member: Membership) -> None:
        done = member.does(assign(member, "gold"), kinds=["transfer_tier"])
        assert done.tier is not None
        assert done.tier.code == "gold"
        wallet = member.row()
        assert (wallet.discount_bp, wallet.tier_valid_until) == (300, dt.date(2027, 3, 2))
        member.does(assign(member, "gold", dt.date(2026, 12, 24)))
        member.does(assign(member, "silver", dt.date(2026, 12, 24)))
        member.does(assign(member, None), kinds=["transfer_tier"])
        assert member.row().tier_id is None
        query = text("SELECT change, reason, valid_until FROM tier_history ORDER BY id")
        assert [tuple(row) for row in member.session.execute(query)] == [
            ("manual", "Long a guest", dt.date(2027, 3, 2)),
            ("manual", "Long a guest", dt.date(2026, 12, 24)),
            ("manual", "Long a guest", dt.date(2026, 12, 24)),
            ("manual", "Long a guest", None),
        ]

    def test_back_and_forth_at_one_moment(self, member: Membership) -> None:
        until = dt.date(2026, 12, 24)
        for code in ("gold", "silver", "gold", None, "gold"):
            member.does(assign(member, code, until if code else None), kinds=["transfer_tier"])

    def test_a_new_discount_is_something_new(self, member: Membership) -> None:
        member.does(assign(member, "gold"))
        change(member, "gold", discount_bp=350)(member.session)
        member.does(assign(member, "gold"))
        assert member.row().discount_bp == 350

    def test_it_is_used_by_the_next_load(self, member: Membership) -> None:
        member.does(assign(member, "silver"))
        assert member.load(100_00).entry.points == 113

    def test_what_is_refused(self, member: Membership) -> None:
        member.refuses(assign(member, None), "no loyalty wallet yet", kind=NotFound)
        member.load(1_00)
        member.refuses(assign(member, None), "has already", field="tier_id")
        stranger = join(member.session)
        foreign = partial(assign(member, "gold"), tier_id=tier(stranger, "gold").id)
        member.refuses(foreign, "no such tier", kind=NotFound)
        member.refuses(assign(member, "gold", actor=stranger.manager), "no such player", kind=NotFound)
        member.refuses(assign(member, "gold", dt.date(2026, 3, 1)), "Choose a day", field="valid_until")
        member.refuses(assign(member, "gold", dt.date(2036, 3, 3)), "Choose a day", field="valid_until")
        member.refuses(assign(member, "gold", reason=" "), "Say why", field="reason")
        member.does(assign(member, "gold", dt.date(2036, 3, 2)))
        member.refuses(assign(member, "gold", dt.date(2036, 3, 2)), "has already", field="tier_id")
        retire(member, "silver")(member.session)
        member.refuses(assign(member, "silver"), "Silver is retired", field="tier_id")
        loyalty_wallets.close(member.session, **member.named(reason="Moved away"))
        member.refuses(assign(member, "gold"), "wallet is closed")

    def test_a_retired_one_may_be_prolonged(self, member: Membership) -> None:
        member.does(assign(member, "gold", dt.date(2026, 3, 2)))
        retire(member, "gold")(member.session)
        member.does(assign(member, "gold", dt.date(2026, 4, 2)))
