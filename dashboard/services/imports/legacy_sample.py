"""Invented old tables, as many players as wanted: `python -m dashboard.services.imports.legacy_sample DIR`.

The same seed makes the same files. Everything in them moves in; what a real source does wrong is for
tests to spoil.
"""

import argparse
import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.services.imports import csv_files

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
"""Nothing in the files is younger."""
_RANKS = (("bronze", 0), ("silver", 1_000), ("gold", 10_000), ("platinum", 50_000), ("diamond", 250_000))
_BONUSES = (
    *(("Welcome", "welcomebonus"), ("Happy hour", "happyhours"), ("Bring a friend", "invite")),
    *(("Spin", "wheelfortune"), ("Tournament", "tournaments")),
)
_COUNTS = ("count_invite", "count_welcomebonus", "count_smsbonus", "count_wheelfortune")
_FIRST = ("Ana", "Boris", "Chen", "Dara", "Elif", "Finn", "Grace", "Hugo", "Ines", "Jan")
_LAST = ("Almeida", "Brandt", "Costa", "Dvorak", "Eriksen", "Fischer", "Gupta", "Haas")

Cells = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Sums:
    """What the files add up to, in minor units."""

    real: int
    bonus: int
    active_grants: int


def write(folder: Path, *, players: int, seed: int = 1, currency: str = "USD") -> Sums:
    """Write the old tables of a casino into the folder, amounts with two decimals; what they add up to."""
    chance = random.Random(seed)  # noqa: S311 - invented data, and the same ones every time
    tables: dict[str, list[Cells]] = {
        "currencies": [{"id": "cur1", "code": currency}],
        "vipRanks": [{"id": f"rank{number}", "name": name} for number, (name, _) in enumerate(_RANKS)],
        "bonuses": [
            {"id": f"offer{number}", "name": name, "type": kind}
            for number, (name, kind) in enumerate(_BONUSES)
        ],
    }
    real = bonus = active = 0
    for number in range(players):
        made = _player(chance, number)
        for name, rows in made.items():
            tables.setdefault(name, []).extend(rows)
        balance = made["balances"][0]
        real += _minor(balance["amount"])
        bonus += _minor(balance["bonus"])
        active += sum(grant["status"] == "active" for grant in made["playerBonuses"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        if rows:
            csv_files.write(folder / f"{name}.csv", rows)
    return Sums(real, bonus, active)


def write_users(folder: Path, *, players: int, seed: int = 1) -> int:
    """Write the other shape: one table of users with their balance; the sum in minor units."""
    chance = random.Random(seed)  # noqa: S311 - invented data, and the same ones every time
    rows: list[Cells] = []
    total = 0
    for number in range(players):
        minor = chance.randrange(0, 500_000)
        total += minor
        rows.append({**_user(chance, f"u{number}", number), "balance": _decimal(minor), "currency": "USD"})
    folder.mkdir(parents=True, exist_ok=True)
    csv_files.write(folder / "users.csv", rows)
    return total


def _player(chance: random.Random, number: int) -> dict[str, Sequence[Cells]]:
    player, wallet = _id(chance), _id(chance)
    grants = [_grant(chance, player) for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 3)))]
    most = sum(_minor(grant["amount"]) for grant in grants if grant["status"] == "active")
    # Some have a bonus balance that no bonus explains.
    bonus = chance.randrange(most // 2, most + 1) if most else chance.choice((0, 0, 0, 1_500))
    real = chance.randrange(-50_00, 5_000_00) if chance.random() > 0.1 else 0
    pending = chance.randrange(1, real) if real > 10_00 and chance.random() < 0.05 else 0
    total_xp = int(10 ** chance.uniform(0, 6))
    rank = max(place for place, (_, xp_from) in enumerate(_RANKS) if total_xp >= xp_from)
    return {
        "users": [_user(chance, player, number)],
        "wallets": [
            {
                "id": wallet,
                "balance": _decimal(real + bonus),
                "paymentMethod": chance.choice(("card", "bank_transfer", "crypto")),
                "currency": "cur1",
                "operatorId": "op1",
                "playerId": player,
            }
        ],
        "balances": [
            {
                "id": _id(chance),
                "player_id": player,
                "currency_id": "cur1",
                "wallet_id": wallet,
                "amount": _decimal(real),
                "bonus": _decimal(bonus),
                "turnover": _decimal(chance.randrange(0, 9_000_00)),
                "withdrawable": _decimal(max(0, real - pending)),
                "pending": _decimal(pending),
                "total_balance": _decimal(real + bonus),
                "updated_at": _time(chance),
                **{name: chance.randrange(4) for name in _COUNTS},
            }
        ],
        "vipInfos": [
            {
                "playerId": player,
                "level": rank + 1,
                "xp": total_xp - _RANKS[rank][1],
                "totalXp": total_xp,
                "currentRankid": f"rank{rank}",
            }
        ],
        "playerBonuses": grants,
    }


def _user(chance: random.Random, player: str, number: int) -> dict[str, object]:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    return {
        "id": player,
        "name": f"{first} {last}",
        "email": f"{first}.{last}.{number}@old.example".lower(),
        "country": chance.choice(("MT", "CZ", "PT", "")),
        "created_at": _time(chance),
    }


def _grant(chance: random.Random, player: str) -> dict[str, object]:
    amount, times = chance.randrange(5_00, 200_00, 50), chance.choice((10, 20, 35))
    status = chance.choice(("active", "active", "completed", "expired"))
    share = 100 if status == "completed" else chance.randrange(100)
    return {
        "id": _id(chance),
        "playerId": player,
        "bonusId": f"offer{chance.randrange(len(_BONUSES))}",
        "amount": _decimal(amount),
        "processAmount": _decimal(amount * times * share // 100),
        "goalAmount": _decimal(amount * times),
        "status": status,
        "createdAt": _time(chance),
        "expiresAt": "2027-06-30 00:00:00",
    }


def _id(chance: random.Random) -> str:
    return "c" + "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=24))


def _time(chance: random.Random) -> str:
    at = NOW - dt.timedelta(seconds=chance.randrange(1, 90_000_000), milliseconds=chance.randrange(1000))
    return at.replace(tzinfo=None).isoformat(" ", "milliseconds")


def _decimal(minor: int) -> str:
    whole, cents = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{whole}.{cents:02d}"


def _minor(decimal: object) -> int:
    return int(str(decimal).replace(".", ""))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Invented old tables, to try moving in with.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--players", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--users", action="store_true", help="One table of users with their balance.")
    wanted = parser.parse_args()
    if wanted.users:
        write_users(wanted.folder, players=wanted.players, seed=wanted.seed)
    else:
        write(wanted.folder, players=wanted.players, seed=wanted.seed)
