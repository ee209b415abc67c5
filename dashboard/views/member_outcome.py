"""What an act does to a member's points, in words: the same for a preview and for the entry it became."""

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from fractions import Fraction

from dashboard import money
from dashboard.models.points import PointsKind
from dashboard.queries.members import BatchRow, EntryDetail, EntryRow, PartRow
from dashboard.services.points import Done, Made
from dashboard.services.points_journal import Entry
from dashboard.services.points_reckoning import Part, Price


@dataclass(frozen=True, slots=True)
class Line:
    """A consequence: label left, words right; with `before` it is something that becomes something else."""

    label: str
    text: str
    before: str = ""
    kind: str = ""
    """ok | warn | bad, or nothing in particular."""


@dataclass(frozen=True, slots=True)
class Share:
    """What an act takes from one batch, or gives to it."""

    number: int
    does: str
    points: int
    """With their sign, as the member sees it."""
    base_points: int
    bonus_points: int
    expires_on: dt.date


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that an act does, or would do."""

    lines: tuple[Line, ...]
    act: str
    """What the button says that does it."""
    done: str
    """What is said once it is done."""
    shares: tuple[Share, ...] = ()
    sequence: int | None = None
    """Of the entry that it became."""
    request_id: int | None = None
    """Of what waits for a second person."""
    repeated: bool = False

    @property
    def mark(self) -> str:
        """Stands for everything that is shown: another mark is another outcome."""
        return hashlib.sha256(repr((self.lines, self.shares)).encode()).hexdigest()[:32]

    def with_lines(self, *lines: Line) -> "Outcome":
        """The same, and this too."""
        return replace(self, lines=(*self.lines, *lines))


def spoken_points(points: int) -> str:
    """`1 point`, `25,000 points`."""
    return f"{points:,} {'point' if points == 1 else 'points'}"


def spoken_percent(basis_points: int) -> str:
    """Hundredths of a percent as `2 %`, `2.5 %`."""
    return f"{_decimals(Fraction(basis_points, 100))} %"


def spoken_gain(percent: Fraction) -> str:
    """What a tier adds, from the exact ratio: `+13.64 %`."""
    return f"{'−' if percent < 0 else '+'}{_decimals(abs(percent))} %"


def spoken_day(on: dt.date) -> str:
    """`2 Mar 2027`."""
    return f"{on.day} {on:%b %Y}"


def of(done: Done, currency: str) -> Outcome:
    """The outcome of an act, by what its service says."""
    entry = done.entry
    first = min((entry, *done.also), key=lambda each: each.sequence)
    lines = [] if entry.kind == PointsKind.TRANSFER_TIER else [moved(first.balance_before, done.balance)]
    lapsed = -sum(each.points for each in done.also if each.kind == PointsKind.EXPIRE)
    if lapsed:
        lines.append(Line("Lapses with it", spoken_points(lapsed), kind="warn"))
    lines += _own_lines(done, currency)
    if any(each.kind == PointsKind.TRANSFER_TIER for each in (entry, *done.also)):
        lines.append(Line("Tier becomes", _tier(done)))
    settled = -sum(each.points for each in done.also if each.kind == PointsKind.REVERSAL)
    if settled:
        lines.append(Line("Pays what was owed", spoken_points(settled), kind="warn"))
    act, said = _words(entry, currency)
    return Outcome(
        lines=tuple(lines),
        act=act,
        done=said,
        shares=(*map(_taken, done.parts), *(_given(made, entry) for made in done.made)),
        sequence=entry.sequence,
        repeated=done.repeated,
    )


def moved(before: int, after: int) -> Line:
    """How many points a member has, before and afterwards."""
    return Line("Points", f"{after:,}", before=f"{before:,}")


def of_entry(detail: EntryDetail, player_id: int, currency: str) -> Outcome:
    """The outcome of an entry that stands in the journal."""
    row = detail.entry
    if row.kind == PointsKind.TRANSFER_TIER:
        return Outcome(_tier_lines(row), *_WORDS[PointsKind.TRANSFER_TIER])
    entry = Entry(
        player_id,
        row.sequence,
        row.kind,
        row.base_points,
        row.bonus_points,
        row.balance_after,
        row.payment_amount,
        row.notes,
        row.created_at,
    )
    return of(
        Done(
            entry,
            parts=tuple(map(_part, detail.parts)),
            made=tuple(map(_made, detail.made)),
            price=_price(detail, currency),
        ),
        currency,
    )


def _tier_lines(row: EntryRow) -> tuple[Line, ...]:
    if row.tier is None or row.expires_on is None:
        return (Line("Tier becomes", "none"),)
    said = f"{row.tier}: {spoken_percent(row.discount_bp or 0)} off services"
    return Line("Tier becomes", said), Line("Valid until", spoken_day(row.expires_on))


def _own_lines(done: Done, currency: str) -> list[Line]:
    entry = done.entry
    lines: list[Line] = []
    match entry.kind:
        case PointsKind.LOAD:
            lines = [
                Line("Paid", _money(entry.payment_amount, currency)),
                Line("Base points", f"{entry.base_points:,}"),
                Line("Bonus points", f"{entry.bonus_points:,}", kind="ok" if entry.bonus_points else ""),
                *_valid(done),
            ]
        case PointsKind.REDEEM:
            lines = [*_price_lines(done.price, currency), *_rest(entry, currency)]
        case PointsKind.REFUND_WALLET:
            lines = _closing_lines(entry, currency)
        case PointsKind.CONVERT:
            lines = [Line("Becomes real money", _money(entry.payment_amount, currency), kind="ok")]
        case PointsKind.REFUND_SERVICE:
            lines = _refund_lines(done, currency)
        case PointsKind.REVERSAL:
            lines = [
                Line("Payment given back", _money(entry.payment_amount, currency)),
                Line("Taken back", spoken_points(-entry.points)),
            ]
        case PointsKind.ADJUSTMENT:
            lines = _valid(done)
    return lines


def _valid(done: Done) -> list[Line]:
    return [Line("Valid through", spoken_day(made.expires_on)) for made in done.made]


def _refund_lines(done: Done, currency: str) -> list[Line]:
    lines = [Line("Given back", spoken_points(done.entry.points), kind="ok")]
    for made in done.made:
        lines.append(Line("Into a batch of grace", f"until {spoken_day(made.expires_on)}", kind="warn"))
    if done.entry.payment_amount:
        lines.append(Line("Money to give back", _money(done.entry.payment_amount, currency), kind="warn"))
    return lines


def _closing_lines(entry: Entry, currency: str) -> list[Line]:
    return [
        Line("Payment back", _money(entry.payment_amount, currency), kind="warn"),
        Line("For base points", f"{-entry.base_points:,}"),
        Line("Bonus points that lapse", f"{-entry.bonus_points:,}", kind="bad" if entry.bonus_points else ""),
    ]


def _price_lines(price: Price | None, currency: str) -> list[Line]:
    if price is None:
        return []
    lines = [Line("Price", _money(price.price, currency))]
    if price.discount_bp:
        label = f"Discount of {spoken_percent(price.discount_bp)}"
        lines.append(Line(label, money.show(-price.discount, currency), kind="ok"))
        lines.append(Line("To be paid", _money(price.due, currency)))
    return lines


def _rest(entry: Entry, currency: str) -> list[Line]:
    lines = [Line("By points", spoken_points(-entry.points))]
    if entry.payment_amount is not None:
        kind = "warn" if entry.payment_amount else ""
        lines.append(Line("Left to pay in money", _money(entry.payment_amount, currency), kind=kind))
    return lines


def _tier(done: Done) -> str:
    if done.tier is None:
        return "none"
    return f"{done.tier.name}: {spoken_percent(done.tier.discount_bp)} off services"


def _words(entry: Entry, currency: str) -> tuple[str, str]:
    """What the button says, and what is said afterwards."""
    kind = "removal" if entry.kind == PointsKind.ADJUSTMENT and entry.points < 0 else entry.kind
    act, done = _WORDS.get(kind, ("Confirm", "Done."))
    given = {
        "points": spoken_points(abs(entry.points)),
        "real": _money(entry.payment_amount, currency),
    }
    return act.format(**given), done.format(**given)


_WORDS: dict[str, tuple[str, str]] = {
    PointsKind.LOAD: ("Load {points}", "Loaded {points}."),
    PointsKind.REDEEM: ("Redeem {points}", "Redeemed {points}."),
    PointsKind.CONVERT: ("Convert {points} into {real}", "Converted {points} into {real}."),
    PointsKind.REFUND_SERVICE: ("Give {points} back", "Gave {points} back."),
    PointsKind.REVERSAL: ("Reverse {real} of the load", "Reversed {real} of the load."),
    PointsKind.REFUND_WALLET: ("Close the wallet for good", "The loyalty wallet is closed: {real} go back."),
    PointsKind.TRANSFER_TIER: ("Change the tier", "The tier is changed."),
    PointsKind.ADJUSTMENT: ("Add {points}", "Added {points}."),
    "removal": ("Take {points}", "Took {points}."),
}


def _taken(part: Part) -> Share:
    does = "from" if part.points > 0 else "back to"
    return Share(part.number, does, -part.points, -part.base_points, -part.bonus_points, part.expires_on)


def _given(made: Made, entry: Entry) -> Share:
    does = "new" if entry.kind in {PointsKind.LOAD, PointsKind.ADJUSTMENT} else f"grace for {made.origin}"
    points = made.base_loaded + made.bonus_loaded
    return Share(made.number, does, points, made.base_loaded, made.bonus_loaded, made.expires_on)


def _part(row: PartRow) -> Part:
    return Part(row.number, row.expires_on, row.base_points, row.bonus_points)


def _made(row: BatchRow) -> Made:
    return Made(row.number, row.expires_on, row.base_loaded, row.bonus_loaded, row.origin)


def _price(detail: EntryDetail, currency: str) -> Price | None:
    entry = detail.entry
    if entry.price is None or entry.payment_amount is None:
        return None
    unit = money.from_whole(1, currency)
    due = entry.payment_amount - entry.points * unit
    return Price(entry.price, entry.discount_bp or 0, entry.price - due, due, due // unit)


def _money(amount: int | None, currency: str) -> str:
    return f"{money.show(amount or 0, currency)} {currency}"


def _decimals(number: Fraction) -> str:
    """To two decimals, without zeros at the end."""
    whole, rest = divmod(round(number * 100), 100)
    return f"{whole:,}.{rest:02d}".rstrip("0").rstrip(".")
