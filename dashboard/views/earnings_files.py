"""What a partner takes along: earnings and statements as CSV and XLSX, a statement as PDF.

Read by the partners' database role, so that a file holds nothing that the pages do not show.
"""

from collections.abc import Callable

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import db
from dashboard.forms.filters import FilterForm
from dashboard.models.partner_money import PeriodKind
from dashboard.queries import earnings, partner_site, statements
from dashboard.services.exports import Format
from dashboard.views import access, earnings_lists, exports, partner_sheets, statement_files
from dashboard.views.access import requires
from dashboard.views.exports import Wanted

bp = Blueprint("earnings_files", __name__, url_prefix="/earnings")


@bp.get("/rounds.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_rounds(ending: str) -> ResponseReturnValue:
    """The rounds that may be seen by themselves, by the filters of their list."""

    def ask(session: Session, partner_id: int) -> Wanted:
        form = earnings_lists.round_form(session, partner_id)
        listing = earnings.all_rounds(partner_id=partner_id, wanted=form.wanted())
        return Wanted("earnings-by-round", form, partner_sheets.earned_rounds(), listing)

    return _answer(ask, ending)


@bp.get("/days.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_days(ending: str) -> ResponseReturnValue:
    """Days, by the filters of their list."""

    def ask(session: Session, partner_id: int) -> Wanted:
        form = earnings_lists.day_form(session, partner_id)
        listing = earnings.all_periods(partner_id=partner_id, kind=PeriodKind.DAY, wanted=form.wanted())
        return Wanted("earnings-by-day", form, partner_sheets.periods("Day"), listing)

    return _answer(ask, ending)


@bp.get("/months.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_months(ending: str) -> ResponseReturnValue:
    """Months, as a whole or of one game, by the filters of their list."""

    def ask(session: Session, partner_id: int) -> Wanted:
        form = earnings_lists.month_form(session, partner_id)
        kind = earnings_lists.kind_of_month(form)
        listing = earnings.all_periods(partner_id=partner_id, kind=kind, wanted=form.wanted())
        return Wanted("earnings-by-month", form, partner_sheets.periods("Month"), listing)

    return _answer(ask, ending)


@bp.get("/games.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_games(ending: str) -> ResponseReturnValue:
    """Games, by the filters of their list."""

    def ask(session: Session, partner_id: int) -> Wanted:
        form: FilterForm = earnings_lists.game_form(session, partner_id)
        listing = earnings.all_games(partner_id=partner_id, wanted=form.wanted())
        return Wanted("earnings-by-game", form, partner_sheets.games(), listing)

    return _answer(ask, ending)


@bp.get("/statements.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_statements(ending: str) -> ResponseReturnValue:
    """All statements, one a row."""

    def ask(_session: Session, partner_id: int) -> Wanted:
        listing = statements.all_statements(partner_id=partner_id)
        return Wanted("statements", None, partner_sheets.statements(), listing)

    return _answer(ask, ending)


@bp.get("/statements/<int:statement_id>.<any(csv, xlsx):ending>")
@requires("earnings:view")
def show_statement(statement_id: int, ending: str) -> ResponseReturnValue:
    """The rounds of one statement."""

    def ask(session: Session, partner_id: int) -> Wanted:
        found = statements.get_statement(session, statement_id=statement_id, partner_id=partner_id)
        return statement_files.wanted(session, found, earnings.game_names(session))

    return _answer(ask, ending)


@bp.get("/statements/<int:statement_id>.pdf")
@requires("earnings:view")
def show_document(statement_id: int) -> Response:
    """One statement, typeset."""
    partner_id = access.current_partner_id()
    with db.partner_reading(partner_id) as session:
        content = statement_files.content(
            session,
            statements.get_statement(session, statement_id=statement_id, partner_id=partner_id),
            partner_name=partner_site.get_self(session).name,
            terms={
                row.version: (row.share_bp, row.rate_bp)
                for row in partner_site.list_terms(session)
                if row.share_bp is not None and row.rate_bp is not None
            },
            games=earnings.game_names(session),
        )
    return statement_files.document(content)


def _answer(ask: Callable[[Session, int], Wanted], ending: str) -> Response:
    partner_id = access.current_partner_id()
    return exports.answer(lambda session: ask(session, partner_id), Format(ending))
