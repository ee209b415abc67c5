"""Bulk: a list of changes comes in, is rehearsed, looked at, and posted while one watches or goes away."""

from functools import partial
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.errors import Conflict, Rejected
from dashboard.forms.bulk import FILE_BYTES_MAX, BulkForm, PostingForm
from dashboard.models.bulk import BulkMode, BulkState
from dashboard.queries import bulk as queries
from dashboard.queries.bulk import RunRow, Show
from dashboard.services import allowances, bulk, bulk_check, bulk_rows, exports
from dashboard.views import access, edge, htmx, sheets
from dashboard.views.access import requires

bp = Blueprint("bulk", __name__, url_prefix="/bulk")

CHECKED_AT_ONCE = 200
"""Longer lists are checked by the worker: the balances of a list are locked while it is."""
LOCK_TIMEOUT_MS = 1_000


@bp.get("")
@requires("bulk:view")
def index() -> ResponseReturnValue:
    """The form for a list, and the lists there were."""
    if htmx.wants_partial() and "after" in request.args:
        with db.reading() as session:
            return render_template("bulk/_run_rows.html", page=_page_of_runs(session))
    return _index(BulkForm(formdata=None))


@bp.post("")
@requires("bulk:run")
@edge.takes(FILE_BYTES_MAX + 64 * 1024)
def create() -> ResponseReturnValue:
    """Read a list, keep it, and have it rehearsed."""
    form = BulkForm()
    if not form.validate():
        return _invalid(form)
    try:
        rows = form.read(access.current_operator().currency)
    except Rejected as refused:
        form.show(refused)
        return _invalid(form)
    who, name = access.current_actor(), form.name
    run_id = db.transact(
        lambda session: bulk.create(session, rows=rows, name=name, actor=who, now=clock.now())
    )
    _check(run_id, len(rows))
    return htmx.see(url_for("bulk.show", run_id=run_id))


@bp.get("/<int:run_id>")
@requires("bulk:view")
def show(run_id: int) -> ResponseReturnValue:
    """One list; for htmx its rows, or more of them."""
    if not htmx.wants_partial():
        return _page(run_id)
    with db.reading() as session:
        template = "bulk/_line_rows.html" if "after" in request.args else "bulk/_lines.html"
        return render_template(template, **_lines(session, run_id))


@bp.get("/<int:run_id>/progress")
@requires("bulk:view")
def show_progress(run_id: int) -> ResponseReturnValue:
    """How far the worker is, for a page that waits for it."""
    if not htmx.wants_partial():
        return redirect(url_for("bulk.show", run_id=run_id), 303)
    with db.reading() as session:
        context = _run(session, run_id)
        answer = make_response(render_template("bulk/_run.html", **context))
    has_moved = request.args.get("seen") != context["run"].state
    return htmx.trigger(answer, "bulk:moved") if has_moved else answer


@bp.post("/<int:run_id>/posting")
@requires("bulk:run")
def create_posting(run_id: int) -> ResponseReturnValue:
    """Have the list posted."""
    form = PostingForm()
    if not form.validate():
        return _unposted(run_id, form, 422)
    try:
        db.transact(
            lambda session: bulk.start(
                session,
                run_id=run_id,
                mode=BulkMode(form.mode.data),
                means_amounts=form.means_amounts.data,
                means_twice=form.means_twice.data,
                actor=access.current_actor(),
                now=clock.now(),
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _unposted(run_id, form, 409 if isinstance(refused, Conflict) else 422)
    return htmx.see(url_for("bulk.show", run_id=run_id))


@bp.post("/<int:run_id>/check")
@requires("bulk:run")
def create_check(run_id: int) -> ResponseReturnValue:
    """Have the list rehearsed anew."""
    who = access.current_actor()
    db.transact(partial(bulk.check_again, run_id=run_id, actor=who, now=clock.now()))
    with db.reading() as session:
        rows = queries.get_run(session, operator_id=who.operator_id, run_id=run_id).rows
    _check(run_id, rows)
    return htmx.see(url_for("bulk.show", run_id=run_id))


@bp.post("/<int:run_id>/cancellation")
@requires("bulk:run")
def create_cancellation(run_id: int) -> ResponseReturnValue:
    """End it where it is."""
    counts = db.transact(partial(bulk.cancel, run_id=run_id, actor=access.current_actor(), now=clock.now()))
    posted = counts.posted + counts.waiting
    said = f"The list is cancelled after {posted:,} rows." if posted else "The list is discarded."
    return htmx.redirect_with_toast(url_for("bulk.show", run_id=run_id), said, kind="info")


@bp.post("/<int:run_id>/refused-rows")
@requires("bulk:run")
def create_refused_rows(run_id: int) -> ResponseReturnValue:
    """The refused rows as a file that can be mended and sent again."""
    who, operator = access.current_actor(), access.current_operator()
    with db.reading() as session:
        run = queries.get_run(session, operator_id=operator.id, run_id=run_id)
        listing = queries.all_lines(run_id=run_id, show=Show.REFUSED)
        sheet = exports.Sheet(sheets.bulk_lines(), listing.read(session), operator.timezone)
        data = b"".join(exports.csv_pieces(sheet))
    name = f"list-{run_id}-refused"
    db.transact(
        partial(
            exports.record,
            actor=who,
            what=name,
            file_format=exports.Format.CSV,
            filters={},
            rows=run.refused,
            is_whole=True,
            player_id=None,
            now=clock.now(),
        )
    )
    answer = Response(data, content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return answer


def _check(run_id: int, rows: int) -> None:
    """At once where that is quick; else, or where somebody holds a balance of it, by the worker."""
    if rows <= CHECKED_AT_ONCE:
        try:
            bulk_check.check(
                db.transact,
                partial(db.rehearsing, lock_timeout_ms=LOCK_TIMEOUT_MS),
                run_id=run_id,
                now=clock.now,
                batch=rows + 1,
            )
        except OperationalError:
            pass
        else:
            return
    db.transact(partial(bulk.enqueue, run_id=run_id))


def _page_of_runs(session: Session) -> Any:
    operator_id = access.current_operator().id
    return queries.page_of_runs(session, operator_id=operator_id, after=request.args.get("after", ""))


def _index(form: BulkForm, status: int = 200) -> Response:
    with db.reading() as session:
        page = render_template(
            "bulk/index.html", form=form, page=_page_of_runs(session), rows_max=bulk_rows.ROWS_MAX
        )
    return make_response(page, status)


def _invalid(form: BulkForm) -> Response:
    if not htmx.wants_partial():
        return _index(form, 422)
    return make_response(render_template("bulk/_bulk_form.html", form=form, rows_max=bulk_rows.ROWS_MAX), 422)


def _page(run_id: int, form: PostingForm | None = None, status: int = 200) -> Response:
    with db.reading() as session:
        context = {**_lines(session, run_id), **_run(session, run_id, form)}
        return make_response(render_template("bulk/show.html", **context), status)


def _unposted(run_id: int, form: PostingForm, status: int) -> Response:
    if not htmx.wants_partial():
        return _page(run_id, form, status)
    with db.reading() as session:
        answer = make_response(render_template("bulk/_run.html", **_run(session, run_id, form)), status)
    # A conflict would go to the notices by the page's own rule; here it is the list that shows it.
    answer.headers.update({"HX-Retarget": "#run", "HX-Reswap": "outerHTML"})
    return answer


def _run(session: Session, run_id: int, form: PostingForm | None = None) -> dict[str, Any]:
    operator, who = access.current_operator(), access.current_actor()
    run = queries.get_run(session, operator_id=operator.id, run_id=run_id)
    is_mine = run.made_by == who.id and who.may("bulk:run")
    sums = queries.sums_of(session, run_id=run_id)
    return {
        "run": run,
        "is_mine": is_mine,
        "sums": sums,
        "uses": _uses(session, run, sums) if is_mine and run.state == BulkState.CHECKED else [],
        "twin": bulk.find_twin(session, run_id=run_id) if run.state == BulkState.CHECKED else None,
        "form": form or PostingForm(formdata=None, data={"mode": BulkMode.BEST_EFFORT.value}),
        "has_worker": not run.is_busy or queries.has_worker(session, now=clock.now()),
    }


def _uses(
    session: Session, run: RunRow, sums: list[queries.Sum]
) -> list[tuple[queries.Sum, allowances.Allowance]]:
    """What the list takes of its maker's allowance, by currency."""
    operator, who, now = access.current_operator(), access.current_actor(), clock.now()
    if not run.ready:
        return []
    return [
        (
            each,
            allowances.look(session, actor=who, currency=each.currency, timezone=operator.timezone, now=now),
        )
        for each in sums
    ]


def _lines(session: Session, run_id: int) -> dict[str, Any]:
    asked = request.args.get("show", "")
    wanted = Show(asked) if asked in set(Show) else Show.ALL
    run = queries.get_run(session, operator_id=access.current_operator().id, run_id=run_id)
    page = queries.page_of_lines(session, run_id=run_id, show=wanted, after=request.args.get("after", ""))
    return {"run": run, "lines": page, "shown": wanted}
