"""Partners' statements: of all of them, of one, a month that is closed, and what a second person decides."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.partner_money import APPROVE, DecisionForm, MonthForm, StatementFilterForm
from dashboard.queries import partner_money as queries
from dashboard.queries import partners, staff, statements
from dashboard.queries.partner_money import MoneyFilter, StatementRow
from dashboard.services import partner_statements
from dashboard.views import access, htmx, lists, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partner_statements", __name__, url_prefix="/partners")

LOCK_TIMEOUT_MS = 2_000


@dataclass(frozen=True)
class Drafts:
    """What closing a month would make; with `refused`, why it cannot be closed."""

    rows: list[StatementRow]
    refused: str = ""
    is_open: bool = True
    """Whether there is a month to close."""


@bp.get("/statements")
@requires("partners:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list, or more rows of it."""
    with db.reading() as session:
        context = _context(session)
        if not htmx.wants_partial():
            return render_template("partners/statements.html", **context)
        if "after" in request.args:
            return render_template("partners/_statement_rows.html", **context)
        answer = make_response(render_template("partners/_statements.html", **context))
    return lists.with_address(answer, "partner_statements.index", context["form"])


@bp.get("/statements/new")
@requires("partners:approve")
def new() -> ResponseReturnValue:
    """A month to close, with the statements that this would make; nothing is written."""
    asked = request.args.get("month", f"{_last_month():%Y-%m}")
    form = MonthForm(MultiDict({"month": asked}), meta={"csrf": False})
    form.validate()
    return _closing(form)


@bp.post("/statements")
@requires("partners:approve")
def create() -> ResponseReturnValue:
    """Close the month for every partner and currency."""
    form = MonthForm()
    if not form.validate():
        return make_response(_closing(form), 422)
    who, now, month = access.current_actor(), clock.now(), form.chosen()
    try:
        made = partner_statements.close_each(
            db.transact, operator_id=who.operator_id, month=month, actor=who, now=now
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return make_response(_closing(form), 409 if isinstance(refused, Conflict) else 422)
    _tell()
    said = f"{month:%B %Y} is closed: {_counted(len(made))} for a second person."
    if not made:
        said = f"{month:%B %Y} is closed: there was nothing to state."
    return htmx.redirect_with_toast(url_for("partner_statements.index", month=f"{month:%Y-%m}"), said)


@bp.get("/statements/<int:statement_id>")
@requires("partners:view")
def show(statement_id: int) -> ResponseReturnValue:
    """One statement with its lines, real beside shown, and the form that decides it."""
    return _page(statement_id, DecisionForm(formdata=None))


@bp.post("/statements/<int:statement_id>/decision")
@requires("partners:approve")
def create_decision(statement_id: int) -> ResponseReturnValue:
    """Approve or decline, as a second person."""
    form, who, now = DecisionForm(), access.current_actor(), clock.now()
    if not form.validate():
        return _page(statement_id, form, 422)
    is_approved = form.decision.data == APPROVE
    decide = partner_statements.approve if is_approved else partner_statements.decline
    try:
        db.transact(
            lambda session: decide(
                session, statement_id=statement_id, reason=form.reason.data or "", actor=who, now=now
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(PurserError(refused.message, field=refused.field))
        return _page(statement_id, form, 409 if isinstance(refused, Conflict) else 422)
    _tell()
    said = "The statement is approved." if is_approved else "Declined: the month is open again."
    with db.reading() as session:
        following = queries.find_next_statement(session, operator_id=who.operator_id, login_id=who.id)
    location = url_for("partner_statements.show", statement_id=statement_id)
    if following is None:
        return htmx.redirect_with_toast(location, said)
    href = url_for("partner_statements.show", statement_id=following)
    return htmx.redirect_with_toast(location, said, href=href, link="The next one that waits")


@bp.get("/<int:partner_id>/statements")
@requires("partners:view")
def list_of_partner(partner_id: int) -> ResponseReturnValue:
    """All of one partner; for htmx more rows."""
    with db.reading() as session:
        frame = partner_pages.frame(session, partner_id, "statements")
        page = queries.page_of_statements(
            session,
            operator_id=access.current_operator().id,
            wanted=MoneyFilter(partner_id=partner_id),
            after=request.args.get("after", ""),
        )
        is_part = htmx.wants_partial() and "after" in request.args
        template = "partners/_statement_rows.html" if is_part else "partners/partner_statements.html"
        return render_template(template, **frame, page=page, more=_more_of(partner_id, page.next_place))


def _context(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    sums = partners.sum_accounts(session, operator_id=operator.id)
    form = StatementFilterForm(request.args, currencies=[row.currency for row in sums])
    form.validate()
    page = queries.page_of_statements(
        session, operator_id=operator.id, wanted=form.wanted(), after=request.args.get("after", "")
    )
    return {
        "form": form,
        "page": page,
        "partner": None,
        "more": lists.address("partner_statements.index", form.asked(), after=page.next_place),
        "names": staff.names_by_id(session, operator_id=operator.id),
        "waiting": queries.count_waiting(
            session, operator_id=operator.id, login_id=access.current_actor().id
        ),
    }


def _more_of(partner_id: int, place: str) -> str:
    return url_for("partner_statements.list_of_partner", partner_id=partner_id, after=place or None)


def _closing(form: MonthForm) -> str:
    drafts = Drafts([]) if form.errors else _rehearse(form.chosen())
    return render_template(
        "partners/closing.html",
        form=form,
        drafts=drafts,
        month=None if form.errors else form.chosen(),
    )


def _rehearse(month: dt.date) -> Drafts:
    """What closing it makes, by doing so in a transaction that is rolled back."""
    who, now = access.current_actor(), clock.now()
    with db.rehearsing(lock_timeout_ms=LOCK_TIMEOUT_MS) as session:
        is_open = queries.has_open_month(session, operator_id=who.operator_id, month=month)
        try:
            made = partner_statements.close_month(
                session, operator_id=who.operator_id, month=month, actor=who, now=now
            )
        except Rejected as refused:
            return Drafts([], refused.message)
        rows = queries.list_of_ids(session, operator_id=who.operator_id, ids=made)
        return Drafts(rows, is_open=is_open)


def _last_month() -> dt.date:
    today = clock.local(clock.now(), access.current_operator().timezone).date()
    return partner_statements.preceding(today.replace(day=1))


def _page(statement_id: int, form: DecisionForm, status: int = 200) -> Response:
    operator = access.current_operator()
    with db.reading() as session:
        signed = statements.get_signatures(session, statement_id=statement_id, operator_id=operator.id)
        statement = statements.get_statement(session, statement_id=statement_id, partner_id=signed.partner_id)
        [row] = queries.list_of_ids(session, operator_id=operator.id, ids=[statement_id])
        html = render_template(
            "partners/statement.html",
            head=statement.head,
            lines=statement.lines,
            real=queries.list_real_lines(session, statement_id=statement_id),
            signed=signed,
            is_own=row.closed_by == access.current_actor().id,
            form=form,
        )
    return make_response(html, status)


def _tell() -> None:
    operator_id = access.current_operator().id
    live.tell(live.operator_of(operator_id), live.approvals_of(operator_id))


def _counted(count: int) -> str:
    return "1 statement waits" if count == 1 else f"{count} statements wait"
