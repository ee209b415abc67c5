"""The first page of a partner: what was earned, how it went, where it stands on its way to be paid."""

import datetime as dt
from dataclasses import dataclass

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.models.partner import Disclosure
from dashboard.models.partner_money import PeriodKind
from dashboard.queries import earnings as queries
from dashboard.queries import partner_site
from dashboard.queries.earnings import EarningFilter, PeriodRow
from dashboard.queries.partner_site import Account
from dashboard.views import access, charts
from dashboard.views.access import requires

bp = Blueprint("earnings", __name__, url_prefix="/earnings")

DAYS = 30
MONTHS = 12
GAMES = 5


@dataclass(frozen=True)
class Trend:
    """What was earned by day or by month, the earliest first; None for what is not shown by itself."""

    kind: PeriodKind
    points: list[tuple[dt.date, PeriodRow | None]]

    @property
    def title(self) -> str:
        """Which stretch of time it is."""
        return f"last {DAYS} days" if self.kind == PeriodKind.DAY else f"last {MONTHS} months"

    @property
    def is_shown(self) -> bool:
        """Whether there is anything to draw."""
        return any(row is not None for _, row in self.points)

    @property
    def last(self) -> PeriodRow | None:
        """Of today, or of this month."""
        return self.points[-1][1]

    @property
    def earned(self) -> int:
        """All that is shown."""
        return sum(row.earned for _, row in self.points if row is not None)


@bp.get("")
@requires("earnings:view")
def index() -> ResponseReturnValue:
    """The overview in one currency."""
    partner_id, today = access.current_partner_id(), local_today()
    with db.partner_reading(partner_id) as session:
        me = partner_site.get_self(session)
        accounts = partner_site.list_accounts(session, partner_id=partner_id, first=me.home_currency)
        account = _chosen(accounts, me.home_currency)
        days = _by_day(session, partner_id, account.currency, today)
        months = _by_month(session, partner_id, account.currency, today)
        trend = months if _is_by_month(days) else days
        since = months.points[0][0]
        context = {
            "me": me,
            "accounts": accounts,
            "account": account,
            "today": days.last,
            "month": months.last,
            "trend": trend,
            "figure": charts.earned(trend.points, currency=account.currency, is_by_day=trend is days),
            "games": queries.list_games(
                session,
                partner_id=partner_id,
                wanted=EarningFilter(currency=account.currency, first=since),
                limit=GAMES,
            ),
            "games_since": since,
            "referred": partner_site.count_referred(
                session, start=clock.month(clock.now(), access.current_operator().timezone).start
            ),
            "hides_small": any(
                terms.disclosure == Disclosure.BASIS for terms in partner_site.list_terms(session)
            ),
        }
    return render_template("earnings/index.html", **context)


def _is_by_month(days: Trend) -> bool:
    """As it is asked for; else by month where no day is shown by itself."""
    wanted = request.args.get("by")
    return wanted == "month" or (wanted != "day" and not days.is_shown)


def local_today() -> dt.date:
    """The day on the operator's wall."""
    return clock.local(clock.now(), access.current_operator().timezone).date()


def _chosen(accounts: list[Account], home_currency: str) -> Account:
    """The account that is asked for, else the first; an empty one before there are any."""
    wanted = request.args.get("currency")
    found = [each for each in accounts if each.currency == wanted] or accounts
    return found[0] if found else Account(home_currency, 0, 0, 0, 0, 0, 0)


def _by_day(session: Session, partner_id: int, currency: str, today: dt.date) -> Trend:
    days = [today - dt.timedelta(days=back) for back in reversed(range(DAYS))]
    return _trend(session, partner_id, PeriodKind.DAY, currency, days)


def _by_month(session: Session, partner_id: int, currency: str, today: dt.date) -> Trend:
    months = [today.replace(day=1)]
    while len(months) < MONTHS:
        months.insert(0, (months[0] - dt.timedelta(days=1)).replace(day=1))
    return _trend(session, partner_id, PeriodKind.MONTH, currency, months)


def _trend(
    session: Session, partner_id: int, kind: PeriodKind, currency: str, starts: list[dt.date]
) -> Trend:
    rows = queries.list_periods(session, partner_id=partner_id, kind=kind, currency=currency, first=starts[0])
    known = {row.starts: row for row in rows}
    return Trend(kind, [(start, known.get(start)) for start in starts])
