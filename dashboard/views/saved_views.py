"""Saved views: keeping the filters, order and columns of a list under a name, and changing that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import Blueprint, current_app, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import clock, db, permissions
from dashboard.errors import NotFound, Rejected
from dashboard.forms.alerts import AlertFilterForm
from dashboard.forms.audit import LogFilterForm
from dashboard.forms.desk import RecentFilterForm
from dashboard.forms.filters import FilterForm
from dashboard.forms.games import RoundFilterForm
from dashboard.forms.loyalty_lists import MemberFilterForm
from dashboard.forms.player_list import PlayerFilterForm
from dashboard.forms.saved_views import SavedViewForm
from dashboard.forms.wallets import JournalFilterForm
from dashboard.models.login import Role
from dashboard.queries import saved_views as queries
from dashboard.services import saved_views
from dashboard.views import access, htmx
from dashboard.views.access import requires
from dashboard.views.auth import safe_path

bp = Blueprint("saved_views", __name__, url_prefix="/saved-views")

LISTS: Mapping[str, tuple[str, type[FilterForm]]] = {
    "player_list.index": ("players", PlayerFilterForm),
    "players.show": ("a journal", JournalFilterForm),
    "desk.index": ("recent changes", RecentFilterForm),
    "alerts.index": ("alerts", AlertFilterForm),
    "rounds.index": ("rounds", RoundFilterForm),
    "loyalty_lists.list_members": ("members", MemberFilterForm),
    "audit.index": ("the staff log", LogFilterForm),
}
"""The lists that can be kept, by endpoint: what they are called, and what may stand in their URL."""


@bp.get("/new")
@requires("desk:view")
def new() -> ResponseReturnValue:
    """The form for keeping what one looks at, as a dialog or a page."""
    page = _known(request.args.get("page", ""))
    given = {"page": page, "query": request.args.get("query", ""), "next": _came_from()}
    return _show("new", _form(page, formdata=None, data=given), page)


@bp.post("")
@requires("desk:view")
def create() -> ResponseReturnValue:
    """Keep it."""
    page = _known(request.form.get("page", ""))
    form = _form(page)
    if not form.validate():
        return make_response(_show("new", form, page), 422)
    try:
        with db.writing() as session:
            saved_views.create(
                session,
                actor=access.current_actor(),
                page=page,
                name=form.name.data or "",
                query=urlencode(fields_of(page, form.query.data or "")),
                shared_with=form.readers,
                now=clock.now(),
            )
    except Rejected as error:
        form.show(error)
        return make_response(_show("new", form, page), 422)
    return _done(form, f"The view “{form.name.data}” is kept.")


@bp.get("/<int:view_id>/edit")
@requires("desk:view")
def edit(view_id: int) -> ResponseReturnValue:
    """The form for one of one's own views: its name, its readers, and taking it away."""
    with db.reading() as session:
        view = queries.get_own(session, actor=access.current_actor(), view_id=view_id)
    given = {"name": view.name, "shared_with": view.shared_with or "", "page": view.page}
    form = _form(view.page, formdata=None, data={**given, "next": _came_from()})
    return _show("edit", form, view.page, view_id=view_id)


@bp.post("/<int:view_id>")
@requires("desk:view")
def update(view_id: int) -> ResponseReturnValue:
    """Give it another name or other readers."""
    page = _page_of(view_id)
    form = _form(page)
    if not form.validate():
        return make_response(_show("edit", form, page, view_id=view_id), 422)
    try:
        db.transact(
            lambda session: saved_views.change(
                session,
                actor=access.current_actor(),
                view_id=view_id,
                name=form.name.data or "",
                shared_with=form.readers,
            )
        )
    except Rejected as error:
        form.show(error)
        return make_response(_show("edit", form, page, view_id=view_id), 422)
    return _done(form, f"The view “{form.name.data}” is changed.")


@bp.post("/<int:view_id>/removal")
@requires("desk:view")
def create_removal(view_id: int) -> ResponseReturnValue:
    """Take it away."""
    form = _form(_page_of(view_id))
    with db.writing() as session:
        saved_views.remove(session, actor=access.current_actor(), view_id=view_id)
    return _done(form, "The view is deleted.")


@dataclass(frozen=True, slots=True)
class Link:
    """A saved view in the menu of its list."""

    id: int
    name: str
    href: str
    fields: Mapping[str, str]
    """What stands in its URL."""
    is_mine: bool
    owner: str
    shared_with: str | None


@bp.app_template_global("saved_views")
def list_links(page: str, *, player_id: int | None = None, currency: str | None = None) -> list[Link]:
    """The views of that list that whoever asks may see; of a player's journal, for that player."""
    whose: dict[str, Any] = {"player_id": player_id, "currency": currency} if player_id is not None else {}
    actor = access.current_actor()
    with db.reading() as session:
        rows = queries.list_views(session, actor=actor, page=page)
    return [
        Link(
            id=row.id,
            name=row.name,
            href=url_for(page, **{**whose, **fields_of(page, row.query)}),
            fields=fields_of(page, row.query),
            is_mine=row.owner_id == actor.id,
            owner=row.owner,
            shared_with=row.shared_with,
        )
        for row in rows
    ]


def fields_of(page: str, query: str) -> dict[str, str]:
    """A query string as names and values, without any name that this list does not have."""
    names = LISTS[page][1].names()
    return {name: value for name, value in parse_qsl(query) if name in names}


def _page_of(view_id: int) -> str:
    with db.reading() as session:
        return queries.get_own(session, actor=access.current_actor(), view_id=view_id).page


def _known(page: str) -> str:
    """A list that there is and that whoever asks may open. Raises NotFound."""
    if page not in LISTS or not access.current_actor().may(_verb_of(page)):
        raise NotFound("There is no such list.")
    return page


def _verb_of(page: str) -> str:
    return access.permission_of(current_app, page) or ""


def _form(page: str, **given: Any) -> SavedViewForm:
    verb = _verb_of(page)
    roles = [role for role in Role if permissions.allows(role, verb)]
    return SavedViewForm(roles=roles, **given)


def _show(what: str, form: SavedViewForm, page: str, **given: Any) -> str:
    template = f"saved_views/_{what}.html" if htmx.wants_partial() else f"saved_views/{what}.html"
    back = safe_path(form.next.data or "") or url_for("desk.index")
    return render_template(template, form=form, list_name=LISTS[page][0], back=back, **given)


def _came_from() -> str:
    return safe_path(htmx.current_path() if htmx.is_htmx() else request.args.get("next", ""))


def _done(form: SavedViewForm, message: str) -> ResponseReturnValue:
    return htmx.redirect_with_toast(safe_path(form.next.data or "") or url_for("desk.index"), message)
