"""What a partner earned, by round, by day, by month and by game: each leads to what it is the sum of."""

from typing import Any

from flask import Blueprint, Response, make_response, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.forms.earnings import (
    DayFilterForm,
    EarnedRoundFilterForm,
    GameTotalFilterForm,
    MonthFilterForm,
)
from dashboard.forms.filters import FilterForm
from dashboard.models.partner_money import PeriodKind
from dashboard.queries import earnings as queries
from dashboard.queries import partner_site
from dashboard.views import access, htmx, lists
from dashboard.views.access import requires

bp = Blueprint("earnings_lists", __name__, url_prefix="/earnings")


@bp.get("/rounds")
@requires("earnings:view")
def list_rounds() -> ResponseReturnValue:
    """The rounds that may be seen by themselves; for htmx the list by other filters, or more of it."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        form = round_form(session, partner_id)
        page = queries.page_of_rounds(
            session, partner_id=partner_id, wanted=form.wanted(), after=request.args.get("after", "")
        )
    return _answer("rounds", form, page=page)


@bp.get("/days")
@requires("earnings:view")
def list_days() -> ResponseReturnValue:
    """Days, each with the way to its rounds."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        form = day_form(session, partner_id)
        page = queries.page_of_periods(
            session,
            partner_id=partner_id,
            kind=PeriodKind.DAY,
            wanted=form.wanted(),
            after=request.args.get("after", ""),
        )
    return _answer("days", form, page=page)


@bp.get("/months")
@requires("earnings:view")
def list_months() -> ResponseReturnValue:
    """Months, each with the way to its days; those of one game with the way to its rounds."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        form = month_form(session, partner_id)
        page = queries.page_of_periods(
            session,
            partner_id=partner_id,
            kind=kind_of_month(form),
            wanted=form.wanted(),
            after=request.args.get("after", ""),
        )
    return _answer("months", form, page=page)


@bp.get("/games")
@requires("earnings:view")
def list_games() -> ResponseReturnValue:
    """Games over all months or some, the best first, each with the way to its months."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        form = game_form(session, partner_id)
        rows = queries.list_games(session, partner_id=partner_id, wanted=form.wanted())
    return _answer("games", form, rows=rows)


def round_form(session: Session, partner_id: int) -> EarnedRoundFilterForm:
    """The filters of the rounds as the URL has them."""
    form = EarnedRoundFilterForm(
        request.args, currencies=_currencies(session, partner_id), games=queries.game_names(session)
    )
    form.validate()
    return form


def day_form(session: Session, partner_id: int) -> DayFilterForm:
    """The filters of the days as the URL has them."""
    form = DayFilterForm(request.args, currencies=_currencies(session, partner_id))
    form.validate()
    return form


def month_form(session: Session, partner_id: int) -> MonthFilterForm:
    """The filters of the months as the URL has them."""
    form = MonthFilterForm(
        request.args, currencies=_currencies(session, partner_id), games=queries.game_names(session)
    )
    form.validate()
    return form


def game_form(session: Session, partner_id: int) -> GameTotalFilterForm:
    """The filters of the games as the URL has them."""
    form = GameTotalFilterForm(request.args, currencies=_currencies(session, partner_id))
    form.validate()
    return form


def kind_of_month(form: MonthFilterForm) -> PeriodKind:
    """Whether these are months as a whole, or of one game."""
    return PeriodKind.GAME if form.wanted().game_id else PeriodKind.MONTH


def _currencies(session: Session, partner_id: int) -> list[str]:
    home = access.current_operator().currency
    accounts = partner_site.list_accounts(session, partner_id=partner_id, first=home)
    return [account.currency for account in accounts]


def _answer(noun: str, form: FilterForm, **context: Any) -> Response:
    """The page of a list; for htmx the list alone, or the rows that follow."""
    if not htmx.wants_partial():
        return make_response(render_template(f"earnings/{noun}.html", form=form, **context))
    if "after" in request.args:
        return make_response(render_template(f"earnings/_earned_{noun}_rows.html", form=form, **context))
    answer = make_response(render_template(f"earnings/_earned_{noun}.html", form=form, **context))
    return lists.with_address(answer, f"earnings_lists.list_{noun}", form)
