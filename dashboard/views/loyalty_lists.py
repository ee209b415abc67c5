"""Lists over all members of the loyalty programme: the members, and what expires next."""

import datetime as dt
from typing import Any

from flask import Blueprint, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.loyalty_lists import ExpiryFilterForm, MemberFilterForm
from dashboard.queries import loyalty_lists as queries
from dashboard.services import loyalty_tiers
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("loyalty_lists", __name__, url_prefix="/loyalty")


@bp.get("/members")
@requires("loyalty:view")
def list_members() -> ResponseReturnValue:
    """The members; for htmx the list, or more rows of it."""
    with db.reading() as session:
        context = _members(session)
        if not htmx.wants_partial():
            return render_template("loyalty/members.html", **context)
        if "after" in request.args:
            return render_template("loyalty/_member_rows.html", **context)
        answer = make_response(render_template("loyalty/_members.html", **context))
    return lists.with_address(answer, "loyalty_lists.list_members", context["form"])


@bp.get("/expiries")
@requires("loyalty:view")
def list_expiries() -> ResponseReturnValue:
    """What expires next, by day and member; for htmx more rows of it."""
    operator, day = access.current_operator(), today()
    form = expiry_form()
    with db.reading() as session:
        page = queries.page_of_expiries(
            session,
            operator_id=operator.id,
            today=day,
            days=form.days,
            after=request.args.get("after", ""),
        )
        days = queries.list_days(session, operator_id=operator.id, today=day)
    context = {"form": form, "page": page, "today": day, "by_day": {row.day: row for row in days}}
    if htmx.wants_partial() and "after" in request.args:
        return render_template("loyalty/_expiry_rows.html", **context)
    windows = [(window, *queries.within(days, day, window)) for window in queries.WINDOWS]
    return render_template("loyalty/expiries.html", windows=windows, **context)


def today() -> dt.date:
    """The operator's day."""
    return clock.local(clock.now(), access.current_operator().timezone).date()


def member_form(session: Session) -> MemberFilterForm:
    """The filters of the members as the URL has them."""
    tiers = loyalty_tiers.tiers_of(session, access.current_operator().id)
    form = MemberFilterForm(request.args, tiers=tiers)
    form.validate()
    return form


def expiry_form() -> ExpiryFilterForm:
    """How far ahead the URL looks."""
    form = ExpiryFilterForm(request.args)
    form.validate()
    return form


def _members(session: Session) -> dict[str, Any]:
    operator_id, day = access.current_operator().id, today()
    form = member_form(session)
    wanted = form.wanted()
    page = queries.page_of_members(
        session, operator_id=operator_id, wanted=wanted, today=day, after=request.args.get("after", "")
    )
    total = queries.count_members(session, operator_id=operator_id, wanted=wanted, today=day)
    return {"form": form, "page": page, "total": total, "count_max": queries.COUNT_MAX, "today": day}
