"""The tables, one file per area. Importing this package makes all of them known to the metadata."""

from dashboard.models.alert import Alert
from dashboard.models.audit import Anchor, AnchorHead, StaffLog, Verification
from dashboard.models.bonus import Bonus, BonusOffer, BonusOfferTerm, BonusStake, BonusTerm
from dashboard.models.bulk import BulkRow, BulkRun
from dashboard.models.change_request import ChangeRequest, SettingRequest, Withdrawal
from dashboard.models.game import (
    Bet,
    DealStatistic,
    Game,
    GameStatistic,
    PlayerGameStatistic,
    Round,
    RoundClosing,
    RoundSettlement,
    RuleSet,
)
from dashboard.models.legacy import (
    LegacyLoyaltyRow,
    LegacyMember,
    LegacyPlayer,
    LegacyReport,
    LegacyRow,
    LegacyRun,
    LegacyTier,
)
from dashboard.models.login import (
    Allowance,
    Login,
    OneTimeLink,
    RecoveryCode,
    SavedView,
    SecondFactor,
    SignInAddress,
    SignInSession,
)
from dashboard.models.loyalty import (
    LoyaltyCard,
    LoyaltyNotice,
    LoyaltyProgramme,
    LoyaltyTier,
    LoyaltyWallet,
    TierHistory,
)
from dashboard.models.operator import Operator
from dashboard.models.outgoing_event import OutgoingEvent
from dashboard.models.partner import Partner, PartnerContract, PartnerMinimum, PartnerStatusChange, Referral
from dashboard.models.partner_money import (
    PartnerAccount,
    PartnerGameEarning,
    PartnerPayout,
    PartnerPeriodPlayer,
    PartnerShownEarning,
    PartnerShownPeriod,
    PartnerStatement,
    PartnerStatementLine,
)
from dashboard.models.player import Player, PlayerHandle, PlayerNote
from dashboard.models.points import LoyaltyEntry, LoyaltyMonth, PointsAllocation, PointsBatch, PointsRequest
from dashboard.models.round_request import RoundRequest
from dashboard.models.vip import VipLevel, VipLevelChange, VipRule, VipRuleVersion
from dashboard.models.wallet import Balance, Refusal, Wallet, WalletEntry

__all__ = [
    "Alert",
    "Allowance",
    "Anchor",
    "AnchorHead",
    "Balance",
    "Bet",
    "Bonus",
    "BonusOffer",
    "BonusOfferTerm",
    "BonusStake",
    "BonusTerm",
    "BulkRow",
    "BulkRun",
    "ChangeRequest",
    "DealStatistic",
    "Game",
    "GameStatistic",
    "LegacyLoyaltyRow",
    "LegacyMember",
    "LegacyPlayer",
    "LegacyReport",
    "LegacyRow",
    "LegacyRun",
    "LegacyTier",
    "Login",
    "LoyaltyCard",
    "LoyaltyEntry",
    "LoyaltyMonth",
    "LoyaltyNotice",
    "LoyaltyProgramme",
    "LoyaltyTier",
    "LoyaltyWallet",
    "OneTimeLink",
    "Operator",
    "OutgoingEvent",
    "Partner",
    "PartnerAccount",
    "PartnerContract",
    "PartnerGameEarning",
    "PartnerMinimum",
    "PartnerPayout",
    "PartnerPeriodPlayer",
    "PartnerShownEarning",
    "PartnerShownPeriod",
    "PartnerStatement",
    "PartnerStatementLine",
    "PartnerStatusChange",
    "Player",
    "PlayerGameStatistic",
    "PlayerHandle",
    "PlayerNote",
    "PointsAllocation",
    "PointsBatch",
    "PointsRequest",
    "RecoveryCode",
    "Referral",
    "Refusal",
    "Round",
    "RoundClosing",
    "RoundRequest",
    "RoundSettlement",
    "RuleSet",
    "SavedView",
    "SecondFactor",
    "SettingRequest",
    "SignInAddress",
    "SignInSession",
    "StaffLog",
    "TierHistory",
    "Verification",
    "VipLevel",
    "VipLevelChange",
    "VipRule",
    "VipRuleVersion",
    "Wallet",
    "WalletEntry",
    "Withdrawal",
]
