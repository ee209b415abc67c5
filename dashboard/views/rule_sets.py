"""Rule sets: the list, one version, and the editor that prices every bet while one types."""

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db
from dashboard.errors import Conflict, Rejected
from dashboard.forms.rule_sets import NewRuleSetForm, NextVersionForm, RuleSetForm, laid_out
from dashboard.queries import rule_sets as queries
from dashboard.queries import staff
from dashboard.queries.rule_sets import RuleSetRow
from dashboard.services import rule_set_rows, rule_set_tables, rule_sets
from dashboard.services.rule_sets import Rules
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("rule_sets", __name__, url_prefix="/rule-sets")

ACTIVATE = "activate"
"""What the second button of the editor sends as `then`."""


@dataclass(frozen=True)
class Pricing:
    """What the rules come to that stand in a form; without rules, what is still wrong with them."""

    rules: Rules | None
    wrong: str = ""


@bp.get("")
@requires("games:view")
def index() -> ResponseReturnValue:
    """Every rule set by its newest version."""
    with db.reading() as session:
        named = queries.list_rule_sets(session, operator_id=access.current_operator().id)
        return render_template("rule_sets/index.html", named=named)


@bp.get("/<int:rule_set_id>")
@requires("games:view")
def show(rule_set_id: int) -> ResponseReturnValue:
    """One version: what it pays, what that is worth, its other versions, who plays it."""
    return _show(rule_set_id)


@bp.get("/new")
@requires("games:edit")
def new() -> ResponseReturnValue:
    """A form that begins with the standard rules."""
    return _editor(laid_out(NewRuleSetForm, rules=rule_sets.SHIPPED[rule_sets.DEFAULT_NAME]), None)


@bp.post("")
@requires("games:edit")
def create() -> ResponseReturnValue:
    """Keep a new rule set, as a draft or for games to take up."""
    return _keep(_sent(NewRuleSetForm), None)


@bp.get("/<int:rule_set_id>/edit")
@requires("games:edit")
def edit(rule_set_id: int) -> ResponseReturnValue:
    """A form for the next version, which begins with this one."""
    row, last_version = _with_last_version(rule_set_id)
    form = laid_out(NextVersionForm, rules=row.rules, seen_version=last_version)
    return _editor(form, row)


@bp.post("/<int:rule_set_id>/versions")
@requires("games:edit")
def create_version(rule_set_id: int) -> ResponseReturnValue:
    """Keep the next version, as a draft or for games to take up."""
    row, _last_version = _with_last_version(rule_set_id)
    return _keep(_sent(NextVersionForm), row)


@bp.post("/prospect")
@requires("games:edit")
def show_prospect() -> ResponseReturnValue:
    """What the rules in the form for a new one come to. Keeps nothing."""
    return _prospect(_sent(NewRuleSetForm), None)


@bp.post("/<int:rule_set_id>/prospect")
@requires("games:edit")
def show_prospect_of_version(rule_set_id: int) -> ResponseReturnValue:
    """What the rules in the form for the next version come to. Keeps nothing."""
    row, _last_version = _with_last_version(rule_set_id)
    return _prospect(_sent(NextVersionForm), row)


@bp.post("/<int:rule_set_id>/activation")
@requires("games:edit")
def create_activation(rule_set_id: int) -> ResponseReturnValue:
    """Let games take it up; refused where the house would lose."""
    try:
        high = db.transact(
            lambda session: rule_set_rows.activate(
                session, rule_set_id=rule_set_id, actor=access.current_actor(), now=clock.now()
            )
        )
    except (Rejected, Conflict) as refused:
        return make_response(
            _show(rule_set_id, refused.message), 422 if isinstance(refused, Rejected) else 409
        )
    return _told(rule_set_id, "Games can take it up now.", high)


@bp.post("/<int:rule_set_id>/retirement")
@requires("games:edit")
def create_retirement(rule_set_id: int) -> ResponseReturnValue:
    """Let no game take it up any more; refused where games are played under it."""
    try:
        db.transact(
            lambda session: rule_set_rows.retire(
                session, rule_set_id=rule_set_id, actor=access.current_actor(), now=clock.now()
            )
        )
    except Conflict as conflict:
        return make_response(_show(rule_set_id, conflict.message), 409)
    return _told(rule_set_id, "No game can take it up any more.", ())


def _keep(form: RuleSetForm, row: RuleSetRow | None) -> ResponseReturnValue:
    if not form.validate() or form.has_unseen_rows():
        return make_response(_editor(form, row), 422)
    try:
        rules = form.rules()
    except Rejected as refused:
        form.show(refused)
        return make_response(_editor(form, row), 422)
    try:
        rule_set_id, high = db.transact(lambda session: _kept(session, form, row, rules))
    except (Rejected, Conflict) as refused:
        form.show(refused)
        if isinstance(refused, rule_set_rows.Losing):
            form.show_losing(refused.edges, rules)
        return make_response(_editor(form, row, rules), 409 if isinstance(refused, Conflict) else 422)
    done = "It is active: games can take it up." if _activates() else "It is kept as a draft."
    return _told(rule_set_id, done, high)


def _kept(
    session: Session, form: RuleSetForm, row: RuleSetRow | None, rules: Rules
) -> tuple[int, tuple[rule_sets.Edge, ...]]:
    """In one transaction: what cannot be activated is not kept either, so that it can be mended."""
    who, now = access.current_actor(), clock.now()
    if row is None:
        kept = rule_set_rows.make(session, name=form.name.data or "", rules=rules, actor=who, now=now)
    else:
        seen_version = form["seen_version"].data
        kept = rule_set_rows.edit(
            session, rule_set_id=row.id, rules=rules, seen_version=seen_version, actor=who, now=now
        )
    if not _activates():
        return kept, ()
    return kept, rule_set_rows.activate(session, rule_set_id=kept, actor=who, now=now)


def _activates() -> bool:
    return request.form.get("then") == ACTIVATE


def _told(rule_set_id: int, done: str, high: tuple[rule_sets.Edge, ...]) -> Response:
    kind = "ok"
    if high:
        kind = "warn"
        done += (
            f" {', '.join(f'{edge.label} {edge.percent}' for edge in high)}: above 10 %, players will notice."
        )
    return htmx.redirect_with_toast(url_for("rule_sets.show", rule_set_id=rule_set_id), done, kind=kind)


def _prospect(form: RuleSetForm, row: RuleSetRow | None) -> str:
    form.validate()
    if not htmx.wants_partial():
        return _editor(form, row)
    is_laid_out_anew = request.args.get("part") == "table"
    template = "rule_sets/_laid_out.html" if is_laid_out_anew else "rule_sets/_edges.html"
    return render_template(template, form=form, **_priced(form))


def _editor(form: RuleSetForm, row: RuleSetRow | None, rules: Rules | None = None) -> str:
    """`rules` where the form's are known, whatever else is wrong with it."""
    if row is None:
        addresses = {"save": url_for("rule_sets.create"), "prospect": url_for("rule_sets.show_prospect")}
    else:
        addresses = {
            "save": url_for("rule_sets.create_version", rule_set_id=row.id),
            "prospect": url_for("rule_sets.show_prospect_of_version", rule_set_id=row.id),
        }
    with db.reading():
        return render_template(
            "rule_sets/edit.html", form=form, row=row, addresses=addresses, **_priced(form, rules)
        )


def _priced(form: RuleSetForm, rules: Rules | None = None) -> dict[str, Any]:
    """The form's rules as tables with their edges; the same code prices them when they are kept."""
    pricing = Pricing(rules) if rules else _price(form)
    rules = pricing.rules
    return {
        "pricing": pricing,
        "tables": {table.stage: table for table in rule_set_tables.tables(rules)} if rules else {},
        "side_bets": {bet.selection: bet for bet in rule_set_tables.side_bets(rules)},
        "losing": rule_sets.losing(rules) if rules else (),
        "high": rule_sets.high(rules) if rules else (),
    }


def _price(form: RuleSetForm) -> Pricing:
    if form.first_wrong:
        return Pricing(None, form.first_wrong)
    try:
        return Pricing(form.rules())
    except Rejected as refused:
        return Pricing(None, refused.message)


def _show(rule_set_id: int, refused: str = "") -> str:
    operator = access.current_operator()
    with db.reading() as session:
        row = queries.get_rule_set(session, operator_id=operator.id, rule_set_id=rule_set_id)
        rules = row.rules
        return render_template(
            "rule_sets/show.html",
            row=row,
            rules=rules,
            tables=rule_set_tables.tables(rules),
            side_bets=[bet for bet in rule_set_tables.side_bets(rules) if bet.pays is not None],
            losing=rule_sets.losing(rules),
            high=rule_sets.high(rules),
            versions=queries.list_versions(session, operator_id=operator.id, name=row.name),
            games=queries.games_by_version(session, operator_id=operator.id, name=row.name),
            names=staff.names_by_id(session, operator_id=operator.id),
            refused=refused,
        )


def _with_last_version(rule_set_id: int) -> tuple[RuleSetRow, int]:
    operator_id = access.current_operator().id
    with db.reading() as session:
        row = queries.get_rule_set(session, operator_id=operator_id, rule_set_id=rule_set_id)
        versions = queries.list_versions(session, operator_id=operator_id, name=row.name)
        return row, versions[0].version


def _sent(kind: type[RuleSetForm]) -> RuleSetForm:
    rules = rule_sets.SHIPPED[rule_sets.DEFAULT_NAME]
    return laid_out(kind, rules=rules, sent=request.form)
