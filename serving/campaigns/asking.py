"""From what is asked of a draft to a campaign: what a caller may change, and what the project says.

Caps, the gap and throughput protect customers: a caller may tighten them, and not loosen them. The
holdout cannot be changed, as it never gets a campaign.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from features.errors import InvalidRequest, NotEnoughData
from features.project import Project
from features.schema import PROMOTIONS, Promotions
from models.campaign.promotion_rules import read_rules
from serving.campaigns.contract import CampaignDraftRequest
from serving.campaigns.query import CampaignQuery, build_campaign_query
from serving.campaigns.settings import CampaignSettings
from serving.names import nearest

WINDOW = timedelta(days=7)
NO_PROMOTIONS = (
    "this project has no table of promotions: describe [tables.promotions] with promotion_id, "
    "starts_at and ends_at, and train again"
)
RULES = (
    "quiet_hours", "cap_messages", "cap_days", "channel_caps", "min_gap_hours", "hourly_capacity",
    "message_cost", "budget", "holdout", "random",
)  # fmt: skip


class Misfit(InvalidRequest):
    """Something of the request does not fit the project; `pointer` says where it is."""

    def __init__(self, pointer: str, message: str) -> None:
        self.pointer = pointer
        super().__init__(message)


def read_campaign_settings(project: Project) -> CampaignSettings:
    """Return `[campaign]` of a project."""
    return project.section("campaign", CampaignSettings)


def tell_rules(settings: CampaignSettings) -> dict[str, Any]:
    """Return what `serving.campaigns.contract.CampaignRules` holds."""
    return {name: getattr(settings, name) for name in RULES}


def list_promotions(project: Project) -> list[dict[str, Any]]:
    """Return the promotions of a project, the one that ends last first; none without a table."""
    path = project.workspace.table(PROMOTIONS.name)
    if not path.exists():
        return []
    table = pd.read_parquet(path)
    rules = read_rules(table, table[Promotions.PROMOTION_ID])
    discount = table.drop_duplicates(Promotions.PROMOTION_ID).set_index(Promotions.PROMOTION_ID)[
        Promotions.DISCOUNT
    ]
    told = [
        {
            "promotion_id": rule.promotion_id,
            "starts_at": _as_moment(rule.starts_at),
            "ends_at": _as_moment(rule.ends_at),
            "discount": None if pd.isna(discount[name]) else float(discount[name]),
            "channels": list(rule.channels),
        }
        for name, rule in rules.items()
    ]
    return sorted(told, key=lambda one: (one["ends_at"], one["promotion_id"]), reverse=True)


def ask_draft(
    project: Project, asked: CampaignDraftRequest, customers: Sequence[str], now: datetime
) -> CampaignQuery:
    """Put a campaign together.

    Parameters
    ----------
    project : Project
    asked : CampaignDraftRequest
    customers : sequence of str
        The audience, each once.
    now : datetime
        With a zone.

    Raises
    ------
    NotEnoughData
        If there is no table of promotions.
    Misfit
        If a promotion is not known, a rule is looser than the project's, or the window begins
        before the decision.
    """
    known = [one["promotion_id"] for one in list_promotions(project)]
    if not known:
        raise NotEnoughData(NO_PROMOTIONS)
    _check_promotions(asked.promotions, known)
    settings = read_campaign_settings(project)
    decided_at = asked.decided_at or now
    window = asked.window
    start, end = (window.start, window.end) if window else (decided_at, decided_at + WINDOW)
    if start < decided_at:
        raise Misfit(
            "#/window/start",
            "the window begins before the moment of the decision, and nothing can be sent in the "
            "past; move it on",
        )
    return build_campaign_query(
        asked.name or "-".join(asked.promotions)[:100],
        customers,
        promotions=asked.promotions,
        channels=asked.channels,
        start=start,
        days=(end - start) / timedelta(days=1),
        decided_at=decided_at,
        settings=_tighten(settings, asked),
        salt=settings.salt or project.settings.name,
    )


def _check_promotions(asked: Iterable[str], known: list[str]) -> None:
    for place, name in enumerate(asked):
        if name not in known:
            hint = nearest(name, sorted(known))
            raise Misfit(f"#/promotions/{place}", f"this promotion is not known; nearest: '{hint}'")


def _tighten(settings: CampaignSettings, asked: CampaignDraftRequest) -> CampaignSettings:
    """Return the project's settings with what the caller changes."""
    given: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("quiet_hours", "cap_messages", "min_gap_hours", "budget", "random")
        if getattr(asked, name) is not None
    }
    if given.get("cap_messages", 0) > settings.cap_messages:
        raise _looser("#/cap_messages", f"at most {settings.cap_messages}")
    if given.get("min_gap_hours", settings.min_gap_hours) < settings.min_gap_hours:
        raise _looser("#/min_gap_hours", f"at least {settings.min_gap_hours:g}")
    if given.get("random", 0.0) + settings.holdout > 1.0:
        raise _looser("#/random", f"at most {1.0 - settings.holdout:g}, beside the holdout")
    capacity = dict(settings.hourly_capacity)
    for channel, most in (asked.hourly_capacity or {}).items():
        if most > capacity.get(channel, most):
            raise _looser(f"#/hourly_capacity/{channel}", f"at most {capacity[channel]}")
        capacity[channel] = most
    return settings.model_copy(update={**given, "hourly_capacity": capacity})


def _looser(pointer: str, words: str) -> Misfit:
    return Misfit(pointer, f"must be {words}, as [campaign] of the project says")


def _as_moment(moment: Any) -> datetime:
    return pd.Timestamp(moment).tz_localize(UTC).to_pydatetime()
