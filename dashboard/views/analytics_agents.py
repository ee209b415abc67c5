"""Analytics by agent: what their players moved, and what they did themselves."""

from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.forms.analytics import PeriodForm
from dashboard.queries import agent_figures as queries
from dashboard.queries import staff
from dashboard.queries.agent_figures import AgentRow
from dashboard.queries.rollups import Scope
from dashboard.services.exports import Amount, Column
from dashboard.services.periods import Period
from dashboard.views import access, analytics_charts, analytics_pages, lists
from dashboard.views.access import requires
from dashboard.views.analytics_charts import Series

bp = Blueprint("analytics_agents", __name__)

DRAWN_MOST = 20
"""So many agents are drawn; the table has all of them."""


class _Asked(NamedTuple):
    form: PeriodForm
    scope: Scope
    period: Period
    rows: list[AgentRow]


@bp.get("/analytics/agents")
@requires("analytics:view")
def index() -> ResponseReturnValue:
    """The page; for htmx the part that its filters change."""
    with db.reading() as session:
        asked = _read(session)
    return analytics_pages.answer(
        "analytics/agents.html", "analytics/_agents.html", asked.form, _context(asked)
    )


@bp.get("/analytics/agents.csv")
@requires("analytics:view")
def show_csv() -> Response:
    """The same as a file."""
    with db.reading() as session:
        asked = _read(session)
    name = f"agents-{asked.scope.currency}-{asked.period.span.start:%Y-%m-%d}"
    return analytics_pages.file(_columns(asked.scope.currency), asked.rows, name)


def _read(session: Session) -> _Asked:
    operator = access.current_operator()
    form = PeriodForm(request.args, currencies=analytics_pages.currencies(session))
    form.validate()
    scope = Scope(operator.id, operator.timezone, form.good("currency") or operator.currency)
    period = form.wanted(now=clock.now(), zone=operator.timezone)
    names = staff.names_by_id(session, operator_id=operator.id)
    return _Asked(form, scope, period, queries.read(session, scope, period, names=names))


def _context(asked: _Asked) -> dict[str, Any]:
    drawn = [row for row in asked.rows if row.figures.entries][:DRAWN_MOST]
    series = (
        Series("Stakes", "wager", [row.figures.stakes for row in drawn]),
        Series("Payouts", "settlement", [row.figures.payouts for row in drawn]),
        Series("Deposits", "deposit", [row.figures.deposits for row in drawn]),
        Series("Withdrawals", "withdrawal", [row.figures.withdrawals for row in drawn]),
    )
    names = [row.name for row in drawn]
    return {
        "form": asked.form,
        "rows": asked.rows,
        "drawn": len(drawn),
        "currency": asked.scope.currency,
        "volume": analytics_charts.by_name(names, series, currency=asked.scope.currency),
        "csv_href": lists.address("analytics_agents.show_csv", asked.form.asked()),
    }


def _columns(currency: str) -> list[Column]:
    def of_players(label: str, name: str) -> Column:
        return Column(label, "amount", lambda row: Amount(getattr(row.figures, name), currency))

    return [
        Column("Agent", "text", lambda row: row.name),
        of_players("Deposits of their players", "deposits"),
        of_players("Withdrawals", "withdrawals"),
        of_players("Stakes", "stakes"),
        of_players("Payouts", "payouts"),
        of_players("Net gaming revenue", "revenue"),
        Column("Before", "amount", lambda row: Amount(row.before.revenue, currency)),
        Column("Adjustments made", "number", lambda row: row.acts.adjustments),
        Column("Credited by them", "amount", lambda row: Amount(row.acts.credited, currency)),
        Column("Debited by them", "amount", lambda row: Amount(row.acts.debited, currency)),
        Column("Refused", "number", lambda row: row.acts.refused),
        Column("Alerts acknowledged", "number", lambda row: row.acts.acknowledged),
        Column("Median seconds to acknowledge", "number", lambda row: _seconds(row.acts.median)),
        Column("90 % within seconds", "number", lambda row: _seconds(row.acts.p90)),
    ]


def _seconds(length: Any) -> int | None:
    return None if length is None else round(length.total_seconds())
