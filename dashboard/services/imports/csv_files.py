"""Invented rows as CSV files."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows that all have the same columns; there is at least one."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
