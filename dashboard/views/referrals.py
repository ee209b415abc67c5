"""Whose player somebody is: set, moved or ended by hand, from a moment on."""

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db, live
from dashboard.errors import NotFound, PurserError
from dashboard.forms.partners import ReferralForm
from dashboard.queries import partners as queries
from dashboard.queries import players
from dashboard.services import partners
from dashboard.views import access, htmx
from dashboard.views.access import requires

bp = Blueprint("referrals", __name__, url_prefix="/players/<int:player_id>/partner")


@bp.get("")
@requires("partners:edit")
def new(player_id: int) -> ResponseReturnValue:
    """Asks whose player this is from now on, and says what comes of it."""
    return _page(player_id, None)


@bp.post("")
@requires("partners:edit")
def create(player_id: int) -> ResponseReturnValue:
    """Make them that partner's from now on, or nobody's."""
    operator_id, now = access.current_operator().id, clock.now()
    with db.reading() as session:
        players.get_header(session, player_id=player_id, operator_id=operator_id)
        form = ReferralForm(names=queries.names_of_partners(session, operator_id=operator_id))
    if not form.validate():
        return _page(player_id, form, 422)
    try:
        moved = db.transact(
            lambda session: partners.refer(
                session,
                player_ids=[player_id],
                partner_id=form.chosen(),
                actor=access.current_actor(),
                now=now,
            )
        )
    except NotFound as refused:
        form.show(PurserError(refused.message, field="partner"))
        return _page(player_id, form, 422)
    live.tell(live.player(player_id))
    said = (
        f"From now on this is a player of {form.chosen_name}."
        if form.chosen()
        else "From now on nobody's player."
    )
    return htmx.redirect_with_toast(
        url_for("players.show", player_id=player_id), said if moved else "That is how it is already."
    )


def _page(player_id: int, form: ReferralForm | None, status: int = 200) -> Response:
    operator_id = access.current_operator().id
    with db.reading() as session:
        player = players.get_header(session, player_id=player_id, operator_id=operator_id)
        if form is None:
            form = ReferralForm(
                formdata=None,
                names=queries.names_of_partners(session, operator_id=operator_id),
                data={"partner": str(player.partner_id or "")},
            )
    template = "players/_referral.html" if htmx.wants_partial() else "players/referral.html"
    return make_response(render_template(template, player=player, form=form), status)
