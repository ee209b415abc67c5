"""Invented old tables of loyalty: `python -m dashboard.services.imports.loyalty_sample DIR --patients N`.

The same seed makes the same files. They hold what a real source holds, the odd things too: several cards,
points that were switched off or deleted, redemptions larger than what was there, points that have expired
long since. Everything in them moves in.
"""

import argparse
import datetime as dt
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dashboard.services.imports import csv_files

NOW = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - as old tables say it
"""Nothing in the files is younger."""
_TYPES = (
    ("t1", "SILVER", "Silver", "22000.00", 25_000, "13.64", "2.00"),
    ("t2", "GOLD", "Gold", "45000.00", 50_000, "11.11", "3.00"),
    ("t3", "PLATINUM", "Platinum", "92000.00", 100_000, "8.70", "5.00"),
    ("t0", "BRONZE", "Bronze", "5000.00", 5_300, "6.00", "1.00"),
)
_REASONS = ("Package paid", "Renewed at the desk", "", "Family offer")
_DAYS = 1_000

Cells = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sums:
    """What the files add up to, in points."""

    loaded: int
    redeemed: int


def write(folder: Path, *, patients: int, seed: int = 1) -> Sums:
    """Write the five old tables into the folder; what they add up to."""
    chance = random.Random(seed)  # noqa: S311 - invented data, and the same ones every time
    tables: dict[str, list[Cells]] = {
        "loyalty_card_types": [_type(*one) for one in _TYPES],
        "loyalty_points": [],
        "loyalty_redemptions": [],
        "patient_loyalty_cards": [],
        "loyalty_card_tier_history": [],
    }
    for number in range(patients):
        for name, rows in _patient(chance, number).items():
            tables[name] += rows
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        if rows:
            csv_files.write(folder / f"{name}.csv", rows)
    return Sums(
        sum(int(str(row["points"])) for row in tables["loyalty_points"]),
        sum(int(str(row["points_redeemed"])) for row in tables["loyalty_redemptions"]),
    )


def _type(old_id: str, code: str, name: str, payment: str, points: int, bonus: str, discount: str) -> Cells:  # noqa: PLR0917 - a row
    return {
        "card_type_id": old_id,
        "hospital_id": "h1",
        "card_type_code": code,
        "card_type_name": name,
        "min_payment_amount": payment,
        "total_points_credited": points,
        "bonus_percentage": bonus,
        "discount_percent": discount,
        "validity_months": 12,
        "is_active": "true",
    }


def _patient(chance: random.Random, number: int) -> dict[str, list[Cells]]:
    patient = f"P{number:06d}"
    loads = [_load(chance, patient) for _ in range(chance.choice((0, 1, 1, 2, 3, 4, 6, 9)))]
    cards = _cards(chance, patient, number)
    if not loads and not cards:
        loads.append(_load(chance, patient))
    return {
        "loyalty_points": loads,
        "loyalty_redemptions": _redemptions(chance, patient, loads),
        "patient_loyalty_cards": cards,
        "loyalty_card_tier_history": _history(chance, patient, cards) if chance.random() < 0.7 else [],
    }


def _load(chance: random.Random, patient: str) -> Cells:
    at = NOW - dt.timedelta(days=chance.randrange(1, _DAYS), seconds=chance.randrange(86_400))
    points = chance.choice((50, 120, 500, 1_250, 25_000, 51_135))
    kind = chance.choice(("earn", "earn", "bonus", "package"))
    if chance.random() < 0.02:
        points, kind = -chance.randrange(1, 400), "correction"
    expiry = (at + dt.timedelta(days=chance.choice((90, 365, 365, 730)))).date()
    paid = chance.random() < 0.6 and points > 0
    return {
        "point_id": _id(chance),
        "hospital_id": "h1",
        "patient_id": patient,
        "points": points,
        "transaction_type": kind,
        "points_value": f"{max(1, points * 22 // 25)}.{chance.randrange(100):02d}" if paid else "",
        "expiry_date": "" if chance.random() < 0.03 else expiry.isoformat(),
        "reference_id": f"INV-{chance.randrange(10**6):06d}" if paid else "",
        "is_active": "false" if chance.random() < 0.05 else "true",
        "is_deleted": "true" if chance.random() < 0.02 else "false",
        "created_at": at.isoformat(" ", "seconds"),
    }


def _redemptions(chance: random.Random, patient: str, loads: Sequence[Cells]) -> list[Cells]:
    """Mostly less than what was loaded by then; now and then more, or of a patient who has nothing."""
    rows: list[Cells] = []
    for _ in range(chance.choice((0, 0, 1, 1, 2, 4))):
        if not loads and chance.random() < 0.95:
            break
        load = chance.choice(loads) if loads else None
        most = max(1, int(str(load["points"])) if load else 100)
        points = chance.randrange(1, most + 1) // chance.choice((1, 2, 4)) or 1
        if chance.random() < 0.06:
            points = most * 3
        begins = dt.datetime.fromisoformat(str(load["created_at"])) if load else NOW - dt.timedelta(days=90)
        left = max(1, int((NOW - begins).total_seconds()) - 1)
        at = begins + dt.timedelta(seconds=chance.randrange(min(left, 86_400 * chance.choice((1, 80, 400)))))
        written = (at + dt.timedelta(minutes=1)).isoformat(" ", "seconds")
        rows.append(
            {
                "redemption_id": _id(chance),
                "hospital_id": "h1",
                "patient_id": patient,
                "point_id": load["point_id"] if load else "",
                "payment_id": f"PAY-{chance.randrange(10**6):06d}",
                "points_redeemed": points,
                "amount_credited": f"{points}.00",
                "redemption_date": at.date().isoformat()
                if chance.random() < 0.5
                else at.isoformat(" ", "seconds"),
                "is_deleted": "true" if chance.random() < 0.02 else "false",
                "created_at": written,
            }
        )
    return rows


def _cards(chance: random.Random, patient: str, number: int) -> list[Cells]:
    rows: list[Cells] = []
    for place in range(chance.choice((0, 0, 1, 1, 1, 2, 3))):
        issued = (NOW - dt.timedelta(days=chance.randrange(1, _DAYS))).date()
        odd = chance.random() < 0.01
        rows.append(
            {
                "patient_card_id": _id(chance),
                "hospital_id": "h1",
                "patient_id": patient,
                "card_type_id": chance.choice(_TYPES)[0],
                "card_number": "no. ?" if odd else f"LC{number:06d}{place}",
                "issue_date": issued.isoformat(),
                "expiry_date": (issued + dt.timedelta(days=365)).isoformat(),
                "is_active": chance.choice(("true", "true", "false")),
                "is_deleted": "true" if chance.random() < 0.03 else "false",
                "created_at": f"{issued.isoformat()} 09:00:00",
            }
        )
    return rows


def _history(chance: random.Random, patient: str, cards: Sequence[Cells]) -> list[Cells]:
    rows: list[Cells] = []
    before = ""
    for card in sorted(cards, key=lambda card: str(card["issue_date"])):
        rows.append(
            {
                "history_id": _id(chance),
                "hospital_id": "h1",
                "patient_id": patient,
                "card_type_id": card["card_type_id"],
                "previous_card_type_id": before,
                "change_type": chance.choice(("upgrade", "downgrade")) if before else "new",
                "change_date": f"{card['issue_date']} 10:00:00",
                "reason": chance.choice(_REASONS),
            }
        )
        before = str(card["card_type_id"])
    return rows


def _id(chance: random.Random) -> str:
    return f"{chance.getrandbits(128):032x}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Invented old tables of loyalty, to try moving in with.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    write(wanted.folder, patients=wanted.patients, seed=wanted.seed)
