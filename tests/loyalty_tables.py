"""Old loyalty tables for tests: rows with what they must have."""

from tests.legacy_tables import Cells


def load(number: str, patient: str, amount: str, at: str, expires: str = "2027-01-31", **more: str) -> Cells:
    """A row of `loyalty_points`."""
    return {
        "point_id": number,
        "patient_id": patient,
        "points": amount,
        "created_at": at,
        "expiry_date": expires,
        "transaction_type": "earn",
        "is_active": "true",
        **more,
    }


def redemption(number: str, patient: str, amount: str, at: str, **more: str) -> Cells:
    """A row of `loyalty_redemptions`."""
    return {
        "redemption_id": number,
        "patient_id": patient,
        "points_redeemed": amount,
        "redemption_date": at,
        **more,
    }


def card(number: str, patient: str, card_type: str, issued: str, **more: str) -> Cells:
    """A row of `patient_loyalty_cards`, its number LC-<id>."""
    return {
        "patient_card_id": number,
        "patient_id": patient,
        "card_type_id": card_type,
        "card_number": f"LC-{number}",
        "issue_date": issued,
        "is_active": "true",
        **more,
    }


TYPES = (
    {"card_type_id": "t1", "card_type_code": "SILVER", "min_payment_amount": "22000.00",
     "total_points_credited": "25000", "bonus_percentage": "13.64", "discount_percent": "2.00",
     "validity_months": "12"},
    {"card_type_id": "t2", "card_type_code": "Gold Plus", "min_payment_amount": "60000",
     "total_points_credited": "66000", "discount_percent": "3.5", "validity_months": "6"},
)  # fmt: skip
