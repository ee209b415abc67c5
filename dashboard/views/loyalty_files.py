"""The lists of the loyalty programme as files."""

import datetime as dt
from collections.abc import Sequence

from flask import Blueprint
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard.queries import loyalty as queries
from dashboard.queries import loyalty_lists
from dashboard.services.exports import Amount, Column
from dashboard.views import access, exports
from dashboard.views.access import requires
from dashboard.views.exports import Wanted
from dashboard.views.loyalty_lists import expiry_form, member_form, today

bp = Blueprint("loyalty_files", __name__, url_prefix="/loyalty")


@bp.post("/members/exports")
@requires("data:export")
def create_members() -> ResponseReturnValue:
    """The members."""

    def ask(session: Session) -> Wanted:
        operator, form = access.current_operator(), member_form(session)
        listing = loyalty_lists.all_members(operator_id=operator.id, wanted=form.wanted(), today=today())
        return Wanted("loyalty-members", form, members(operator.currency), listing)

    return exports.answer(ask)


@bp.post("/expiries/exports")
@requires("data:export")
def create_expiries() -> ResponseReturnValue:
    """What expires next, by day and member."""

    def ask(_session: Session) -> Wanted:
        form = expiry_form()
        listing = loyalty_lists.all_expiries(
            operator_id=access.current_operator().id, today=today(), days=form.days
        )
        return Wanted("loyalty-expiries", form, expiries(), listing)

    return exports.answer(ask)


@bp.post("/tiers/exports")
@requires("data:export")
def create_tiers() -> ResponseReturnValue:
    """The tiers."""

    def ask(_session: Session) -> Wanted:
        operator = access.current_operator()
        listing = queries.all_tiers(operator_id=operator.id, currency=operator.currency)
        return Wanted("loyalty-tiers", None, tiers(operator.currency), listing)

    return exports.answer(ask)


def members(currency: str) -> Sequence[Column]:
    """Of the members; amounts in the home currency."""
    return [
        Column("Player id", "number", lambda row: row.player_id),
        Column("Player", "text", lambda row: row.name),
        Column("External id", "text", lambda row: row.external_id),
        Column("Status", "text", lambda row: row.status),
        Column("Tier", "text", lambda row: row.tier),
        Column("Tier ends", "text", lambda row: _day(row.tier_valid_until)),
        Column("Points", "number", lambda row: row.balance),
        Column("Owed", "number", lambda row: row.owed),
        Column("Next expiry", "text", lambda row: _day(row.next_day)),
        Column("Points then", "number", lambda row: row.next_points),
        Column("Currency", "text", lambda _row: currency),
        Column("Paid", "amount", lambda row: Amount(row.amount_paid, currency)),
    ]


def expiries() -> Sequence[Column]:
    """Of what expires, by day and member."""
    return [
        Column("Last day", "text", lambda row: _day(row.day)),
        Column("Player id", "number", lambda row: row.player_id),
        Column("Player", "text", lambda row: row.name),
        Column("External id", "text", lambda row: row.external_id),
        Column("Tier", "text", lambda row: row.tier),
        Column("Status", "text", lambda row: row.status),
        Column("Batches", "number", lambda row: row.batches),
        Column("Points", "number", lambda row: row.points),
    ]


def tiers(currency: str) -> Sequence[Column]:
    """Of the tiers; payments in the home currency."""
    return [
        Column("Code", "text", lambda row: row.tier.code),
        Column("Tier", "text", lambda row: row.tier.name),
        Column("State", "text", lambda row: "active" if row.tier.is_active else "retired"),
        Column("Currency", "text", lambda _row: currency),
        Column("Least payment", "amount", lambda row: Amount(row.tier.minimum_payment, currency)),
        Column("Points for it", "number", lambda row: row.tier.points),
        Column("Bonus, %", "text", lambda row: row.bonus_percent),
        Column("Discount, hundredths of a percent", "number", lambda row: row.tier.discount_bp),
        Column("Months of validity", "number", lambda row: row.tier.validity_months),
        Column("Members", "number", lambda row: row.members),
    ]


def _day(day: dt.date | None) -> str:
    return day.isoformat() if day else ""
