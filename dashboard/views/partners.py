"""Partners: the list, one of them, a new one, another name or status, and whose players they have."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, Rejected
from dashboard.forms.partners import NameForm, PartnerFilterForm, PartnerForm, StatusForm, terms_form
from dashboard.queries import bonus_offers, partner_figures
from dashboard.queries import partners as queries
from dashboard.services import partner_example, partners
from dashboard.views import access, htmx, lists, partner_pages
from dashboard.views.access import requires

bp = Blueprint("partners", __name__, url_prefix="/partners")


@bp.get("")
@requires("partners:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the list, or more rows of it."""
    with db.reading() as session:
        context = _list_context(session)
        if not htmx.wants_partial():
            return render_template("partners/index.html", **context)
        if "after" in request.args:
            return render_template("partners/_partner_rows.html", **context)
        answer = make_response(render_template("partners/_partners.html", **context))
    return lists.with_address(answer, "partners.index", context["form"])


@bp.get("/count")
@requires("partners:approve")
def show_count() -> ResponseReturnValue:
    """How many statements and payouts wait for whoever asks, for a navigation that keeps itself fresh."""
    if not htmx.wants_partial():
        return lists.whole_page("partners.index")
    return render_template("partners/_partner_count.html")


@bp.get("/new")
@requires("partners:edit")
def new() -> ResponseReturnValue:
    """The form of a new partner and the first contract."""
    return _editor(_form(is_sent=False))


@bp.post("")
@requires("partners:edit")
def create() -> ResponseReturnValue:
    """Make the partner, who is pending yet."""
    form = _form(is_sent=True)
    if not form.validate():
        return make_response(_editor(form), 422)
    try:
        partner_id = db.transact(
            lambda session: partners.create(
                session,
                name=form.name.data,
                code=form.code.data,
                contract=form.contract(),
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return make_response(_editor(form), 409 if isinstance(refused, Conflict) else 422)
    return htmx.redirect_with_toast(
        url_for("partners.show", partner_id=partner_id),
        "The partner is made, and pending: invite somebody of theirs, then make them active.",
    )


@bp.post("/prospect")
@requires("partners:edit")
def show_prospect() -> ResponseReturnValue:
    """What the terms in the form of a new partner come to on an example. Keeps nothing."""
    form = _form(is_sent=True)
    form.validate()
    if not htmx.wants_partial():
        return _editor(form)
    return render_template("partners/_example.html", **example_of(form))


@bp.get("/<int:partner_id>")
@requires("partners:view")
def show(partner_id: int) -> ResponseReturnValue:
    """What they earn, what was agreed, and who signs in."""
    with db.reading() as session:
        frame = partner_pages.frame(session, partner_id, "overview")
        account = _account(frame["partner"])
        currency = account.currency if account else access.current_operator().currency
        is_long = request.args.get("months") == str(partner_figures.MANY_MONTHS)
        months = partner_figures.list_months(
            session,
            partner_id=partner_id,
            currency=currency,
            today=_today(),
            count=partner_figures.MANY_MONTHS if is_long else partner_figures.FEW_MONTHS,
        )
        return render_template(
            "partners/show.html",
            **frame,
            account=account,
            currency=currency,
            months=months,
            is_long=is_long,
            contracts=queries.list_contracts(session, partner_id=partner_id),
            changes=queries.list_status_changes(session, partner_id=partner_id),
            users=queries.list_users(session, partner_id=partner_id, now=clock.now()),
            today=_today(),
        )


@bp.get("/<int:partner_id>/players")
@requires("partners:view")
def show_players(partner_id: int) -> ResponseReturnValue:
    """Who is the partner's player now; for htmx more rows."""
    with db.reading() as session:
        frame = partner_pages.frame(session, partner_id, "players")
        page = queries.page_of_referred(session, partner_id=partner_id, after=request.args.get("after", ""))
        is_part = htmx.wants_partial() and "after" in request.args
        template = "partners/_player_rows.html" if is_part else "partners/players.html"
        return render_template(template, **frame, page=page)


@bp.get("/<int:partner_id>/edit")
@requires("partners:edit")
def edit(partner_id: int) -> ResponseReturnValue:
    """Another name."""
    return _name_form(partner_id, None)


@bp.post("/<int:partner_id>")
@requires("partners:edit")
def update(partner_id: int) -> ResponseReturnValue:
    """Give them another name."""
    form = NameForm()
    if not form.validate():
        return _name_form(partner_id, form, 422)
    try:
        db.transact(
            lambda session: partners.rename(
                session,
                partner_id=partner_id,
                name=form.name.data or "",
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except Rejected as refused:
        form.show(refused)
        return _name_form(partner_id, form, 422)
    return _told(partner_id, "The partner has another name.")


@bp.get("/<int:partner_id>/status")
@requires("partners:edit")
def new_status(partner_id: int) -> ResponseReturnValue:
    """Asks what they can do from now on, and why."""
    return _status_form(partner_id, None)


@bp.post("/<int:partner_id>/status")
@requires("partners:edit")
def create_status(partner_id: int) -> ResponseReturnValue:
    """Change it; who may not sign in any more is signed out."""
    form = StatusForm()
    if not form.validate():
        return _status_form(partner_id, form, 422)
    try:
        db.transact(
            lambda session: partners.set_status(
                session,
                partner_id=partner_id,
                status=form.chosen(),
                reason=form.reason.data or "",
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _status_form(partner_id, form, 409 if isinstance(refused, Conflict) else 422)
    return _told(partner_id, f"The partner is {form.chosen()} now.")


def example_of(form: Any) -> dict[str, Any]:
    """The example of the typed terms, or what is still wrong with them."""
    currency = access.current_operator().currency
    wrong = form.first_wrong
    terms = form.terms() if not wrong and form.share.data and form.rate.data else None
    return {
        "example": partner_example.example(terms, currency) if terms else None,
        "terms": terms,
        "wrong": wrong,
        "currency": currency,
    }


def _form(*, is_sent: bool) -> Any:
    operator = access.current_operator()
    with db.reading() as session:
        currencies = bonus_offers.list_currencies(session, operator_id=operator.id)
    return terms_form(PartnerForm, currencies, is_sent=is_sent, valid_from=_today())


def _editor(form: Any) -> str:
    return render_template("partners/new.html", form=form, **example_of(form))


def _today() -> Any:
    return clock.local(clock.now(), access.current_operator().timezone).date()


def _account(partner: queries.Header) -> queries.AccountRow | None:
    """The account in the currency that the URL names, else the first; None where nothing was earned."""
    asked = request.args.get("currency", "")
    named = (account for account in partner.accounts if account.currency == asked)
    return next(named, partner.accounts[0] if partner.accounts else None)


def _list_context(session: Session) -> dict[str, Any]:
    operator = access.current_operator()
    sums = queries.sum_accounts(session, operator_id=operator.id)
    form = PartnerFilterForm(request.args, currencies=[row.currency for row in sums])
    form.validate()
    wanted = form.wanted()
    page = queries.page_of_partners(
        session,
        operator_id=operator.id,
        home=operator.currency,
        wanted=wanted,
        today=_today(),
        after=request.args.get("after", ""),
    )
    total = queries.count_partners(session, operator_id=operator.id, wanted=wanted)
    shown = wanted.currency or operator.currency
    return {
        "form": form,
        "page": page,
        "total": total,
        "sums": sums,
        "sum": next((row for row in sums if row.currency == shown), None),
    }


def _name_form(partner_id: int, form: NameForm | None, status: int = 200) -> Response:
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
    form = form or NameForm(formdata=None, data={"name": partner.name})
    template = "partners/_name.html" if htmx.wants_partial() else "partners/name.html"
    return make_response(render_template(template, partner=partner, form=form), status)


def _status_form(partner_id: int, form: StatusForm | None, status: int = 200) -> Response:
    with db.reading() as session:
        partner = partner_pages.get(session, partner_id)
    if form is None:
        begins = None if partner.status == "pending" else partner.status
        form = StatusForm(formdata=None, data={"status": begins})
    template = "partners/_status.html" if htmx.wants_partial() else "partners/status.html"
    return make_response(render_template(template, partner=partner, form=form), status)


def _told(partner_id: int, said: str) -> Response:
    live.tell(live.operator_of(access.current_operator().id))
    return htmx.redirect_with_toast(url_for("partners.show", partner_id=partner_id), said)
