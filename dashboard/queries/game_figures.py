"""What the games of an operator brought over some months: from the sums that settlements keep by month."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import text
from sqlalchemy.orm import Session

from dashboard.queries import fairness_figures
from dashboard.queries.games import MonthRow
from dashboard.services import andar_bahar


@dataclass(frozen=True, slots=True)
class Played:
    """What was played over some months. Minor units."""

    rounds: int = 0
    voided: int = 0
    bets: int = 0
    wagered: int = 0
    paid: int = 0
    expected: int = 0
    """What the exact edges say would be paid on what was wagered."""

    @property
    def hold(self) -> int:
        """What the house kept."""
        return self.wagered - self.paid

    @property
    def hold_percent(self) -> float | None:
        """Of the stakes; None of none. So are the next three."""
        return fairness_figures.share(self.hold, self.wagered)

    @property
    def returned(self) -> float | None:
        """What was paid of the stakes, in percent."""
        return fairness_figures.share(self.paid, self.wagered)

    @property
    def theory(self) -> float | None:
        """What would be paid of them by the exact edges."""
        return fairness_figures.share(self.expected, self.wagered)

    @property
    def beside_theory(self) -> float | None:
        """By how many points of a percent more was paid than that."""
        return fairness_figures.share(self.paid - self.expected, self.wagered)


@dataclass(frozen=True, slots=True)
class GameFigures:
    """One game over the months asked for, and over as many before."""

    game_id: int
    name: str
    now: Played
    before: Played
    players: int
    """Who played it in the last of the months."""
    deals: fairness_figures.Figures
    """The cards dealt over all months there are, against chance."""


@dataclass(frozen=True, slots=True)
class Months:
    """All games of one currency over some months."""

    months: tuple[MonthRow, ...]
    """Of all games together, the earliest first; one without a round is there too."""
    before: Played
    """In as many months before."""
    games: tuple[GameFigures, ...]
    """Those with the largest stakes first."""

    @property
    def whole(self) -> Played:
        """Over all of the months."""
        return played(self.months)


def read(session: Session, *, operator_id: int, currency: str, last: dt.date, count: int) -> Months:
    """So many months up to the one whose first day is `last`. Three statements."""
    days = [_back(last, back) for back in reversed(range(2 * count))]
    named = {"operator": operator_id, "currency": currency, "first": days[0], "last": last}
    rows = session.execute(_MONTHS, named).all()
    players = {row.game_id: row.players for row in session.execute(_PLAYERS, named)}
    deals = _deals(session, named)
    now_from = days[count]
    games = []
    for (game_id, name), found in groupby(rows, lambda row: (row.id, row.name)):
        months = [MonthRow(*row[2:]) for row in found]
        games.append(
            GameFigures(
                game_id,
                name,
                played([row for row in months if row.month >= now_from]),
                played([row for row in months if row.month < now_from]),
                players.get(game_id, 0),
                fairness_figures.compare(deals.get(game_id, [0] * andar_bahar.LONGEST)),
            )
        )
    by_month = [_together(day, [MonthRow(*row[2:]) for row in rows if row.month == day]) for day in days]
    return Months(
        tuple(by_month[count:]),
        played(by_month[:count]),
        tuple(sorted(games, key=lambda game: (-game.now.wagered, game.name, game.game_id))),
    )


def played(months: Sequence[MonthRow]) -> Played:
    """What some months come to together. Pure."""
    return Played(
        sum(row.rounds for row in months),
        sum(row.voided for row in months),
        sum(row.bets for row in months),
        sum(row.wagered for row in months),
        sum(row.paid for row in months),
        sum(row.expected for row in months),
    )


def _together(month: dt.date, rows: Sequence[MonthRow]) -> MonthRow:
    whole = played(rows)
    return MonthRow(month, whole.rounds, whole.voided, whole.bets, whole.wagered, whole.paid, whole.expected)


def _back(month: dt.date, count: int) -> dt.date:
    years, left = divmod(month.month - 1 - count, 12)
    return dt.date(month.year + years, left + 1, 1)


def _deals(session: Session, named: dict[str, object]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in session.execute(_DEALS, named):
        found.setdefault(row.game_id, [0] * andar_bahar.LONGEST)[row.cards_dealt - 1] = row.rounds
    return found


_MONTHS = text("""
SELECT g.id, g.name, s.month, s.rounds, s.voided, s.bets, s.wagered, s.paid, s.expected
FROM games g
JOIN game_statistics s ON s.game_id = g.id AND s.month >= :first AND s.month <= :last
WHERE g.operator_id = :operator AND g.currency = :currency
ORDER BY g.name, g.id, s.month
""")
_PLAYERS = text("""
SELECT s.game_id, count(*) AS players
FROM games g
JOIN player_game_statistics s ON s.game_id = g.id AND s.month = :last
WHERE g.operator_id = :operator AND g.currency = :currency
GROUP BY s.game_id
""")
_DEALS = text("""
SELECT d.game_id, d.cards_dealt, CAST(sum(d.rounds) AS bigint) AS rounds
FROM games g
JOIN deal_statistics d ON d.game_id = g.id
WHERE g.operator_id = :operator AND g.currency = :currency
GROUP BY d.game_id, d.cards_dealt
""")
