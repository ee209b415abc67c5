"""A player's bonuses as pages show them: what remains and what counted, and what they came to by source."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from dashboard.errors import NotFound
from dashboard.models.bonus import BonusState
from dashboard.queries import bonus_offers, paging
from dashboard.queries.bonus_offers import GameRef
from dashboard.queries.paging import Page, Place
from dashboard.services.bonus_price import Price
from dashboard.services.bonus_terms import STEEP_MULTIPLIER

OPEN_MAX = 100


@dataclass(frozen=True, slots=True)
class TermRow:
    """How a game, or a selection of it, counts toward a grant."""

    game_id: int
    game: str
    selection: str
    contribution_percent: int
    is_restricted: bool


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant with the names of who had to do with it. Amounts in minor units of its currency."""

    id: int
    currency: str
    name: str
    source: str
    state: str
    amount: int
    remaining: int
    wagering_multiplier: Decimal
    required: int
    wagered: int
    max_bet: int | None
    max_win: int | None
    validity_days: int
    reason: str
    granted_by: str
    granted_at: dt.datetime
    activated_at: dt.datetime | None
    expires_at: dt.datetime | None
    ended_at: dt.datetime | None
    ended_by: str | None
    end_reason: str | None
    converted: int
    forfeited: int
    owing: int
    grant_sequence: int | None
    deposit_sequence: int | None
    offer_id: int | None
    at_stake: int
    """Of its money, in bets that are not settled yet."""
    term_values: list[list[Any]]
    """See `terms`."""

    @property
    def terms(self) -> list[TermRow]:
        """What it says of games, by their names."""
        return [TermRow(*values) for values in self.term_values]

    @property
    def is_open(self) -> bool:
        """Whether it can still be played or waits for its turn."""
        return self.ended_at is None

    @property
    def is_active(self) -> bool:
        """Whether it holds money that can be staked."""
        return self.state == BonusState.ACTIVE

    @property
    def left(self) -> int:
        """What is still to be wagered; never below zero."""
        return max(0, self.required - self.wagered)

    @property
    def is_steep(self) -> bool:
        """Whether it asks for more than most players ever clear."""
        return self.wagering_multiplier > STEEP_MULTIPLIER

    @property
    def times(self) -> str:
        """The multiplier as people read it: `35 ×`, `7.5 ×`."""
        return f"{self.wagering_multiplier.normalize():f} ×"

    def days_left(self, now: dt.datetime) -> int:
        """Whole days until it expires, a day that has begun counted; 0 where its time is over."""
        if self.expires_at is None:
            return self.validity_days
        return max(0, -((now - self.expires_at) // dt.timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class OpenGrant:
    """A grant that has not ended, with what clearing it costs."""

    grant: GrantRow
    price: Price | None
    """None where nothing that may be played counts, or nothing is left to be wagered."""


@dataclass(frozen=True, slots=True)
class StakeRow:
    """What a grant has paid of a bet, and what that counted. Amounts in minor units."""

    bet_id: int
    round_id: int
    round_number: int
    game: str
    selection: str
    placed_at: dt.datetime
    stake: int
    """Of the whole bet."""
    state: str
    amount: int
    """Of this grant."""
    returned: int
    counted: int
    percent: int
    """How much a stake on this selection counts by the grant's terms."""

    @property
    def why_less(self) -> str:
        """Why less counted than was staked; empty where it counted as the terms say."""
        if self.state == "pending":
            return "not settled yet"
        if self.state == "void":
            return "void: the stake came back"
        if self.percent == 0:
            return "does not count here"
        if self.counted * 100 < self.amount * self.percent - 99:
            return "bet on the other side too, or the bonus had ended"
        return "" if self.percent == 100 else f"counts {self.percent} %"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """What came to a player from one source. Amounts in minor units."""

    source: str
    credits: int
    """How many."""
    amount: int
    converted: int | None
    """What became real money; None for what was real from the start."""


_COLUMNS = """
b.id, b.currency, b.name, b.source, b.state, b.amount, b.remaining, b.wagering_multiplier, b.required,
b.wagered, b.max_bet, b.max_win, b.validity_days, b.reason, coalesce(g.name, 'System') AS granted_by,
b.granted_at, b.activated_at, b.expires_at, b.ended_at, coalesce(e.name, initcap(b.ended_by)) AS ended_by,
b.end_reason, b.converted, b.forfeited, b.owing, b.grant_sequence, b.deposit_sequence, b.offer_id,
(SELECT coalesce(sum(s.amount), 0)::bigint
 FROM bonus_stakes s JOIN bets t ON t.player_id = s.player_id AND t.id = s.bet_id
 WHERE s.player_id = b.player_id AND s.bonus_id = b.id AND t.state = 'pending') AS at_stake,
(SELECT coalesce(json_agg(json_build_array(t.game_id, m.name, t.selection, t.contribution_percent,
                                           t.is_restricted) ORDER BY m.name, t.selection), '[]')
 FROM bonus_terms t JOIN games m ON m.id = t.game_id
 WHERE t.player_id = b.player_id AND t.bonus_id = b.id) AS term_values
FROM bonuses b
LEFT JOIN logins g ON b.granted_by = 'staff:' || g.id
LEFT JOIN logins e ON b.ended_by = 'staff:' || e.id
WHERE b.player_id = :p AND b.operator_id = :o
"""
_OPEN = "AND b.currency = :c AND b.state IN ('queued', 'active') ORDER BY b.id LIMIT :open_max"
_ENDED = """AND b.currency = :c AND b.state NOT IN ('queued', 'active') AND b.id < :before
ORDER BY b.id DESC LIMIT :limit"""
_BOTH = text("(SELECT" + _COLUMNS + _OPEN + ") UNION ALL (SELECT" + _COLUMNS + _ENDED + ")")
_ONE = text("SELECT" + _COLUMNS + "AND b.id = :id")
_STAKES = text("""
SELECT s.bet_id, t.round_id, r.number, g.name, t.selection, t.placed_at, t.amount, t.state, s.amount,
       s.returned, s.counted, coalesce(one.contribution_percent, every.contribution_percent, 100)::int
FROM bonus_stakes s
JOIN bets t ON t.player_id = s.player_id AND t.id = s.bet_id
JOIN rounds r ON r.id = t.round_id
JOIN games g ON g.id = r.game_id
LEFT JOIN bonus_terms one ON one.player_id = s.player_id AND one.bonus_id = s.bonus_id
  AND one.game_id = g.id AND one.selection = t.selection
LEFT JOIN bonus_terms every ON every.player_id = s.player_id AND every.bonus_id = s.bonus_id
  AND every.game_id = g.id AND every.selection = ''
WHERE s.player_id = :p AND s.bonus_id = :id AND s.bet_id < :before
ORDER BY s.bet_id DESC LIMIT :limit
""")
_SOURCES = text("""
SELECT source, count(*) AS credits, sum(amount)::bigint AS amount, sum(converted)::bigint AS converted
FROM bonuses WHERE player_id = :p AND operator_id = :o AND currency = :c AND activated_at IS NOT NULL
GROUP BY source
UNION ALL
SELECT change_type, count(*), sum(real_delta + bonus_delta)::bigint, NULL
FROM wallet_entries
WHERE player_id = :p AND operator_id = :o AND currency = :c AND change_type IN ('deposit', 'refund')
GROUP BY change_type
ORDER BY 3 DESC, 1
""")
_DEPOSITS = text("""
SELECT e.sequence, e.real_delta, e.created_at FROM wallet_entries e
WHERE e.player_id = :p AND e.operator_id = :o AND e.currency = :c AND e.change_type = 'deposit'
  AND NOT EXISTS (
    SELECT FROM wallet_entries r
    WHERE r.player_id = e.player_id AND r.currency = e.currency AND r.reverses = e.sequence)
ORDER BY e.created_at DESC, e.sequence DESC LIMIT :limit
""")
_LAST = 2**63 - 1
DEPOSITS_SHOWN = 20


def list_grants(
    session: Session, *, operator_id: int, player_id: int, currency: str, after: str = ""
) -> tuple[list[OpenGrant], Page[GrantRow]]:
    """What has not ended, in the order in which it pays stakes, and a page of what has, the latest first."""
    grants: list[GrantRow] = []

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[GrantRow]:
        scope = {"p": player_id, "o": operator_id, "c": currency, "open_max": OPEN_MAX, "limit": limit}
        rows = session.execute(_BOTH, {**scope, "before": after[0] if after else _LAST})
        grants.extend(GrantRow(*row) for row in rows)
        return [grant for grant in grants if not grant.is_open]

    ended = paging.gather(fetch, lambda row: paging.write(row.id), after=paging.read(after, int))
    open_ones = [grant for grant in grants if grant.is_open]
    games = bonus_offers.list_games(session, operator_id=operator_id) if open_ones else []
    return [OpenGrant(grant, price_of(grant, games)) for grant in open_ones], ended


def price_of(grant: GrantRow, games: list[GameRef]) -> Price | None:
    """What wagering the rest costs on average; None where nothing is left, or nothing counts."""
    if not grant.left:
        return None
    return bonus_offers.price(
        grant.left,
        grant.currency,
        games,
        contribution={(term.game_id, term.selection): term.contribution_percent for term in grant.terms},
        restricted={term.game_id for term in grant.terms if term.is_restricted},
    )


def get_grant(session: Session, *, operator_id: int, player_id: int, bonus_id: int) -> GrantRow:
    """One grant. Raises NotFound, also for another operator's."""
    row = session.execute(_ONE, {"p": player_id, "o": operator_id, "id": bonus_id}).one_or_none()
    if row is None:
        raise NotFound("There is no such bonus.")
    return GrantRow(*row)


def page_of_stakes(session: Session, *, player_id: int, bonus_id: int, after: str = "") -> Page[StakeRow]:
    """The bets that a grant, which the caller may see, has paid a part of; the latest first."""

    def fetch(after: Place | None, _through: Place | None, limit: int) -> list[StakeRow]:
        scope = {"p": player_id, "id": bonus_id, "limit": limit, "before": after[0] if after else _LAST}
        return [StakeRow(*row) for row in session.execute(_STAKES, scope)]

    return paging.gather(fetch, lambda row: paging.write(row.bet_id), after=paging.read(after, int))


def list_sources(session: Session, *, operator_id: int, player_id: int, currency: str) -> list[SourceRow]:
    """What came from each source, bonuses and the money beside them, the largest sum first."""
    scope = {"p": player_id, "o": operator_id, "c": currency}
    return [SourceRow(*row) for row in session.execute(_SOURCES, scope)]


def list_deposits(
    session: Session, *, operator_id: int, player_id: int, currency: str
) -> list[Row[tuple[int, int, dt.datetime]]]:
    """The latest deposits that stand: sequence, amount, time."""
    scope = {"p": player_id, "o": operator_id, "c": currency, "limit": DEPOSITS_SHOWN}
    return list(session.execute(_DEPOSITS, scope))
