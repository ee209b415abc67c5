"""VIP rules: the table by level and currency, one rule with its versions, and editing it."""

from dataclasses import asdict

from flask import Blueprint, Response, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import db
from dashboard.errors import NotFound
from dashboard.forms.vip_rules import VipRuleForm
from dashboard.models.vip import Level
from dashboard.queries import staff
from dashboard.queries import vip_rules as queries
from dashboard.services import settings_requests, vip_rules
from dashboard.services import staff as people
from dashboard.views import access, htmx, proposals
from dashboard.views.access import requires

bp = Blueprint("vip_rules", __name__, url_prefix="/vip-rules")

_FIGURES = tuple(vip_rules.Figures.__dataclass_fields__)


@bp.get("")
@requires("vip:view")
def index() -> ResponseReturnValue:
    """Every rule in one currency, from the lowest level to the highest."""
    operator = access.current_operator()
    with db.reading() as session:
        rules = queries.list_rules(session, operator_id=operator.id)
        currencies = list(dict.fromkeys(rule.currency for rule in rules))
        currency = request.args.get("currency", operator.currency)
        if currency not in currencies:
            raise NotFound("There are no rules in that currency.")
        return render_template(
            "vip_rules/index.html",
            rules=[rule for rule in rules if rule.currency == currency],
            currency=currency,
            currencies=sorted(currencies, key=lambda code: (code != operator.currency, code)),
            xp_from=queries.xp_by_level(session, operator_id=operator.id),
            names=staff.names_by_id(session, operator_id=operator.id),
        )


@bp.get("/<string(length=3):currency>/<level:level>")
@requires("vip:view")
def show(currency: str, level: Level) -> ResponseReturnValue:
    """One rule: the figures in force and every version there was."""
    return _page("vip_rules/show.html", currency, level, form=None)


@bp.get("/<string(length=3):currency>/<level:level>/edit")
@requires("vip:edit")
def edit(currency: str, level: Level) -> ResponseReturnValue:
    """The same with a form."""
    return _page("vip_rules/edit.html", currency, level, form=None)


@bp.post("/<string(length=3):currency>/<level:level>/versions")
@requires("vip:edit")
def create_version(currency: str, level: Level) -> ResponseReturnValue:
    """Put new figures in force. Who has not seen the last version sees it first, and sends again."""
    form = VipRuleForm(currency=currency)
    if not form.validate():
        return _invalid(currency, level, form, 422)
    seen_version = form.seen_version.data or 0
    change = settings_requests.vip_rule(level, currency, seen_version=seen_version, figures=form.figures())
    proposed = proposals.propose(lambda _session: change, form, form.reason.data or "")
    if proposed.refused_as == 409:
        form.seen_version.data, form.seen_version.raw_data = None, None
    if proposed.refused_as:
        return _invalid(currency, level, form, proposed.refused_as)
    return proposals.told(
        proposed,
        url_for("vip_rules.show", currency=currency, level=level),
        f"Version {seen_version + 1} of {level} in {currency} is in force.",
    )


def _invalid(currency: str, level: Level, form: VipRuleForm, status: int) -> Response:
    template = "vip_rules/_vip_rule_form.html" if htmx.wants_partial() else "vip_rules/edit.html"
    answer = make_response(_page(template, currency, level, form), status)
    # A conflict would go to the notices by the page's own rule; here it is the form that shows it.
    answer.headers.update({"HX-Retarget": "#vip-rule-form", "HX-Reswap": "outerHTML"})
    return answer


def _page(template: str, currency: str, level: Level, form: VipRuleForm | None) -> str:
    operator = access.current_operator()
    with db.reading() as session:
        versions = queries.list_versions(session, operator_id=operator.id, level=level, currency=currency)
        rule = versions[0]
        if form is None:
            figures = {name: value for name, value in asdict(rule).items() if name in _FIGURES}
            form = VipRuleForm(currency=currency, formdata=None, data=figures)
        if form.seen_version.data is None:
            form.seen_version.data = rule.version
        return render_template(
            template,
            rule=rule,
            versions=versions,
            form=form,
            xp_from=queries.xp_by_level(session, operator_id=operator.id)[level],
            has_other_admin=people.has_other_admin(session, actor=access.current_actor()),
            names=staff.names_by_id(session, operator_id=operator.id),
        )
