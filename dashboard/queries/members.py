"""One member of the programme: how the wallet stands, its batches, its journal, and what waits on it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.errors import NotFound
from dashboard.queries import paging
from dashboard.queries.paging import Page, Place
from dashboard.services import loyalty_tiers, member_tiers
from dashboard.services.loyalty_tiers import Tier

SOON_DAYS = 30
"""Points that lapse within so many days lapse soon; the first notice is given then."""
HISTORY_SHOWN = 50
OPEN_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Wallet:
    """How a member's loyalty wallet stands. Points; money in minor units of the home currency."""

    status: str
    status_reason: str | None
    status_by: str | None
    status_at: dt.datetime | None
    tier_id: int | None
    tier: str | None
    """Its name."""
    discount_bp: int
    tier_valid_until: dt.date | None
    balance: int
    loaded: int
    redeemed: int
    expired: int
    reversed: int
    refunded: int
    owed: int
    amount_paid: int
    batches: int
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Member:
    """A player as a member of the programme; one who has never loaded points has no wallet yet."""

    player_id: int
    name: str
    external_id: str
    currency: str
    """The operator's own."""
    timezone: str
    conversion_points: int | None
    conversion_amount: int | None
    approval_points: int
    wallet: Wallet | None


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch of points, and what it was loaded for. Points, and minor units of the home currency."""

    number: int
    sequence: int
    kind: str
    """Of the entry that loaded it."""
    origin: int | None
    loaded_on: dt.date
    expires_on: dt.date
    base_loaded: int
    bonus_loaded: int
    remaining: int
    redeemed: int
    expired: int
    reversed: int
    amount_paid: int
    amount_refunded: int
    owed: int
    invoice: str | None
    payment: str | None
    notes: str

    @property
    def loaded(self) -> int:
        """Base and bonus points together."""
        return self.base_loaded + self.bonus_loaded

    def days_left(self, today: dt.date) -> int:
        """How many days it is valid after today; below 0 once it has expired."""
        return (self.expires_on - today).days


@dataclass(frozen=True, slots=True)
class Lapse:
    """How many points expire in a month, or on a day."""

    on: dt.date
    """The day, or the month's first."""
    points: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """What a member can use, and when it expires."""

    today: dt.date
    open: tuple[BatchRow, ...]
    """Batches with points, soonest expiry first, at most OPEN_SHOWN."""

    @property
    def usable(self) -> int:
        """Points that can be used today."""
        return sum(row.remaining for row in self._valid)

    @property
    def lapsed(self) -> int:
        """Points that have expired, and that the next act or the worker writes off."""
        return sum(row.remaining for row in self.open if row.expires_on < self.today)

    @property
    def soon(self) -> int:
        """Points that expire within SOON_DAYS."""
        last = self.today + dt.timedelta(days=SOON_DAYS)
        return sum(row.remaining for row in self._valid if row.expires_on <= last)

    @property
    def next(self) -> Lapse | None:
        """What expires next."""
        if not self._valid:
            return None
        day = self._valid[0].expires_on
        return Lapse(day, sum(row.remaining for row in self._valid if row.expires_on == day))

    @property
    def months(self) -> list[Lapse]:
        """How many points expire in each month in which any do."""
        sums: dict[dt.date, int] = {}
        for row in self._valid:
            month = row.expires_on.replace(day=1)
            sums[month] = sums.get(month, 0) + row.remaining
        return [Lapse(month, points) for month, points in sums.items()]

    @property
    def _valid(self) -> list[BatchRow]:
        return [row for row in self.open if row.expires_on >= self.today]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a member stands among the tiers. Minor units of the home currency."""

    tier: Tier | None
    next: Tier | None
    """Which one payment of its minimum reaches."""
    paid: int
    """In the 12 months that decide about the tier, so far; without a tier, in the last 12."""
    counts_from: dt.date
    """The first day of those months."""

    @property
    def missing(self) -> int:
        """What must still be paid to keep the tier."""
        return max(0, self.tier.minimum_payment - self.paid) if self.tier else 0


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A line of a member's journal. Points, and minor units of the home currency."""

    sequence: int
    kind: str
    base_points: int
    bonus_points: int
    balance_after: int
    invoice: str | None
    payment: str | None
    payment_mode: str | None
    payment_amount: int | None
    price: int | None
    discount_bp: int | None
    tier_id: int | None
    tier: str | None
    """Its name."""
    expires_on: dt.date | None
    """The last day of what it gave: of its points, or of the tier."""
    reverses: int | None
    reverses_kind: str | None
    currency: str | None
    wallet_sequence: int | None
    notes: str
    by: str
    """Name of whoever did it."""
    created_at: dt.datetime
    hash: str
    given_back: int
    """Points that later entries have given back of it, or taken back for its payment."""
    amount_back: int
    """Money that went with them."""

    @property
    def points(self) -> int:
        """With their sign."""
        return self.base_points + self.bonus_points

    @property
    def balance_before(self) -> int:
        """What there was."""
        return self.balance_after - self.points


@dataclass(frozen=True, slots=True)
class PartRow:
    """What an entry took from one batch (positive) or put back into it (negative). Points."""

    number: int
    place: int
    base_points: int
    bonus_points: int
    refunded: int
    """What refunds have given back of it since."""
    loaded_on: dt.date
    expires_on: dt.date

    @property
    def points(self) -> int:
        """Both together."""
        return self.base_points + self.bonus_points


@dataclass(frozen=True, slots=True)
class EntryDetail:
    """One entry with the batches that it took from and that it made, and the entries that answer it."""

    entry: EntryRow
    parts: tuple[PartRow, ...]
    made: tuple[BatchRow, ...]
    answers: tuple[EntryRow, ...]
    """Refunds of its service, reversals of its load."""


@dataclass(frozen=True, slots=True)
class TierRow:
    """A change of tier, with the names of both."""

    sequence: int
    previous: str | None
    tier: str | None
    change: str
    valid_until: dt.date | None
    reason: str
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class CardRow:
    """A card that was issued."""

    id: int
    number: str
    tier: str | None
    issued_on: dt.date
    expires_on: dt.date
    is_active: bool


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """An adjustment that waits for a second person."""

    id: int
    points: int
    reason: str
    requested_by: int
    requester: str
    requested_at: dt.datetime
    lapses_at: dt.datetime


def get_member(session: Session, *, player_id: int, operator_id: int) -> Member:
    """The player as a member. Raises NotFound for a player of another operator."""
    row = session.execute(_MEMBER, {"p": player_id, "operator": operator_id}).mappings().one_or_none()
    if row is None:
        raise NotFound("There is no such player.")
    given = dict(row)
    wallet = {name: given.pop(name) for name in Wallet.__dataclass_fields__}
    return Member(**given, wallet=None if wallet["status"] is None else Wallet(**wallet))


def read_calendar(session: Session, *, member: Member, now: dt.datetime) -> Calendar:
    """The batches with points, in the order in which they are used."""
    today = clock.local(now, member.timezone).date()
    rows = session.execute(_OPEN, {"p": member.player_id, "limit": OPEN_SHOWN})
    return Calendar(today, tuple(BatchRow(*row) for row in rows))


def read_progress(session: Session, *, member: Member, operator_id: int, now: dt.datetime) -> Progress:
    """The member's tier, the next one, and what was paid in the months that count."""
    tiers = loyalty_tiers.tiers_of(session, operator_id)
    wallet = member.wallet
    tier = next((tier for tier in tiers if wallet is not None and tier.id == wallet.tier_id), None)
    least = tier.minimum_payment if tier else 0
    following = next((each for each in tiers if each.is_active and each.minimum_payment > least), None)
    today = clock.local(now, member.timezone).date()
    last = (wallet.tier_valid_until if wallet else None) or today
    span = member_tiers.qualifying_span(last, member.timezone)
    paid = member_tiers.paid_in(session, member.player_id, span)
    return Progress(tier, following, paid, clock.local(span.start, member.timezone).date())


def page_of_entries(
    session: Session, *, member: Member, kind: str = "", after: str = "", through: str = ""
) -> Page[EntryRow]:
    """A page of the journal, the latest first, of one kind where that is asked."""

    def fetch(after: Place | None, through: Place | None, limit: int) -> Sequence[EntryRow]:
        given = {
            "p": member.player_id,
            "kind": kind,
            "below": after[0] if after else None,
            "from": through[0] if through else None,
            "limit": limit,
        }
        return [EntryRow(*row) for row in session.execute(_JOURNAL, given)]

    return paging.gather(
        fetch,
        lambda row: paging.write(row.sequence),
        after=paging.read(after, int),
        through=paging.read(through, int),
    )


def page_of_batches(session: Session, *, member: Member, after: str = "") -> Page[BatchRow]:
    """A page of all batches there ever were, the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> Sequence[BatchRow]:
        given = {"p": member.player_id, "below": after[0] if after else None, "limit": limit}
        return [BatchRow(*row) for row in session.execute(_ALL, given)]

    return paging.gather(fetch, lambda row: paging.write(row.number), after=paging.read(after, int))


def get_entry(session: Session, *, member: Member, sequence: int) -> EntryDetail:
    """One entry in full. Raises NotFound, for numbers that no journal has too."""
    if not 0 < sequence < 2**62:
        raise NotFound("There is no such entry.")
    named = {"p": member.player_id, "s": sequence}
    row = session.execute(_ENTRY, named).one_or_none()
    if row is None:
        raise NotFound("There is no such entry.")
    return EntryDetail(
        EntryRow(*row),
        tuple(PartRow(*part) for part in session.execute(_PARTS, named)),
        tuple(BatchRow(*batch) for batch in session.execute(_MADE, named)),
        tuple(EntryRow(*answer) for answer in session.execute(_ANSWERS, named)),
    )


def list_tier_changes(session: Session, *, member: Member) -> list[TierRow]:
    """The latest changes of tier, at most HISTORY_SHOWN."""
    given = {"p": member.player_id, "limit": HISTORY_SHOWN}
    return [TierRow(*row) for row in session.execute(_TIER_CHANGES, given)]


def list_cards(session: Session, *, member: Member) -> list[CardRow]:
    """The cards of a member, the one in use first; at most HISTORY_SHOWN."""
    given = {"p": member.player_id, "limit": HISTORY_SHOWN}
    return [CardRow(*row) for row in session.execute(_CARDS, given)]


def list_waiting(session: Session, *, member: Member) -> list[WaitingRow]:
    """The adjustments that wait for a second person, the longest first."""
    return [WaitingRow(*row) for row in session.execute(_WAITING, {"p": member.player_id})]


_MEMBER = text("""
SELECT p.id AS player_id, p.name, p.external_id, o.currency, o.timezone, g.conversion_points,
       g.conversion_amount, g.approval_points,
       w.status, w.status_reason, l.name AS status_by, w.status_at, w.tier_id, t.name AS tier, w.discount_bp,
       w.tier_valid_until, w.balance, w.loaded, w.redeemed, w.expired, w.reversed, w.refunded, w.owed,
       w.amount_paid, w.batches, w.version, w.created_at, w.updated_at
FROM players p
JOIN operators o ON o.id = p.operator_id
JOIN loyalty_programmes g ON g.operator_id = p.operator_id
LEFT JOIN loyalty_wallets w ON w.player_id = p.id
LEFT JOIN loyalty_tiers t ON t.id = w.tier_id
LEFT JOIN logins l ON l.id = w.status_by
WHERE p.id = :p AND p.operator_id = :operator
""")
_BATCH = """
SELECT b.number, b.sequence, e.kind, b.origin, b.loaded_on, b.expires_on, b.base_loaded, b.bonus_loaded,
       b.remaining, b.redeemed, b.expired, b.reversed, b.amount_paid, b.amount_refunded, b.owed,
       e.invoice, e.payment, e.notes
FROM points_batches b
JOIN loyalty_entries e ON e.player_id = b.player_id AND e.sequence = b.sequence
WHERE b.player_id = :p
"""
_OPEN = text(f"{_BATCH} AND b.remaining > 0 ORDER BY b.expires_on, b.number LIMIT :limit")
_ALL = text(f"""
{_BATCH} AND (CAST(:below AS bigint) IS NULL OR b.number < :below) ORDER BY b.number DESC LIMIT :limit
""")
_MADE = text(f"{_BATCH} AND b.sequence = :s ORDER BY b.number")
_ROW = """
SELECT e.sequence, e.kind, e.base_points, e.bonus_points, e.balance_after, e.invoice, e.payment,
       e.payment_mode, e.payment_amount, e.price, e.discount_bp, e.tier_id, t.name AS tier, e.expires_on,
       e.reverses, x.kind AS reverses_kind, e.currency, e.wallet_sequence, e.notes,
       CASE e.performed_by WHEN 'system' THEN 'System' ELSE coalesce(l.name, e.performed_by) END AS by,
       e.created_at, encode(e.hash, 'hex') AS hash, g.points AS given_back, g.amount AS amount_back
FROM loyalty_entries e
LEFT JOIN loyalty_tiers t ON t.id = e.tier_id
LEFT JOIN loyalty_entries x ON x.player_id = e.player_id AND x.sequence = e.reverses
LEFT JOIN logins l ON l.id = CASE WHEN e.performed_by LIKE 'staff:%'
                                  THEN CAST(substr(e.performed_by, 7) AS bigint) END
CROSS JOIN LATERAL (
  SELECT CAST(coalesce(sum(abs(r.points)), 0) AS bigint) AS points,
         CAST(coalesce(sum(r.payment_amount), 0) AS bigint) AS amount
  FROM loyalty_entries r WHERE r.player_id = e.player_id AND r.reverses = e.sequence
) AS g
WHERE e.player_id = :p
"""
_JOURNAL = text(f"""
{_ROW} AND (:kind = '' OR e.kind = :kind)
AND (CAST(:below AS bigint) IS NULL OR e.sequence < :below)
AND (CAST(:from AS bigint) IS NULL OR e.sequence >= :from)
ORDER BY e.sequence DESC LIMIT :limit
""")
_ENTRY = text(f"{_ROW} AND e.sequence = :s")
_ANSWERS = text(f"{_ROW} AND e.reverses = :s ORDER BY e.sequence")
_PARTS = text("""
SELECT a.number, a.place, a.base_points, a.bonus_points, a.refunded, b.loaded_on, b.expires_on
FROM points_allocations a
JOIN points_batches b ON b.player_id = a.player_id AND b.number = a.number
WHERE a.player_id = :p AND a.sequence = :s ORDER BY a.place
""")
_TIER_CHANGES = text("""
SELECT h.sequence, o.name, t.name, h.change, h.valid_until, h.reason, h.changed_at
FROM tier_history h
LEFT JOIN loyalty_tiers o ON o.id = h.previous_tier_id
LEFT JOIN loyalty_tiers t ON t.id = h.tier_id
WHERE h.player_id = :p ORDER BY h.sequence DESC LIMIT :limit
""")
_CARDS = text("""
SELECT c.id, c.number, t.name, c.issued_on, c.expires_on, c.is_active
FROM loyalty_cards c LEFT JOIN loyalty_tiers t ON t.id = c.tier_id
WHERE c.player_id = :p ORDER BY c.is_active DESC, c.id DESC LIMIT :limit
""")
_WAITING = text("""
SELECT r.id, r.points, r.reason, r.requested_by, l.name, r.requested_at, r.lapses_at
FROM points_requests r JOIN logins l ON l.id = r.requested_by
WHERE r.player_id = :p AND r.state = 'waiting' ORDER BY r.requested_at, r.id
""")
