"""The catalogue of reports: what each subject has, and the statement of ours that its rows come from.

Every statement names its operator as `:operator`; nothing else of a report comes into it but the values
`:start`, `:end`, `:first_day`, `:end_day`, `:zone` and `:home`. Amounts are minor units of `currency`.
"""

from collections.abc import Iterator, Mapping

from dashboard.models.alert import AlertState, AlertType, Severity
from dashboard.models.bonus import BonusSource, BonusState
from dashboard.models.partner_money import EarningState
from dashboard.models.points import PointsKind
from dashboard.models.vip import Level
from dashboard.models.wallet import ChangeType, ContraAccount, WalletStatus
from dashboard.queries.report_fields import (
    AGENT,
    CALENDAR,
    CURRENCY,
    DAY,
    ID,
    PLAYER,
    Source,
    amount,
    choice,
    number,
    text,
    time,
)
from dashboard.services.actors import Actor
from dashboard.services.report_definitions import Field, Subject

CHANGES = Source(
    Subject(
        "balance-changes",
        "Balance changes",
        "Every entry of every balance, in the order of time.",
        (
            time("at", "Time"),
            *CALENDAR,
            *PLAYER,
            AGENT,
            Field("sequence", "Entry", ID, can_filter=False),
            choice("type", "Type", tuple(ChangeType)),
            choice("account", "House account", tuple(ContraAccount), is_usual=False),
            CURRENCY,
            amount("real", "Real change"),
            amount("bonus", "Bonus change"),
            amount("real_after", "Real after", is_summed=False),
            amount("bonus_after", "Bonus after", is_summed=False, is_usual=False),
            text("reason", "Reason"),
            text("reference", "Reference", is_usual=False),
            text("by", "By", can_group=True),
            number("risk", "Risk", is_summed=False, is_usual=False),
        ),
    ),
    """
SELECT e.created_at AS at, (e.created_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', e.created_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', e.created_at AT TIME ZONE :zone)::date AS month,
       e.player_id, p.external_id, p.name AS player, a.name AS agent, e.sequence, e.change_type AS type,
       e.contra_account AS account, e.currency, e.real_delta AS real, e.bonus_delta AS bonus,
       e.real_after, e.bonus_after, e.reason, e.reference,
       coalesce(l.name, CASE e.performed_by WHEN 'system' THEN 'System' ELSE e.performed_by END) AS by,
       e.risk_score::bigint AS risk
FROM wallet_entries e
JOIN players p ON p.id = e.player_id AND p.operator_id = e.operator_id
LEFT JOIN logins a ON a.id = e.agent_id AND a.operator_id = e.operator_id
LEFT JOIN logins l ON e.performed_by = 'staff:' || l.id AND l.operator_id = e.operator_id
WHERE e.operator_id = :operator AND e.created_at >= :start AND e.created_at < :end
""",
    ("at", "player_id", "currency", "sequence"),
)

# Opening and closing are reckoned back from what the balance is now: whatever was dated into the past.
PLAYER_DAYS = Source(
    Subject(
        "player-days",
        "Daily player summary",
        "A player's day in one currency, real and bonus together: opening, and all that led to the closing.",
        (
            Field("day", "Day", DAY, can_group=True),
            *CALENDAR[1:],
            *PLAYER,
            AGENT,
            CURRENCY,
            amount("opening", "Opening", is_summed=False),
            amount("deposits", "Deposits"),
            amount("bonuses", "Bonuses"),
            amount("stakes", "To games"),
            amount("payouts", "From games"),
            amount("withdrawals", "Withdrawals"),
            amount("other", "Other"),
            amount("closing", "Closing", is_summed=False),
            number("entries", "Changes", is_usual=False),
        ),
    ),
    """
SELECT t.day, date_trunc('week', t.day::timestamp)::date AS week,
       date_trunc('month', t.day::timestamp)::date AS month,
       t.player_id, p.external_id, p.name AS player, a.name AS agent, t.currency,
       (b.real + b.bonus - t.since)::bigint AS opening, t.deposits, t.bonuses, t.stakes, t.payouts,
       t.withdrawals, t.moved - t.deposits - t.bonuses - t.stakes - t.payouts - t.withdrawals AS other,
       (b.real + b.bonus - t.since + t.moved)::bigint AS closing, t.entries
FROM (
  SELECT d.*, sum(d.moved) OVER (PARTITION BY d.player_id, d.currency
                                 ORDER BY d.day DESC, d.is_later DESC) AS since
  FROM (
    SELECT e.player_id, e.currency, (e.created_at AT TIME ZONE :zone)::date AS day,
           e.created_at >= :end AS is_later, count(*) AS entries,
           sum(e.real_delta + e.bonus_delta)::bigint AS moved,
           coalesce(sum(e.real_delta) FILTER (WHERE e.change_type = 'deposit'), 0)::bigint AS deposits,
           coalesce(sum(e.real_delta) FILTER (WHERE e.change_type = 'withdrawal'), 0)::bigint AS withdrawals,
           coalesce(sum(e.real_delta + e.bonus_delta) FILTER (WHERE e.change_type IN
             ('bonus_grant', 'bonus_forfeit', 'bonus_expiry', 'bonus_conversion')), 0)::bigint AS bonuses,
           coalesce(sum(e.real_delta + e.bonus_delta) FILTER
             (WHERE e.change_type = 'wager'), 0)::bigint AS stakes,
           coalesce(sum(e.real_delta + e.bonus_delta) FILTER
             (WHERE e.change_type IN ('settlement', 'refund')), 0)::bigint AS payouts
    FROM wallet_entries e
    WHERE e.operator_id = :operator AND e.created_at >= :start
    GROUP BY 1, 2, 3, 4
  ) AS d
) AS t
JOIN balances b ON b.player_id = t.player_id AND b.currency = t.currency AND b.operator_id = :operator
JOIN players p ON p.id = t.player_id AND p.operator_id = :operator
LEFT JOIN logins a ON a.id = p.agent_id AND a.operator_id = p.operator_id
WHERE NOT t.is_later
""",
    ("day", "player_id", "currency"),
)

ADJUSTMENTS = Source(
    Subject(
        "adjustments",
        "Adjustments by agent",
        "Every adjustment and every reversal of one, with who made it.",
        (
            time("at", "Time"),
            *CALENDAR,
            text("by", "By", can_group=True),
            *PLAYER,
            AGENT,
            choice("type", "Type", ("adjustment", "reversal"), is_usual=False),
            CURRENCY,
            amount("credits", "Credited"),
            amount("debits", "Debited"),
            amount("net", "Net"),
            text("reason", "Reason"),
            text("reference", "Reference", is_usual=False),
        ),
        usual_group=("by",),
    ),
    """
SELECT e.created_at AS at, (e.created_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', e.created_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', e.created_at AT TIME ZONE :zone)::date AS month,
       coalesce(l.name, CASE e.performed_by WHEN 'system' THEN 'System' ELSE e.performed_by END) AS by,
       e.player_id, p.external_id, p.name AS player, a.name AS agent, e.change_type AS type, e.currency,
       greatest(e.real_delta + e.bonus_delta, 0) AS credits, least(e.real_delta + e.bonus_delta, 0) AS debits,
       e.real_delta + e.bonus_delta AS net, e.reason, e.reference, e.sequence
FROM wallet_entries e
JOIN players p ON p.id = e.player_id AND p.operator_id = e.operator_id
LEFT JOIN logins a ON a.id = e.agent_id AND a.operator_id = e.operator_id
LEFT JOIN logins l ON e.performed_by = 'staff:' || l.id AND l.operator_id = e.operator_id
WHERE e.operator_id = :operator AND e.created_at >= :start AND e.created_at < :end
  AND e.contra_account = 'adjustments'
""",
    ("at", "player_id", "currency", "sequence"),
)

ALERTS = Source(
    Subject(
        "alerts",
        "Alerts",
        "Every alert that was raised, and what became of it.",
        (
            time("raised", "Raised"),
            *CALENDAR,
            choice("type", "Type", tuple(AlertType)),
            choice("severity", "Severity", tuple(Severity)),
            choice("state", "State", tuple(AlertState)),
            *PLAYER,
            AGENT,
            CURRENCY,
            amount("peak", "Peak", is_summed=False),
            number("figure", "Peak, %, score or points", is_summed=False, is_usual=False),
            number("hits", "Times"),
            time("last_hit", "Last hit", is_usual=False),
            text("acknowledged_by", "Acknowledged by", can_group=True),
            number("minutes", "Minutes until then", is_summed=False),
            text("note", "Note", is_usual=False),
            time("resolved", "Resolved"),
        ),
    ),
    """
SELECT t.raised_at AS raised, (t.raised_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', t.raised_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', t.raised_at AT TIME ZONE :zone)::date AS month,
       t.type, t.severity, t.state, t.player_id, p.external_id, p.name AS player, a.name AS agent,
       t.currency,
       CASE WHEN t.type IN ('warning', 'critical', 'negative', 'limit_exceeded', 'held_refused',
         'tier_ending') THEN t.peak END AS peak,
       CASE WHEN t.type IN ('significant_drop', 'unusual', 'points_expiring') THEN t.peak END AS figure,
       t.hits, t.last_hit_at AS last_hit, l.name AS acknowledged_by,
       (extract(epoch FROM t.acknowledged_at - t.raised_at) / 60)::bigint AS minutes, t.note,
       t.resolved_at AS resolved, t.id
FROM alerts t
JOIN players p ON p.id = t.player_id AND p.operator_id = t.operator_id
LEFT JOIN logins a ON a.id = p.agent_id AND a.operator_id = t.operator_id
LEFT JOIN logins l ON l.id = t.acknowledged_by AND l.operator_id = t.operator_id
WHERE t.operator_id = :operator AND t.raised_at >= :start AND t.raised_at < :end
""",
    ("raised", "player_id", "id"),
)

REFUSALS = Source(
    Subject(
        "refusals",
        "Refusals",
        "Every change that was refused, with what was said against it.",
        (
            time("at", "Time"),
            *CALENDAR,
            *PLAYER,
            choice("type", "Type", tuple(ChangeType)),
            CURRENCY,
            amount("real", "Real change"),
            amount("bonus", "Bonus change", is_usual=False),
            text("code", "Rule", can_group=True, is_usual=False),
            text("because", "Refused because"),
            text("reason", "Reason given"),
            text("by", "By", can_group=True),
        ),
    ),
    """
SELECT r.refused_at AS at, (r.refused_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', r.refused_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', r.refused_at AT TIME ZONE :zone)::date AS month,
       r.player_id, p.external_id, p.name AS player, r.change_type AS type, r.currency,
       r.real_delta AS real, r.bonus_delta AS bonus, r.errors::jsonb -> 0 ->> 0 AS code,
       (SELECT string_agg(said.error ->> 1, ' ' ORDER BY said.place)
        FROM jsonb_array_elements(r.errors::jsonb) WITH ORDINALITY AS said (error, place)) AS because,
       r.reason,
       coalesce(l.name, CASE r.performed_by WHEN 'system' THEN 'System' ELSE r.performed_by END) AS by, r.id
FROM refusals r
JOIN players p ON p.id = r.player_id AND p.operator_id = r.operator_id
LEFT JOIN logins l ON r.performed_by = 'staff:' || l.id AND l.operator_id = r.operator_id
WHERE r.operator_id = :operator AND r.refused_at >= :start AND r.refused_at < :end
""",
    ("at", "player_id", "id"),
)

PARTNER_EARNINGS = Source(
    Subject(
        "partner-earnings",
        "Partner earnings",
        "What each round brought each partner: real figures, and those that the partner sees.",
        (
            Field("day", "Day", DAY, can_group=True),
            *CALENDAR[1:],
            text("partner", "Partner", can_group=True),
            text("game", "Game", can_group=True),
            Field("round", "Round", ID),
            Field("version", "Settlement version", ID, is_usual=False),
            choice("state", "State", tuple(EarningState)),
            number("players", "Players", is_summed=False, is_usual=False),
            CURRENCY,
            amount("real_bets", "Real bets"),
            amount("real_payouts", "Real payouts"),
            amount("real_profit", "Real profit"),
            amount("bets", "Bets shown", is_usual=False),
            amount("payouts", "Payouts shown", is_usual=False),
            amount("profit", "Profit shown"),
            amount("earned", "Earned"),
            time("settled", "Settled", is_usual=False),
        ),
        usual_group=("partner", "state"),
        verb="partners:view",
    ),
    """
SELECT s.day, date_trunc('week', s.day::timestamp)::date AS week,
       date_trunc('month', s.day::timestamp)::date AS month,
       t.name AS partner, g.name AS game, s.round_number AS round, s.settlement_version AS version, s.state,
       s.players, s.currency, f.real_bets, f.real_payouts, f.real_profit, s.bets, s.payouts, s.profit,
       s.earned, s.settled_at AS settled
FROM partner_shown_earnings s
JOIN partner_game_earnings f ON f.id = s.id AND f.partner_id = s.partner_id
JOIN partners t ON t.id = s.partner_id AND t.operator_id = s.operator_id
JOIN games g ON g.id = s.game_id AND g.operator_id = s.operator_id
WHERE s.operator_id = :operator AND s.day >= :first_day AND s.day < :end_day
""",
    ("day", "partner", "game", "round", "version"),
)

LOYALTY_LIABILITY = Source(
    Subject(
        "loyalty-liability",
        "Loyalty liability",
        "Points by the month in which they expire: what is owed, and its value where points become money.",
        (
            Field("expires", "Expire in the month from", DAY),
            number("loaded", "Loaded"),
            number("redeemed", "Redeemed"),
            number("expired", "Expired"),
            number("reversed", "Reversed"),
            number("remaining", "Remaining"),
            CURRENCY,
            amount("value", "Value of the remaining"),
        ),
        is_dated=False,
    ),
    """
SELECT m.month AS expires, sum(m.loaded)::bigint AS loaded, sum(m.redeemed)::bigint AS redeemed,
       sum(m.expired)::bigint AS expired, sum(m.reversed)::bigint AS reversed,
       sum(m.remaining)::bigint AS remaining, CAST(:home AS text) AS currency,
       (SELECT round(sum(m.remaining)::numeric * l.conversion_amount / l.conversion_points)::bigint
        FROM loyalty_programmes l WHERE l.operator_id = :operator) AS value
FROM loyalty_months m WHERE m.operator_id = :operator
GROUP BY m.month HAVING sum(m.loaded) <> 0
""",
    ("expires",),
)

# All entries, whenever they are dated: what is rolled up, and those beyond their balance's mark.
TRIAL_BALANCE = Source(
    Subject(
        "trial-balance",
        "Trial balance",
        "What players hold and what stands against it in the house: zero in every currency.",
        (
            choice("side", "Side", ("players", "house")),
            choice("account", "Account", ("real", "bonus", *ContraAccount)),
            CURRENCY,
            amount("amount", "Holds"),
        ),
        is_dated=False,
    ),
    """
SELECT 'players' AS side, 'real' AS account, b.currency, sum(b.real)::bigint AS amount
FROM balances b WHERE b.operator_id = :operator GROUP BY b.currency
UNION ALL
SELECT 'players', 'bonus', b.currency, sum(b.bonus)::bigint
FROM balances b WHERE b.operator_id = :operator GROUP BY b.currency
UNION ALL
SELECT 'house', m.account, m.currency, -sum(m.moved)::bigint FROM (
  SELECT contra_account AS account, currency, real + bonus AS moved FROM daily_totals
  WHERE operator_id = :operator
  UNION ALL
  SELECT e.contra_account, e.currency, e.real_delta + e.bonus_delta
  FROM balances b
  LEFT JOIN rollup_marks k USING (player_id, currency) JOIN wallet_entries e USING (player_id, currency)
  WHERE b.operator_id = :operator AND b.version > coalesce(k.sequence, 0)
    AND e.sequence > coalesce(k.sequence, 0)
) AS m GROUP BY m.account, m.currency
""",
    ("currency", "side", "account"),
)

BALANCES = Source(
    Subject(
        "balances",
        "Balances of players",
        "What every player holds now, in every currency.",
        (
            *PLAYER,
            AGENT,
            choice("status", "Status", tuple(WalletStatus)),
            choice("level", "VIP level", tuple(Level)),
            CURRENCY,
            amount("real", "Real"),
            amount("bonus", "Bonus"),
            amount("pending", "Pending"),
            amount("withdrawable", "Withdrawable"),
            amount("deposited", "Deposited ever", is_usual=False),
            amount("withdrawn", "Withdrawn ever", is_usual=False),
            amount("wagered", "Wagered ever", is_usual=False),
            amount("won", "Won ever", is_usual=False),
            number("entries", "Changes", is_usual=False),
            time("changed", "Last change"),
        ),
        is_dated=False,
    ),
    """
SELECT b.player_id, p.external_id, p.name AS player, a.name AS agent, w.status, w.vip_level AS level,
       b.currency, b.real, b.bonus, b.pending, greatest(b.real - b.pending, 0) AS withdrawable, b.deposited,
       b.withdrawn, b.wagered, b.won, b.version AS entries,
       CASE WHEN b.version > 0 THEN b.updated_at END AS changed
FROM balances b
JOIN wallets w ON w.player_id = b.player_id AND w.operator_id = b.operator_id
JOIN players p ON p.id = b.player_id AND p.operator_id = b.operator_id
LEFT JOIN logins a ON a.id = p.agent_id AND a.operator_id = p.operator_id
WHERE b.operator_id = :operator
""",
    ("player_id", "currency"),
)

BONUSES = Source(
    Subject(
        "bonuses",
        "Bonuses",
        "Every bonus that was granted, what is left of it, and what became of the rest.",
        (
            time("granted", "Granted"),
            *CALENDAR,
            *PLAYER,
            AGENT,
            text("name", "Bonus", can_group=True),
            choice("source", "Source", tuple(BonusSource)),
            choice("state", "State", tuple(BonusState)),
            CURRENCY,
            amount("amount", "Amount"),
            amount("remaining", "Remaining"),
            amount("required", "To be wagered", is_usual=False),
            amount("wagered", "Wagered", is_usual=False),
            amount("converted", "Converted"),
            amount("forfeited", "Forfeited"),
            text("by", "Granted by", can_group=True, is_usual=False),
            time("expires", "Expires", is_usual=False),
            time("ended", "Ended"),
        ),
    ),
    """
SELECT t.granted_at AS granted, (t.granted_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', t.granted_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', t.granted_at AT TIME ZONE :zone)::date AS month,
       t.player_id, p.external_id, p.name AS player, a.name AS agent, t.name, t.source, t.state, t.currency,
       t.amount, t.remaining, t.required, t.wagered, t.converted, t.forfeited,
       coalesce(l.name, CASE t.granted_by WHEN 'system' THEN 'System' ELSE t.granted_by END) AS by,
       t.expires_at AS expires, t.ended_at AS ended, t.id
FROM bonuses t
JOIN players p ON p.id = t.player_id AND p.operator_id = t.operator_id
LEFT JOIN logins a ON a.id = p.agent_id AND a.operator_id = t.operator_id
LEFT JOIN logins l ON t.granted_by = 'staff:' || l.id AND l.operator_id = t.operator_id
WHERE t.operator_id = :operator AND t.granted_at >= :start AND t.granted_at < :end
""",
    ("granted", "player_id", "id"),
)

POINTS = Source(
    Subject(
        "points",
        "Points",
        "Every move of every member's points; payments in the home currency.",
        (
            time("at", "Time"),
            *CALENDAR,
            *PLAYER,
            Field("sequence", "Entry", ID, can_filter=False, is_usual=False),
            choice("kind", "Kind", tuple(PointsKind)),
            number("base", "Base points", is_usual=False),
            number("bonus", "Bonus points", is_usual=False),
            number("points", "Points"),
            number("balance", "Points after", is_summed=False),
            CURRENCY,
            amount("payment", "Payment"),
            text("invoice", "Invoice", is_usual=False),
            text("tier", "Tier", can_group=True, is_usual=False),
            text("notes", "Reason"),
            text("by", "By", can_group=True),
        ),
    ),
    """
SELECT e.created_at AS at, (e.created_at AT TIME ZONE :zone)::date AS day,
       date_trunc('week', e.created_at AT TIME ZONE :zone)::date AS week,
       date_trunc('month', e.created_at AT TIME ZONE :zone)::date AS month,
       e.player_id, p.external_id, p.name AS player, e.sequence, e.kind, e.base_points AS base,
       e.bonus_points AS bonus, e.points, e.balance_after AS balance, CAST(:home AS text) AS currency,
       e.payment_amount AS payment, e.invoice, t.name AS tier, e.notes,
       coalesce(l.name, CASE e.performed_by WHEN 'system' THEN 'System' ELSE e.performed_by END) AS by
FROM loyalty_entries e
JOIN players p ON p.id = e.player_id AND p.operator_id = e.operator_id
LEFT JOIN loyalty_tiers t ON t.id = e.tier_id AND t.operator_id = e.operator_id
LEFT JOIN logins l ON e.performed_by = 'staff:' || l.id AND l.operator_id = e.operator_id
WHERE e.operator_id = :operator AND e.created_at >= :start AND e.created_at < :end
""",
    ("at", "player_id", "sequence"),
)

SOURCES: Mapping[str, Source] = {
    source.subject.name: source
    for source in (
        PLAYER_DAYS,
        CHANGES,
        ADJUSTMENTS,
        ALERTS,
        REFUSALS,
        BALANCES,
        TRIAL_BALANCE,
        BONUSES,
        PARTNER_EARNINGS,
        LOYALTY_LIABILITY,
        POINTS,
    )
}


def subjects_for(actor: Actor) -> Iterator[Subject]:
    """What that person may have reports about."""
    return (source.subject for source in SOURCES.values() if actor.may(source.subject.verb))
