"""The tables, one file per area. Importing this package makes all of them known to the metadata."""

from dashboard.models.alert import Alert
from dashboard.models.audit import Anchor, AnchorHead, StaffLog, Verification
from dashboard.models.login import Login, SignInAddress, SignInSession
from dashboard.models.operator import Operator
from dashboard.models.player import Player, PlayerHandle, PlayerNote
from dashboard.models.vip import VipLevel, VipLevelChange, VipRule, VipRuleVersion
from dashboard.models.wallet import Balance, Refusal, Wallet, WalletEntry

__all__ = [
    "Alert",
    "Anchor",
    "AnchorHead",
    "Balance",
    "Login",
    "Operator",
    "Player",
    "PlayerHandle",
    "PlayerNote",
    "Refusal",
    "SignInAddress",
    "SignInSession",
    "StaffLog",
    "Verification",
    "VipLevel",
    "VipLevelChange",
    "VipRule",
    "VipRuleVersion",
    "Wallet",
    "WalletEntry",
]
