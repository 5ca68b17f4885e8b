"""What is asked of a campaign: promotions, audience, window, channels, and what it keeps to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from features.errors import InvalidRequest
from features.project import Project
from models.campaign.audience import check_audience
from models.campaign.frequency import FrequencyCap, FrequencyRules
from models.campaign.send_slots import QuietHours
from serving.arguments import check_channels, check_offset, read_moment, read_quiet_hours
from serving.campaigns.settings import CampaignSettings


@dataclass(frozen=True)
class CampaignQuery:
    """One campaign.

    Attributes
    ----------
    campaign_id : str
        Names it in the log of decisions.
    customers : sequence of str, length n
        The audience, each once.
    promotions : tuple of str
        Offers to choose from; the first that may go where no experiment tells which earns more.
    channels : tuple of str, length n_channels
    start, end : datetime
        The send window, with a zone; the end is outside.
    decided_at : datetime
        Now, with a zone.
    settings : CampaignSettings
    salt : str
        What the arms are keyed with; not empty.
    """

    campaign_id: str
    customers: Sequence[str]
    promotions: tuple[str, ...]
    channels: tuple[str, ...]
    start: datetime
    end: datetime
    decided_at: datetime
    settings: CampaignSettings
    salt: str

    @property
    def window(self) -> tuple[np.datetime64, np.datetime64]:
        """Start and end in UTC."""
        return _to_utc64(self.start), _to_utc64(self.end)

    @property
    def now(self) -> np.datetime64:
        """The moment of the decision in UTC."""
        return _to_utc64(self.decided_at)

    @property
    def look_back_days(self) -> float:
        """Days before the window in which messages count towards caps and gaps."""
        return max(float(self.settings.cap_days), self.settings.min_gap_hours / 24.0)

    @property
    def quiet(self) -> QuietHours | None:
        """Local times at which nothing is sent."""
        return read_quiet_hours(self.settings.quiet_hours)

    @property
    def frequency(self) -> FrequencyRules:
        """Caps over all channels and by channel, and the gap between two messages."""
        settings = self.settings
        caps = [FrequencyCap(settings.cap_messages, settings.cap_days)]
        caps += [
            FrequencyCap(most, settings.cap_days, channel)
            for channel, most in settings.channel_caps.items()
        ]
        return FrequencyRules(tuple(caps), settings.min_gap_hours)

    @property
    def costs(self) -> np.ndarray:
        """Money a message costs over each channel, shape (n_channels,)."""
        return np.array([self.settings.message_cost.get(name, 0.0) for name in self.channels])

    @property
    def capacity(self) -> np.ndarray:
        """Messages an hour over each channel, shape (n_channels,); inf = no bound."""
        given = self.settings.hourly_capacity
        return np.array([float(given.get(name, np.inf)) for name in self.channels])


def ask_campaign(
    project: Project,
    customers: Sequence[str],
    *,
    name: str,
    promotions: Sequence[str],
    channels: Sequence[str],
    start: str,
    days: float,
    budget: float | None,
    now: str,
) -> CampaignQuery:
    """Read what a command line gives, and the rest from the section `[campaign]`.

    Parameters
    ----------
    project : Project
    customers, promotions, channels, days
        As for `build_campaign_query`.
    name : str
        Of the campaign.
    start : str
        Such as 2026-01-31T00:00:00Z; empty for now.
    budget : float or None
        In place of that of the section.
    now : str
        The moment of the decision, with its offset.

    Raises
    ------
    InvalidRequest, UnknownName
        As `build_campaign_query`; also if one of the times is none.
    """
    settings = project.section("campaign", CampaignSettings)
    if budget is not None:
        settings = settings.model_copy(update={"budget": budget})
    return build_campaign_query(
        name,
        customers,
        promotions=promotions,
        channels=channels,
        start=read_moment("start", start or now),
        days=days,
        decided_at=read_moment("now", now),
        settings=settings,
        salt=settings.salt or project.settings.name,
    )


def build_campaign_query(
    campaign_id: str,
    customers: Sequence[str],
    *,
    promotions: Sequence[str],
    channels: Sequence[str],
    start: datetime,
    days: float,
    decided_at: datetime,
    settings: CampaignSettings,
    salt: str,
) -> CampaignQuery:
    """Check what a command line gives and put it together.

    Raises
    ------
    InvalidRequest
        If the campaign's id is no name, the audience is empty or repeats somebody, there is no
        promotion or channel or one is named twice, a time has no offset, or the window starts
        before now.
    UnknownName
        If there is no such channel.
    """
    _check_name(campaign_id)
    check_audience(customers)
    for kind, names in (("promotion", promotions), ("channel", channels)):
        if not names or len(set(names)) < len(names):
            raise InvalidRequest(
                f"campaign: expected one {kind} or more, each once, got "
                f"{', '.join(names) or 'none'}; name each once"
            )
    check_channels(channels)
    check_offset("start", start)
    check_offset("now", decided_at)
    if start < decided_at:
        raise InvalidRequest(
            f"start: expected a window that begins at {decided_at.isoformat()} or later, got "
            f"{start.isoformat()}; nothing can be sent in the past: move it on"
        )
    return CampaignQuery(
        campaign_id=campaign_id,
        customers=customers,
        promotions=tuple(promotions),
        channels=tuple(channels),
        start=start,
        end=start + timedelta(days=days),
        decided_at=decided_at,
        settings=settings,
        salt=salt,
    )


def _check_name(campaign_id: str) -> None:
    """Raise unless the log can have a folder of that name."""
    if not re.fullmatch(r"[\w.@ -]{1,100}", campaign_id) or not campaign_id.strip(". "):
        raise InvalidRequest(
            f"campaign: expected a name of up to 100 letters, digits, '.', '-', '_', '@' or "
            f"spaces, got '{campaign_id}'; give it one"
        )


def _to_utc64(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "s")
