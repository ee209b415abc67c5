"""The tiers of the loyalty programme: making and editing one with what it comes to, and retiring it."""

from dataclasses import dataclass, replace

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from dashboard import clock, db, money
from dashboard.errors import Conflict, NotFound, Rejected
from dashboard.forms.loyalty_programme import TierForm, tier_form
from dashboard.queries import loyalty as queries
from dashboard.queries.loyalty import TierRow
from dashboard.services import loyalty_programmes, loyalty_tiers
from dashboard.services.loyalty_tiers import Tier
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("loyalty_tiers", __name__, url_prefix="/loyalty/tiers")


@dataclass(frozen=True, slots=True)
class Paid:
    """A payment (minor units), the tier that it reaches, and the points that it gives."""

    amount: int
    tier: Tier | None
    points: int


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a tier comes to: its least payment, the last amount below it, and what is odd about the tiers."""

    tier: Tier
    bonus_percent: str
    least: Paid
    below: Paid
    warnings: list[str]


@bp.get("")
@requires("loyalty:view")
def index() -> ResponseReturnValue:
    """What each tier asks for and gives, and who is in it."""
    with db.reading() as session:
        rows = _rows(session)
    tiers = [row.tier for row in rows]
    warnings = loyalty_programmes.warnings(tiers, access.current_operator().currency)
    return render_template("loyalty/tiers.html", tiers=rows, warnings=warnings)


@bp.get("/new")
@requires("loyalty:edit")
def new() -> ResponseReturnValue:
    """The form of a new tier."""
    return _editor(_form(is_sent=False), None)


@bp.post("")
@requires("loyalty:edit")
def create() -> ResponseReturnValue:
    """Make it."""
    form = _form(is_sent=True)
    if not form.validate():
        return _editor(form, None, 422)
    who, now = access.current_actor(), clock.now()
    try:
        db.transact(
            lambda session: loyalty_programmes.create_tier(
                session, figures=form.figures(), actor=who, now=now
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _editor(form, None, 409 if isinstance(refused, Conflict) else 422)
    return htmx.redirect_with_toast(url_for("loyalty_tiers.index"), "The tier is made.")


@bp.post("/prospect")
@requires("loyalty:edit")
def show_prospect_of_new() -> ResponseReturnValue:
    """What the figures in the form of a new tier come to. Keeps nothing."""
    return _prospect_page(None)


@bp.get("/<int:tier_id>")
@requires("loyalty:edit")
def edit(tier_id: int) -> ResponseReturnValue:
    """Its form."""
    row = _get(tier_id)
    return _editor(_form(is_sent=False, of=row.tier), row)


@bp.post("/<int:tier_id>")
@requires("loyalty:edit")
def update(tier_id: int) -> ResponseReturnValue:
    """Let it say something else from now on."""
    row, form = _get(tier_id), _form(is_sent=True)
    if not form.validate():
        return _editor(form, row, 422)
    who, now = access.current_actor(), clock.now()
    try:
        db.transact(
            lambda session: loyalty_programmes.edit_tier(
                session, tier_id=tier_id, figures=form.figures(), actor=who, now=now
            )
        )
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _editor(form, row, 409 if isinstance(refused, Conflict) else 422)
    return htmx.redirect_with_toast(url_for("loyalty_tiers.index"), "In force for what is paid from now on.")


@bp.post("/<int:tier_id>/prospect")
@requires("loyalty:edit")
def show_prospect(tier_id: int) -> ResponseReturnValue:
    """What the figures in its form come to. Keeps nothing."""
    return _prospect_page(_get(tier_id))


@bp.post("/<int:tier_id>/retirement")
@requires("loyalty:edit")
def create_retirement(tier_id: int) -> ResponseReturnValue:
    """Let nobody reach it any more."""
    who, now = access.current_actor(), clock.now()
    said, kind = "The tier is retired.", "ok"
    try:
        db.transact(
            lambda session: loyalty_programmes.retire_tier(session, tier_id=tier_id, actor=who, now=now)
        )
    except Conflict as conflict:
        said, kind = conflict.message, "info"
    return htmx.redirect_with_toast(url_for("loyalty_tiers.index"), said, kind=kind)


def prospect_of(tiers: list[Tier], tier: Tier, currency: str) -> Prospect:
    """What a tier comes to among these, one of which it may replace. Pure."""
    among = sorted(
        [*(each for each in tiers if each.id != tier.id), tier], key=lambda each: each.minimum_payment
    )
    return Prospect(
        tier,
        loyalty_programmes.percent(tier, currency),
        _paid(among, tier.minimum_payment, currency),
        _paid(among, tier.minimum_payment - 1, currency),
        loyalty_programmes.warnings(among, currency),
    )


def _paid(tiers: list[Tier], amount: int, currency: str) -> Paid:
    tier = loyalty_tiers.reached(tiers, amount, present=None)
    base = loyalty_tiers.base_points(amount, currency)
    return Paid(amount, tier, base + loyalty_tiers.bonus_points(base, tier, currency))


def _form(*, is_sent: bool, of: Tier | None = None) -> TierForm:
    return tier_form(access.current_operator().currency, of=of, is_sent=is_sent)


def _get(tier_id: int) -> TierRow:
    with db.reading() as session:
        row = next((row for row in _rows(session) if row.tier.id == tier_id), None)
    if row is None:
        raise NotFound("There is no such tier.")
    return row


def _rows(session: Session) -> list[TierRow]:
    operator = access.current_operator()
    members = queries.count_members(session, operator_id=operator.id)
    return queries.rows_of(loyalty_tiers.tiers_of(session, operator.id), members, operator.currency)


def _prospect_page(row: TierRow | None) -> ResponseReturnValue:
    form = _form(is_sent=True)
    form.validate()
    if not htmx.wants_partial():
        return _editor(form, row)
    return render_template("loyalty/_prospect.html", **_prospect(form, row), row=row)


def _prospect(form: TierForm, row: TierRow | None) -> dict[str, object]:
    """For the template: `prospect`, or what is `wrong`, or neither where nothing was typed yet."""
    currency = access.current_operator().currency
    if form.is_submitted():
        wrong, figures = form.first_wrong, None if form.first_wrong else form.figures()
    else:
        wrong, figures = "", form.figures() if row else None
    if figures is None or figures.minimum_payment < money.from_whole(1, currency):
        return {"prospect": None, "wrong": wrong}
    with db.reading() as session:
        tiers = loyalty_tiers.tiers_of(session, access.current_operator().id)
    tier = Tier(
        id=row.tier.id if row else 0,
        code=figures.code,
        name=figures.name or "This tier",
        minimum_payment=figures.minimum_payment,
        points=figures.points,
        discount_bp=figures.discount_bp,
        validity_months=figures.validity_months,
    )
    if row and not row.tier.is_active:
        tier = replace(tier, is_active=False)
    return {"prospect": prospect_of(tiers, tier, currency), "wrong": ""}


def _editor(form: TierForm, row: TierRow | None, status: int = 200) -> Response:
    return make_response(
        render_template("loyalty/tier.html", form=form, row=row, **_prospect(form, row)), status
    )
