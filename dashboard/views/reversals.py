"""Undoing an entry: what hangs on it, what would happen, and the deed."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from flask import Blueprint, Response, make_response, render_template, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from dashboard import clock, db, live, money
from dashboard.errors import PurserError, Rejected
from dashboard.forms.reversals import ReversalForm
from dashboard.models.change_request import RequestState
from dashboard.queries import reversals as queries
from dashboard.queries.journal import EntryDetail
from dashboard.queries.reversals import Hanging
from dashboard.services import refusals, reversals
from dashboard.services.balances import ChangeRefused, Judgement, StaleBalance
from dashboard.services.reversals import Extent
from dashboard.services.submissions import Course, Submitted
from dashboard.views import access, htmx, player_page
from dashboard.views.access import requires

bp = Blueprint(
    "reversals",
    __name__,
    url_prefix="/players/<int:player_id>/entries/<string(length=3):currency>/<int:sequence>/reversal",
)

_LOCK_TIMEOUT_MS = 200


@dataclass(frozen=True)
class Prospect:
    """What undoing an entry would do: said by the posting code itself, in a transaction rolled back."""

    extent: Extent
    judgement: Judgement | None = None
    course: Course | None = None
    """What would become of it; None where it would be refused."""
    refused: Sequence[str] = ()

    @property
    def opens(self) -> list[str]:
        """Types of the alerts that it would open."""
        if self.judgement is None or self.course is None:
            return []
        hits = [hit.type.value for hit in self.judgement.alerts.hits]
        return [kind for kind in hits if kind not in self.judgement.open_alerts]

    @property
    def closes(self) -> list[str]:
        """Types of the alerts that it would close."""
        if self.judgement is None or self.course is None:
            return []
        return [kind.value for kind in self.judgement.alerts.closes]

    @property
    def waits(self) -> bool:
        """Whether a second person would decide."""
        return self.course is Course.WAIT


@bp.get("")
@requires("balances:reverse")
def new(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """What hangs on the entry, and the form that undoes it."""
    return _ask(player_id, currency, sequence, None)


@bp.post("")
@requires("balances:reverse")
def create(player_id: int, currency: str, sequence: int) -> ResponseReturnValue:
    """Undo the entry by another, or keep that for a second person."""
    form = ReversalForm()
    if not form.validate():
        return _ask(player_id, currency, sequence, form, status=422)
    who = access.current_actor()
    try:
        done = db.transact(lambda session: _undo(session, player_id, currency, sequence, form))
    except ChangeRefused as refused:
        _record(player_id, refused)
        form.idempotency_key.data = str(uuid4())  # the attempt is on record under the old one
        form.show(PurserError(refused.message))
        return _ask(player_id, currency, sequence, form, status=422)
    except Rejected as rejected:
        form.show(PurserError(rejected.message))
        return _ask(player_id, currency, sequence, form, status=422)
    except StaleBalance as stale:
        form.renew(stale.version)
        return _ask(player_id, currency, sequence, form, status=409, has_moved=True)
    tell = live.tell_request if done.state == RequestState.WAITING else live.tell_player
    tell(operator_id=who.operator_id, player_id=player_id)
    return _undone(player_id, currency, sequence, done)


def _undo(
    session: Session,
    player_id: int,
    currency: str,
    sequence: int,
    form: ReversalForm,
) -> Submitted:
    return reversals.undo(
        session,
        player_id=player_id,
        currency=currency,
        sequence=sequence,
        extent=Extent(form.extent.data),
        reason=form.reason.data or "",
        actor=access.current_actor(),
        idempotency_key=form.idempotency_key.data or "",
        now=clock.now(),
        seen_version=form.seen_version.data,
    )


def _record(player_id: int, refused: ChangeRefused) -> None:
    who, now = access.current_actor(), clock.now()
    db.transact(lambda session: refusals.record(session, refused=refused, actor=who, now=now))
    live.tell_player(operator_id=who.operator_id, player_id=player_id)


def _ask(
    player_id: int,
    currency: str,
    sequence: int,
    form: ReversalForm | None,
    *,
    status: int = 200,
    has_moved: bool = False,
) -> Response:
    with db.reading() as session:
        entry = player_page.get_entry(session, player_id, currency, sequence)
        zone = access.current_operator().timezone
        hanging = queries.hanging(session, entry=entry, timezone=zone, now=clock.now())
    # After the reading: a request holds one connection at a time.
    prospects = _prospects(entry, hanging)
    if form is None:
        given = {"seen_version": hanging.version, "extent": prospects[0].extent if prospects else None}
        form = ReversalForm(formdata=None, data=given)
    template = "reversals/_reversal.html" if htmx.wants_partial() else "reversals/new.html"
    return make_response(
        render_template(
            template, entry=entry, hanging=hanging, prospects=prospects, form=form, has_moved=has_moved
        ),
        status,
    )


def _prospects(entry: EntryDetail, hanging: Hanging) -> list[Prospect]:
    """The ways to undo it, the gentlest first; none where it cannot be undone."""
    if entry.irreversible_because:
        return []
    extents = [Extent.WHOLE]
    divides = entry.change_type != "transfer" and not entry.bonus_delta
    if divides and hanging.is_partly_spent(entry) and hanging.withdrawable:
        extents.insert(0, Extent.LEFT)
    return [_rehearsed(entry, extent) for extent in extents]


def _rehearsed(entry: EntryDetail, extent: Extent) -> Prospect:
    try:
        with db.rehearsing(lock_timeout_ms=_LOCK_TIMEOUT_MS) as session:
            done = reversals.undo(
                session,
                player_id=entry.player_id,
                currency=entry.currency,
                sequence=entry.sequence,
                extent=extent,
                reason="Preview",
                actor=access.current_actor(),
                idempotency_key=str(uuid4()),
                now=clock.now(),
            )
    except ChangeRefused as refused:
        problems = [problem.message for problem in refused.judgement.validation.errors]
        return Prospect(extent, refused.judgement, refused=problems)
    except Rejected as rejected:
        return Prospect(extent, refused=[rejected.message])
    except OperationalError as error:
        if not db.is_lock_held(error):
            raise
        return Prospect(extent, refused=["Somebody is changing this balance: open this again to see."])
    return Prospect(extent, done.judgement, done.weighed.course if done.weighed else None)


def _undone(player_id: int, currency: str, sequence: int, done: Submitted) -> Response:
    if done.change is not None:
        entry = done.change.entry
        amount = f"{money.show(entry.real_delta, currency, signed=True)} {currency}"
        said = f"Entry {sequence} is reversed: {amount}."
        if entry.change_type != "reversal":
            said = f"A part of entry {sequence} is undone: {amount}."
        link = {"href": player_page.entry_url(entry), "link": f"Entry {entry.sequence}"}
    else:
        said = f"Reversing entry {sequence} waits for a second person."
        href = url_for("approvals.show", player_id=player_id, request_id=done.request_id)
        link = {"href": href, "link": "Request"}
    if not htmx.wants_partial():
        return htmx.redirect_with_toast(player_page.player_url(player_id, currency), said, **link)
    # An answer without content: what stands open fetches itself anew.
    answer = htmx.with_toast(Response(status=204), said, **link)
    return htmx.trigger(htmx.trigger(answer, "dialog:close"), "live:player")
