"""The old tables of loyalty as CSV files in a folder: their columns, and what each of them is called.

docs/moving-in-loyalty.md lists every table and column.
"""

from collections.abc import Mapping
from pathlib import Path

from dashboard.services.imports import legacy_files
from dashboard.services.imports.legacy_files import Shape, Tables

_COMMON = {"patient_id": "player_id", "hospital_id": "operator_id"}
_DELETED = ("is_deleted", "deleted_at")
_KEPT = ("operator_id", "branch_id", "created_by", "updated_at", "updated_by", "deleted_by")
MOVED: Mapping[str, Shape] = {
    "loyalty_points": Shape(
        ("loyaltypoints",),
        ("id", "player_id", "points"),
        (
            *("id", "player_id", "points", "points_value", "expiry_date", "reference_id", "transaction_type"),
            *("is_active", "created_at", *_DELETED),
        ),
        _KEPT,
        {**_COMMON, "point_id": "id"},
    ),
    "loyalty_redemptions": Shape(
        ("loyaltyredemptions",),
        ("id", "player_id", "points_redeemed"),
        ("id", "player_id", "points_redeemed", "redemption_date", "payment_id", *_DELETED),
        ("point_id", "amount_credited", "created_at", *_KEPT),
        {**_COMMON, "redemption_id": "id"},
    ),
    "patient_loyalty_cards": Shape(
        ("patientloyaltycards",),
        ("id", "player_id", "card_type_id"),
        (
            *("id", "player_id", "card_type_id", "card_number", "issue_date", "expiry_date", "is_active"),
            *_DELETED,
        ),
        ("created_at", *_KEPT),
        {**_COMMON, "patient_card_id": "id"},
    ),
    "loyalty_card_tier_history": Shape(
        ("loyaltycardtierhistory",),
        ("player_id", "card_type_id", "change_date"),
        ("id", "player_id", "card_type_id", "change_date", "reason", *_DELETED),
        ("previous_card_type_id", "change_type", "created_at", *_KEPT),
        {**_COMMON, "history_id": "id", "tier_history_id": "id"},
    ),
}
"""The tables whose rows move in."""
LOOKED_UP: Mapping[str, Shape] = {
    "loyalty_card_types": Shape(
        ("loyaltycardtypes",),
        ("id", "card_type_code"),
        (
            *("id", "card_type_code", "card_type_name", "min_payment_amount", "total_points_credited"),
            *("bonus_percentage", "discount_percent", "validity_months", "is_active", *_DELETED),
        ),
        _KEPT,
        {"hospital_id": "operator_id", "card_type_id": "id"},
    ),
}
"""What cards and history refer to: it becomes tiers, where there are none of the same code."""


def read(folder: Path) -> Tables:
    """Read the old tables of loyalty. Raises Unreadable, as `legacy_files.read_shapes` says."""
    return legacy_files.read_shapes(folder, MOVED, LOOKED_UP)
