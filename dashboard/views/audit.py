"""The audit: the last proof and a new one, anchors, the trial balance, the staff log."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, money
from dashboard.config import settings
from dashboard.forms.audit import LogFilterForm
from dashboard.queries import audit as queries
from dashboard.queries import player_list, staff
from dashboard.services import verifications
from dashboard.services.vip_rules import Figures
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("audit", __name__, url_prefix="/audit")

_AMOUNTS = {field.name for field in fields(Figures)} - {"drop_percent"}


@bp.get("")
@requires("audit:view")
def index() -> ResponseReturnValue:
    """The whole page."""
    with db.reading() as session:
        return render_template("audit/index.html", **_proof(session), **_log(session))


@bp.get("/verification")
@requires("audit:view")
def show_verification() -> ResponseReturnValue:
    """The last proof and the one that runs, for a page that waits for it."""
    if not htmx.wants_partial():
        return lists.whole_page("audit.index")
    with db.reading() as session:
        return render_template("audit/_verification.html", **_proof(session))


@bp.post("/verifications")
@requires("audit:verify")
def create_verification() -> ResponseReturnValue:
    """Have the worker prove everything now."""
    with db.writing() as session:
        is_new = verifications.ask(session, actor=access.current_actor(), now=clock.now())
    message = "The proof is asked for." if is_new else "A proof is waiting already."
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(url_for("audit.index"), message)
    with db.reading() as session:
        return htmx.with_toast(render_template("audit/_verification.html", **_proof(session)), message)


@bp.get("/trial-balance")
@requires("audit:view")
def show_trial_balance() -> ResponseReturnValue:
    """Players against house accounts: a page of its own, or the part of the audit that comes after it."""
    operator = access.current_operator()
    with db.reading() as session:
        template = "audit/_trial_balance.html" if htmx.wants_partial() else "audit/trial_balance.html"
        return render_template(
            template, currencies=queries.trial_balance(session, operator_id=operator.id), now=clock.now()
        )


@bp.get("/log")
@requires("audit:view")
def show_log() -> ResponseReturnValue:
    """The staff log by other filters, or more of it."""
    if not htmx.wants_partial():
        return lists.whole_page("audit.index")
    with db.reading() as session:
        context = _log(session)
        if "after" in request.args:
            return render_template("audit/_log_rows.html", **context)
        answer = make_response(render_template("audit/_staff_log.html", **context))
    return lists.with_address(answer, "audit.index", context["form"])


@bp.app_template_filter()
def log_action(action: str) -> str:
    """`vip_rule.edited` as `VIP rule edited`; a filter of templates."""
    words = action.replace(".", " ").replace("_", " ")
    return words.replace("vip", "VIP", 1) if words.startswith("vip") else words.capitalize()


@bp.app_template_filter()
def log_details(details: Mapping[str, object]) -> list[tuple[str, str]]:
    """Names and values in words, amounts in the currency that stands beside them; a filter of templates."""
    currency = details.get("currency")
    found = []
    for name, value in details.items():
        said = "–" if value is None else str(value)
        if name in _AMOUNTS and isinstance(currency, str):
            said = re.sub(r"-?[0-9]+", lambda number: money.show(int(number[0]), currency), said)
        found.append((name.replace("_", " "), said))
    return found


def _proof(session: Session) -> dict[str, Any]:
    return {
        "verification": queries.find_last_verification(session, operator_id=access.current_operator().id),
        "pending": queries.find_pending_verification(session, now=clock.now()),
        "anchor": queries.find_last_anchor(session),
        "anchors_are_here": settings().anchor_dir is None,
        "now": clock.now(),
    }


def _log(session: Session) -> dict[str, Any]:
    operator_id = access.current_operator().id
    names = staff.names_by_id(session, operator_id=operator_id)
    form = log_form(names)
    page = queries.page_of_log(
        session,
        operator_id=operator_id,
        wanted=log_filter(session, form),
        after=request.args.get("after", ""),
    )
    return {"form": form, "page": page, "names": names}


def log_form(names: Mapping[int, str]) -> LogFilterForm:
    """The filters of the staff log as the URL has them."""
    form = LogFilterForm(request.args, names=names)
    form.validate()
    return form


def log_filter(session: Session, form: LogFilterForm) -> queries.LogFilter:
    """The same for the query, with the player looked up."""
    operator = access.current_operator()
    start, end = form.span(operator.timezone)
    player, nobody = form.good("player") or "", -1
    player_id = player_list.find_only(session, operator_id=operator.id, search=player) if player else None
    return queries.LogFilter(
        performed_by=form.good("by") or "",
        search=form.good("q") or "",
        player_id=(player_id or nobody) if player else None,
        start=start,
        end=end,
    )
