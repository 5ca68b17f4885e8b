"""A service over a small project with promotions, of which campaigns can be drafted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from features.door.tables import build_tables
from features.progress import Silent
from features.project import Project, load_project
from serving.api import build_api
from serving.campaigns.desk import CampaignDesk
from serving.customers.customers import open_customers
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.campaign_project import publish
from tests.test_almanac import write_rows

NOW = datetime(2026, 11, 2, tzinfo=UTC)
PROJECT = """
[project]
name = "test"
time_zone = "America/Chicago"
threads = 1
[tables.promotions]
path = "promotions.csv"
[tables.regions]
path = "regions.csv"
[tables.touches]
path = "touches.csv"
[customers.consent]
is_required = false
[campaign]
cap_messages = 2
hourly_capacity = { email = 30 }
message_cost = { email = 0.01, sms = 0.04 }
"""


def make_campaign_project(folder: Path, files: dict[str, bytes]) -> Project:
    """Write a project with a published send-time model, and build its tables.

    Parameters
    ----------
    folder : Path
    files : dict of name to bytes
        Of the model: `send_time_model.to_files()` and `profile_files`.
    """
    (folder / "almanac.toml").write_text(PROJECT, encoding="utf-8")
    write_rows(
        folder / "promotions.csv",
        ["promotion_id", "starts_at", "ends_at", "discount", "margin", "regions"],
        [
            ["ten", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", 0.1, 0.4, "r0, r1, r2"],
            ["old", "2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z", 0.1, 0.4, ""],
        ],
    )
    write_rows(
        folder / "regions.csv", ["region_id", "parent_id", "level"],
        [[f"r{number}", "all", "shop"] for number in range(5)],
    )  # fmt: skip
    write_rows(
        folder / "touches.csv", ["message_id", "customer_id", "channel", "sent_at"],
        [["m1", "c0", "email", "2026-11-01T23:00:00Z"]],
    )  # fmt: skip
    publish(folder, files)
    project = load_project(folder / "almanac.toml")
    build_tables(project, Silent(), ["promotions", "regions", "touches"])
    return project


class CampaignService:
    """The whole API over a project, at a fixed time."""

    def __init__(self, project: Project, open_client: Callable[..., Callable]) -> None:
        self.project, self.now = project, NOW
        self.desk = CampaignDesk(project)
        predictor = Predictor.load(project.workspace.published)
        self.customers = predictor.customers = open_customers(project, predictor.champions)
        limits = ServingSettings(is_request_logged=False)
        api = build_api(predictor, limits, clock=lambda: self.now, campaigns=self.desk)
        self.call = open_client(api)
