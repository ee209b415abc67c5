"""Points that become real money: both journals, or neither."""

import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from dashboard.errors import NotFound, Rejected
from dashboard.forms.wallets import AdjustmentForm
from dashboard.models import VipRule
from dashboard.models.wallet import ChangeType
from dashboard.services import (
    balances,
    bulk_rows,
    loyalty_wallets,
    points_conversion,
    points_refunds,
    reversals,
    wallets,
)
from dashboard.services.changes import ChangeRefused, KeyReused
from dashboard.services.imports import mapping
from dashboard.services.points_conversion import Converted
from dashboard.services.reversals import Extent
from tests.builders import NOW, change
from tests.services.membership import LATER, Act, Membership, join


@pytest.fixture
def member(session: Session) -> Membership:
    """300 points of which 100 become 1.50."""
    member = join(session)
    member.run_by(conversion_points=100, conversion_amount=1_50)
    member.load(300_00)
    return member


def convert(member: Membership, points: int, **given: Any) -> Act[Converted]:
    return partial(points_conversion.convert, **member.named(points=points, reason="Asked", **given))


def undo(member: Membership, sequence: int, **given: Any) -> Act[Converted]:
    return partial(points_conversion.undo, **member.named(sequence=sequence, reason="Mistake", **given))


def wallet_entries(member: Membership) -> list[Any]:
    query = text("SELECT * FROM wallet_entries WHERE player_id = :p ORDER BY sequence")
    return list(member.session.execute(query, {"p": member.player_id}))


def test_both_journals_name_each_other(member: Membership) -> None:
    change(member.session, member.player_id, 7_00, ChangeType.DEPOSIT)
    did = member.does(convert(member, 200), kinds=["convert"])
    (_, credited) = wallet_entries(member)
    assert (credited.change_type, credited.contra_account) == ("points_conversion", "promotions")
    assert (credited.real_delta, credited.real_after) == (3_00, 10_00)
    named = json.loads(credited.metadata)
    assert (named["points"], named["points_sequence"]) == (200, did.done.entry.sequence)
    entry = member.row("loyalty_entries", "kind = 'convert'")
    assert (entry.points, entry.payment_amount) == (-200, 3_00)
    assert (entry.currency, entry.wallet_sequence) == ("USD", credited.sequence)
    assert member.batch(1) == (100, 200, 0, 0)


def test_undone_both_are_as_before(member: Membership) -> None:
    did = member.does(convert(member, 200))
    undone = member.does(undo(member, did.done.entry.sequence), kinds=["refund_service"])
    assert undone.change.entry.real_after == 0
    assert member.batch(1) == (300, 0, 0, 0)
    back = member.row("loyalty_entries", "kind = 'refund_service'")
    assert (back.points, back.payment_amount, back.reverses) == (200, 3_00, did.done.entry.sequence)
    reversal = wallet_entries(member)[-1]
    assert (reversal.change_type, reversal.reverses) == ("reversal", did.change.entry.sequence)
    assert json.loads(reversal.metadata)["points_sequence"] == back.sequence


def test_undone_late_the_points_come_back_as_the_programme_says(member: Membership) -> None:
    sequence = convert(member, 300)(member.session).done.entry.sequence
    undone = member.does(undo(member, sequence, now=LATER), kinds=["refund_service"])
    assert [(made.origin, made.base_loaded) for made in undone.done.made] == [(1, 300)]


def test_the_money_is_taken_back_even_where_it_is_gone(member: Membership) -> None:
    sequence = convert(member, 300)(member.session).done.entry.sequence
    change(member.session, member.player_id, -4_50)
    assert member.does(undo(member, sequence)).change.entry.real_after == -4_50


def test_what_is_refused(member: Membership) -> None:
    for wrong in (0, -100, 150, 99):
        member.refuses(convert(member, wrong), "multiple of 100 points", field="points")
    member.refuses(convert(member, 400), "There are 300 points, and not 400", field="points")
    member.refuses(convert(member, 10**15), "too many points", field="points")
    member.refuses(partial(convert(member, 100), reason=" "), "Say why", field="reason")
    member.refuses(convert(member, 100, actor=join(member.session).manager), "no such player", kind=NotFound)
    member.refuses(convert(member, 300, now=LATER), "There are 0 points", field="points")
    status: dict[str, Any] = {
        "player_id": member.player_id,
        "reason": "Dispute",
        "actor": member.manager,
        "now": NOW,
    }
    loyalty_wallets.suspend(member.session, **status)
    member.refuses(convert(member, 100), "suspended: its points cannot be used")
    loyalty_wallets.resume(member.session, **status)
    member.run_by(conversion_points=None, conversion_amount=None)
    member.refuses(convert(member, 100), "no rate")


def test_what_the_balance_refuses_leaves_the_points(member: Membership) -> None:
    session = member.session
    session.execute(
        update(VipRule).filter_by(operator_id=member.operator_id).values(min_balance=-1, max_balance=1_00)
    )
    member.refuses(convert(member, 100), "1.00", field="amount", kind=ChangeRefused)
    wallets.freeze(session, player_id=member.player_id, reason="Dispute", actor=member.manager, now=NOW)
    member.refuses(convert(member, 100), "frozen", field="amount", kind=ChangeRefused)


def test_what_of_undoing_is_refused(member: Membership) -> None:
    sequence = convert(member, 200)(member.session).done.entry.sequence
    member.refuses(undo(member, 99), "no such entry", kind=NotFound)
    member.refuses(undo(member, 1), "no conversion")
    member.refuses(partial(undo(member, sequence), reason=""), "Say why", field="reason")
    member.does(undo(member, sequence))
    member.refuses(undo(member, sequence), "undone already")
    sequence = convert(member, 100)(member.session).done.entry.sequence
    loyalty_wallets.close(member.session, **member.named(reason="Moved away"))
    member.refuses(undo(member, sequence), "wallet is closed")


def test_keys_are_used_once(member: Membership) -> None:
    act = convert(member, 200)
    first = act(member.session)
    # Whatever the rate has become.
    member.run_by(conversion_amount=9_99)
    again = act(member.session)
    assert again.done.repeated
    assert again.change.repeated
    assert (again.done.entry, again.change.entry) == (first.done.entry, first.change.entry)
    member.refuses(partial(act, points=100), "another change", kind=KeyReused)
    act = undo(member, first.done.entry.sequence)
    first, again = act(member.session), act(member.session)
    assert (again.done.entry, again.change.entry) == (first.done.entry, first.change.entry)


class TestNoOtherDoor:
    """Money out of points comes and goes with them alone."""

    @pytest.mark.parametrize("extent", [None, *Extent])
    def test_the_wallet_does_not_undo_it_by_itself(self, member: Membership, extent: Extent | None) -> None:
        entry = convert(member, 100)(member.session).change.entry
        named = {**member.named(), "currency": "USD", "sequence": entry.sequence, "reason": "Mistake"}
        if extent is None:
            act: Act[Any] = partial(balances.reverse, **named)
        else:
            act = partial(reversals.undo, extent=extent, **named)
        member.refuses(act, "undone where it was made, under Loyalty")

    def test_a_refund_does_not_undo_half_of_it(self, member: Membership) -> None:
        sequence = convert(member, 200)(member.session).done.entry.sequence
        named = member.named(sequence=sequence, points=100, notes="Called off")
        member.refuses(partial(points_refunds.refund_service, **named), "undoing the conversion")

    def test_nobody_types_or_imports_one(self) -> None:
        offered = [choice.value for choice in AdjustmentForm.change_type.kwargs["choices"]]
        assert offered == ["deposit", "adjustment", "fee"]
        assert ChangeType.POINTS_CONVERSION not in bulk_rows.TYPES
        with pytest.raises(ValueError, match="a points_conversion cannot be imported"):
            mapping.Kind(change_type=ChangeType.POINTS_CONVERSION, sign="+")


def test_the_points_stand_where_the_entry_of_the_wallet_is_undone_by_force(member: Membership) -> None:
    """Of a conversion whose money cannot be reversed, no point comes back either."""
    did = convert(member, 100)(member.session)
    sequence = did.change.entry.sequence
    named = {**member.named(), "currency": "USD", "sequence": sequence, "reason": "Mistake"}
    balances.reverse(member.session, **named, with_points=True)
    member.refuses(undo(member, did.done.entry.sequence), "already been reversed", kind=Rejected)
