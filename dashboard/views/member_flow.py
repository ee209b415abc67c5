"""How one acts on a member's points: form, preview, deed.

What is posted is what was shown: the preview carries the mark of its outcome, the form sends it along, and
another outcome is rolled back and shown first. So a form without JavaScript is previewed by its first press.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db, live
from dashboard.errors import Conflict, PurserError, Rejected
from dashboard.forms.loyalty import ActForm
from dashboard.queries import members
from dashboard.queries.members import EntryDetail, Member
from dashboard.services import refusals
from dashboard.services.changes import ChangeRefused, KeyReused
from dashboard.views import access, htmx
from dashboard.views.member_outcome import Outcome

LOCK_TIMEOUT_MS = 200


@dataclass(frozen=True)
class Place:
    """On whom one acts, and on which entry of the journal, where it is about one."""

    player_id: int
    sequence: int | None = None
    more: dict[str, int] = field(default_factory=dict)
    """What else stands in the address."""

    @property
    def named(self) -> dict[str, Any]:
        """As it stands in the address."""
        entry = {} if self.sequence is None else {"sequence": self.sequence}
        return {"player_id": self.player_id, **entry, **self.more}


@dataclass(frozen=True)
class Act:
    """Something that one does with a member's points, in the words of its form."""

    name: str
    """Of its endpoints: the blueprint and what follows new_, preview_ and create_, as `member_acts.load`."""
    title: str
    button: str
    """What the button says as long as nobody knows more."""
    form: Callable[[], Any]
    work: Callable[[Session, Place, Any], Outcome]
    consequence: str = ""
    is_grave: bool = False
    has_preview: bool = True

    def address(self, does: str, place: Place) -> str:
        """Where the form is (new), is previewed (preview) and is sent (create)."""
        blueprint, _, noun = self.name.partition(".")
        return url_for(f"{blueprint}.{does}_{noun}", **place.named)

    @property
    def fields(self) -> str:
        """The template of its fields."""
        return f"members/fields/_{self.name.partition('.')[2]}.html"


@dataclass(frozen=True)
class Outlook:
    """What stands below the fields: the outcome, or why there is none to show."""

    outcome: Outcome | None = None
    refused: str = ""
    unreadable: str = ""
    """What is wrong with what has been typed so far."""
    busy: bool = False
    """Somebody else holds the wallet: the preview tries again by itself."""
    reused: bool = False
    """This form has been sent already, with other content."""
    is_first: bool = False
    """Nobody had seen it when the form was sent."""
    has_moved: bool = False
    """What was seen when the form was sent is not what it does now."""


class Unseen(Exception):
    """An outcome that nobody has looked at; raised so that its transaction is rolled back."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.act)
        self.outcome = outcome


def ask(act: Act, place: Place) -> Response:
    """The form, fresh; with what it does where that needs no figure."""
    form = act.form()
    return _page(act, place, form, _outlook(act, place, form))


def preview(act: Act, place: Place) -> Response:
    """What sending the form would do, by the service itself, in a transaction that is rolled back."""
    form = act.form()
    form.validate()
    context = {"act": act, "place": place, "outlook": _outlook(act, place, form), "oob": True}
    return make_response(render_template("members/_outlook.html", **context))


def post(act: Act, place: Place) -> Response:
    """Do it, once; what is refused changes nothing, and neither does what nobody has seen."""
    form = act.form()
    if not form.validate():
        return _page(act, place, form, Outlook(), 422)
    seen = request.form.get("seen", "")
    try:
        outcome = db.transact(lambda session: _seen(act.work(session, place, form), act, seen))
    except Unseen as unseen:
        outlook = Outlook(unseen.outcome, is_first=not seen, has_moved=bool(seen))
        return _page(act, place, form, outlook, 409 if seen else 200)
    except KeyReused as reused:
        form.renew()
        form.show(PurserError(reused.message))
        return _page(act, place, form, Outlook(), 409)
    except ChangeRefused as refused:
        return _page(act, place, _recorded(form, refused), Outlook(), 422)
    except (Rejected, Conflict) as refused:
        form.show(refused)
        return _page(act, place, form, Outlook(), 409 if isinstance(refused, Conflict) else 422)
    return _done(place, outcome)


def read_entry(session: Session, member: Member, place: Place) -> EntryDetail | None:
    """The entry that it is about, if any. Raises NotFound."""
    if place.sequence is None:
        return None
    return members.get_entry(session, member=member, sequence=place.sequence)


def member_url(player_id: int) -> str:
    """The member's page."""
    return url_for("members.show", player_id=player_id)


def _seen(outcome: Outcome, act: Act, seen: str) -> Outcome:
    if act.has_preview and not outcome.repeated and outcome.mark != seen:
        raise Unseen(outcome)
    return outcome


def _recorded(form: ActForm, refused: ChangeRefused) -> ActForm:
    """The form with what the rules of the balance say; the attempt is put on record, as every such one."""
    who, now = access.current_actor(), clock.now()
    db.transact(lambda session: refusals.record(session, refused=refused, actor=who, now=now))
    for problem in refused.judgement.validation.errors:
        form.show(Rejected(problem.message, field="points"))
    form.renew()
    return form


def _outlook(act: Act, place: Place, form: ActForm) -> Outlook:
    if not act.has_preview or not form.is_ready:
        return Outlook()
    if form.unreadable:
        return Outlook(unreadable=form.unreadable)
    try:
        with db.rehearsing(lock_timeout_ms=LOCK_TIMEOUT_MS) as session:
            return Outlook(act.work(session, place, form))
    except KeyReused:
        return Outlook(reused=True)
    except (Rejected, Conflict) as refused:
        return Outlook(refused=refused.message)
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Outlook(busy=True)


def _page(act: Act, place: Place, form: ActForm, outlook: Outlook, status: int = 200) -> Response:
    with db.reading() as session:
        member = members.get_member(
            session, player_id=place.player_id, operator_id=access.current_operator().id
        )
        detail = read_entry(session, member, place)
        template = "members/_act.html" if htmx.wants_partial() else "members/act.html"
        html = render_template(
            template, act=act, place=place, member=member, detail=detail, form=form, outlook=outlook
        )
    return make_response(html, status)


def _done(place: Place, outcome: Outcome) -> Response:
    tell = live.tell_request if outcome.request_id is not None else live.tell_player
    tell(operator_id=access.current_actor().operator_id, player_id=place.player_id)
    said = f"{outcome.done} Once: this form had been sent already." if outcome.repeated else outcome.done
    link = {}
    if outcome.request_id is not None:
        href = url_for("points_requests.show", player_id=place.player_id, request_id=outcome.request_id)
        link = {"href": href, "link": "Request"}
    elif outcome.sequence is not None:
        href = url_for("members.show_entry", player_id=place.player_id, sequence=outcome.sequence)
        link = {"href": href, "link": f"Entry {outcome.sequence}"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(member_url(place.player_id), said, **link)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(Response(status=204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:player")
