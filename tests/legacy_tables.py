"""Old tables for tests: a few rows written as the CSV files that they would come in."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

Cells = Mapping[str, str]


def write(folder: Path, **tables: Sequence[Cells]) -> Path:
    """Write each table as NAME.csv, its columns those of all its rows; returns the folder."""
    folder.mkdir(exist_ok=True)
    for name, rows in tables.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def balance(player: str, amount: str, bonus: str = "0", **more: str) -> Cells:
    """A row of the old balances; its id follows from the player."""
    return {"id": f"b-{player}", "player_id": player, "amount": amount, "bonus": bonus, **more}


def bonus(number: str, player: str, amount: str, status: str = "active", **more: str) -> Cells:
    """A row of the old bonuses of players, with ten times its amount to wager and 1.00 of it done."""
    return {
        "id": number,
        "playerId": player,
        "bonusId": "welcome",
        "amount": amount,
        "processAmount": "1.00",
        "goalAmount": f"{amount.split('.', maxsplit=1)[0]}0.00",
        "status": status,
        "createdAt": "2025-05-01 10:00:00",
        **more,
    }
