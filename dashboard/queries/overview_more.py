"""What the overview shows besides sums: alerts that were raised, whose balances moved most, and for whom."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from dashboard import clock
from dashboard.clock import Span
from dashboard.models.alert import AlertType
from dashboard.queries import rollups
from dashboard.queries.rollups import Part, Scope
from dashboard.services import figures
from dashboard.services import rollups as marks
from dashboard.services.figures import Figures
from dashboard.services.periods import Period, Unit

MOVERS_DAYS = 31
"""Of longer periods nobody asks who moved most: a year of days of every player is no quick answer."""
MOVERS = 8
"""So many each way."""


@dataclass(frozen=True, slots=True)
class Raised:
    """The alerts of one type that were raised."""

    type: AlertType
    by_bucket: tuple[int, ...]
    critical: int
    unresolved: int

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.by_bucket)


@dataclass(frozen=True, slots=True)
class Mover:
    """A player whose balance moved. Minor units of real money."""

    player_id: int
    name: str
    external_id: str
    moved: int
    real: int
    """What the balance is now."""


@dataclass(frozen=True, slots=True)
class Band:
    """Players whose last entry had such a risk score."""

    name: str
    least: int
    players: int


@dataclass(frozen=True, slots=True)
class PartRow:
    """A level, or an agent, over the period and the one before."""

    part: str
    now: Figures
    before: Figures

    @property
    def revenue_percent(self) -> float | None:
        """By how much net gaming revenue has changed."""
        return figures.change_percent(self.now.revenue, self.before.revenue)


BANDS = (("Low", 0), ("Some", 30), ("High", 50), ("Unusual", 70))
"""By risk score; the first is also where entries have none."""


def list_raised(session: Session, scope: Scope, period: Period) -> list[Raised]:
    """The alerts of a period by type, those of which there were none left out."""
    named = _named(scope, period.span) | {"starts": [bucket.start for bucket in period.buckets]}
    rows = session.execute(_RAISED, named).all()
    found = []
    for kind, of_kind in groupby(rows, lambda row: row.type):
        by_bucket = [0] * len(period.buckets)
        critical = unresolved = 0
        for row in of_kind:
            by_bucket[row.bucket] += row.raised
            critical, unresolved = critical + row.critical, unresolved + row.unresolved
        found.append(Raised(AlertType(kind), tuple(by_bucket), critical, unresolved))
    return found


def has_movers(period: Period) -> bool:
    """Whether the period is short enough for them."""
    return (period.span.end - period.span.start).days <= MOVERS_DAYS


def list_movers(session: Session, scope: Scope, period: Period) -> list[Mover]:
    """Whose real money rose most, then whose fell most; two statements.

    With an agent or a level these are players who are theirs now.
    """
    passed = rollups.passed_at(session, scope)
    by_hour = period.unit == Unit.HOUR
    first, last = (clock.local(at, scope.timezone).date() for at in period.span)
    start = period.span.start
    named = _named(scope, period.span) | {
        "is_held": passed is not None and not by_hour,
        "horizon": start if passed is None or by_hour else max(start, passed - marks.IN_FLIGHT),
        "first": first,
        "last": last,
        "movers": MOVERS,
    }
    statement = _movers(is_whole=scope.agent_id is None and scope.level is None)
    return [Mover(*row) for row in session.execute(statement, named)]


def list_bands(session: Session, scope: Scope) -> list[Band]:
    """How many players' last entries have which risk score, now."""
    named = _named(scope, None) | {"floors": [least for _name, least in BANDS]}
    counts = {row.band: row.players for row in session.execute(_BANDS, named)}
    return [Band(name, least, counts.get(at, 0)) for at, (name, least) in enumerate(BANDS, start=1)]


def compare(session: Session, scope: Scope, period: Period, by: Part) -> list[PartRow]:
    """Levels, or agents, beside each other, the largest stakes first; two statements."""
    rows = rollups.sums(session, scope, (period.before, period.span), period.unit, by=by)
    now, before = (
        {
            part: figures.of(sums)
            for part, sums in groupby(
                sorted((row for row in rows if row.bucket == bucket), key=lambda row: row.part),
                lambda row: row.part,
            )
        }
        for bucket in (1, 0)
    )
    found = [PartRow(part, now.get(part, Figures()), before.get(part, Figures())) for part in {*now, *before}]
    return sorted(found, key=lambda row: (-row.now.stakes, -row.now.entries, row.part))


def _named(scope: Scope, span: Span | None) -> dict[str, object]:
    named: dict[str, object] = {
        "operator": scope.operator_id,
        "currency": scope.currency,
        "agent": scope.agent_id,
        "level": scope.level,
    }
    return named | ({"start": span.start, "end": span.end} if span else {})


_OF_SCOPE = """
  AND (CAST(:agent AS bigint) IS NULL OR EXISTS (
    SELECT FROM players p WHERE p.id = {player} AND coalesce(p.agent_id, 0) = :agent))
  AND (CAST(:level AS text) IS NULL OR EXISTS (
    SELECT FROM wallets w WHERE w.player_id = {player} AND w.vip_level = :level))
"""
_RAISED = text(f"""
SELECT width_bucket(a.raised_at, CAST(:starts AS timestamptz[])) - 1 AS bucket, a.type, count(*) AS raised,
       count(*) FILTER (WHERE a.severity = 'critical') AS critical,
       count(*) FILTER (WHERE a.state <> 'resolved') AS unresolved
FROM alerts a
WHERE a.operator_id = :operator AND a.currency = :currency
  AND a.raised_at >= :start AND a.raised_at < :end {_OF_SCOPE.format(player="a.player_id")}
GROUP BY 1, 2 ORDER BY 2, 1
""")
_BANDS = text(f"""
SELECT greatest(width_bucket(coalesce(e.risk_score, 0), CAST(:floors AS int[])), 1) AS band,
       count(*) AS players
FROM balances b
JOIN wallet_entries e ON e.player_id = b.player_id AND e.currency = b.currency AND e.sequence = b.version
WHERE b.operator_id = :operator AND b.currency = :currency {_OF_SCOPE.format(player="b.player_id")}
GROUP BY 1
""")


@lru_cache
def _movers(*, is_whole: bool) -> TextClause:
    scoped = "" if is_whole else _OF_SCOPE.format(player="m.player_id")
    return text(f"""
    WITH moved AS MATERIALIZED (
      SELECT m.player_id, sum(m.real) AS real FROM (
        SELECT d.player_id, d.closing - d.opening AS real FROM daily_balances d
        WHERE d.operator_id = :operator AND d.currency = :currency AND d.day >= :first AND d.day < :last
          AND :is_held
        UNION ALL
        SELECT e.player_id, e.real_delta FROM wallet_entries e
        WHERE e.operator_id = :operator AND e.currency = :currency
          AND e.created_at >= :start AND e.created_at < :end AND e.created_at >= :horizon
          AND (NOT :is_held OR e.sequence > coalesce(
            (SELECT k.sequence FROM rollup_marks k
             WHERE k.player_id = e.player_id AND k.currency = e.currency), 0))
      ) AS m WHERE true {scoped}
      GROUP BY m.player_id
    ), most AS (
      (SELECT player_id, real FROM moved WHERE real > 0 ORDER BY real DESC, player_id LIMIT :movers)
      UNION ALL
      (SELECT player_id, real FROM moved WHERE real < 0 ORDER BY real, player_id LIMIT :movers)
    )
    SELECT p.id, p.name, p.external_id, CAST(m.real AS bigint), b.real
    FROM most m
    JOIN players p ON p.id = m.player_id AND p.operator_id = :operator
    JOIN balances b ON b.player_id = m.player_id AND b.currency = :currency
    ORDER BY m.real > 0 DESC, abs(m.real) DESC, p.id
    """)
