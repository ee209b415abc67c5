"""The loyalty programme: how it stands, and what it is run by."""

import datetime as dt
from fractions import Fraction
from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db, money
from dashboard.errors import Rejected
from dashboard.forms.loyalty_programme import ProgrammeForm
from dashboard.queries import loyalty as queries
from dashboard.queries.loyalty import MonthRow
from dashboard.services import loyalty_programmes, loyalty_tiers
from dashboard.views import access, htmx, loyalty_charts
from dashboard.views.access import requires

bp = Blueprint("loyalty", __name__, url_prefix="/loyalty")

MONTHS_SHOWN = 24
"""Of breakage, in the chart and its table."""


@bp.get("")
@requires("loyalty:view")
def index() -> ResponseReturnValue:
    """Members, points and what they are worth, what becomes of them, and what moved lately."""
    operator, now = access.current_operator(), clock.now()
    today = clock.local(now, operator.timezone).date()
    with db.reading() as session:
        programme = queries.get_programme(session, operator_id=operator.id)
        members = queries.count_members(session, operator_id=operator.id)
        tiers = queries.rows_of(loyalty_tiers.tiers_of(session, operator.id), members, operator.currency)
        months = queries.list_months(session, operator_id=operator.id)
        soon = queries.count_expiring(session, operator_id=operator.id, today=today, days=queries.SOON_DAYS)
        moved = queries.list_moved(
            session, operator_id=operator.id, since=now - dt.timedelta(days=queries.SOON_DAYS)
        )
    shown = [row for row in tiers if row.tier.is_active or row.members]
    points = sum(row.remaining for row in months)
    return render_template(
        "loyalty/index.html",
        programme=programme,
        members=members,
        tiers=shown,
        by_tier=loyalty_charts.members(
            ["No tier", *(row.tier.name for row in shown)],
            [members.without_tier, *(row.members for row in shown)],
        ),
        points=points,
        worth=queries.worth(points, programme),
        as_services=money.from_whole(points, operator.currency),
        soon=soon,
        soon_share=Fraction(soon, points) if points else None,
        soon_days=queries.SOON_DAYS,
        moved=moved,
        **_by_month(months, today),
    )


@bp.get("/settings")
@requires("loyalty:view")
def show_settings() -> ResponseReturnValue:
    """What the programme is run by."""
    return _settings(None)


@bp.post("/settings")
@requires("loyalty:edit")
def update_settings() -> ResponseReturnValue:
    """Run it by other settings from now on."""
    form = ProgrammeForm(currency=access.current_operator().currency)
    if not form.validate():
        return _settings(form, 422)
    who, now = access.current_actor(), clock.now()
    try:
        db.transact(
            lambda session: loyalty_programmes.edit(session, settings=form.settings(), actor=who, now=now)
        )
    except Rejected as refused:
        form.show(refused)
        return _settings(form, 422)
    return htmx.redirect_with_toast(url_for("loyalty.show_settings"), "The settings are in force.")


def _settings(form: ProgrammeForm | None, status: int = 200) -> Response:
    operator = access.current_operator()
    with db.reading() as session:
        programme = queries.get_programme(session, operator_id=operator.id)
    form = form or ProgrammeForm(currency=operator.currency, formdata=None, obj=programme)
    return make_response(render_template("loyalty/settings.html", form=form, programme=programme), status)


def _by_month(months: list[MonthRow], today: dt.date) -> dict[str, Any]:
    """What is there by month, and what became of the points of months that are over."""
    this_month = today.replace(day=1)
    there = [row for row in months if row.remaining]
    over = [row for row in months if row.month < this_month][-MONTHS_SHOWN:]
    first = loyalty_tiers.months_later(this_month, -queries.BREAKAGE_MONTHS)
    lately = [row for row in over if row.month >= first]
    return {
        "there": there,
        "outstanding": loyalty_charts.outstanding(there),
        "over": over,
        "broken": loyalty_charts.breakage(over),
        "breakage": queries.breakage_of(lately),
        "breakage_months": queries.BREAKAGE_MONTHS,
        "this_month": this_month,
    }
