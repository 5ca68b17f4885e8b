"""All checks of a project, from what is in its workspace."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import numpy as np
import pandas as pd

from features.customer.dialect import to_utc
from features.errors import AlmanacError, NotTrained
from features.progress import Progress
from features.project import Project
from models.artifact import Artifact, load_artifact, load_published, read_pointer
from models.response.response_base import MODEL_FILE as RESPONSE_FILE
from training.config import PromotionSettings
from training.demand.steps import load_panel
from training.monitor.arrivals import (
    FORECASTS_FILE,
    has_published,
    join_arrivals,
    list_versions,
    tabulate_units,
)
from training.monitor.calibration import check_calibration
from training.monitor.checks import Check, Findings, Verdict
from training.monitor.drift import check_drift
from training.monitor.forecast_error import check_forecasts
from training.monitor.freshness import check_horizon, check_model, check_profiles
from training.monitor.promises import promise_wape, read_promise
from training.monitor.roles import check_roles
from training.monitor.served import read_served
from training.monitor.settings import MonitorSettings
from training.promotion.model import PromotionModel
from training.promotion.slices import SliceReader

Rows = list[dict[str, Any]]


def monitor(project: Project, now: datetime, progress: Progress) -> Findings:
    """Look for what changed since the champions were trained.

    Parameters
    ----------
    project : Project
        Its canonical tables must have been built.
    now : datetime
        With a zone: nothing after it is read, and ages are measured at it.
    progress : Progress
        Told what is looked at.

    Returns
    -------
    Findings
        A part that cannot be looked at is a check of its own, 'not enough data', with the reason.

    Raises
    ------
    NotTrained
        If nothing at all is published.
    """
    settings = project.section("monitor", MonitorSettings)
    published = project.workspace.published
    kinds = [kind for kind in ("promotion", "demand") if has_published(published, kind)]
    if not kinds:
        raise NotTrained(
            f"nothing is published in {published}, so there is nothing to monitor; "
            "run `almanac train` and `almanac promote` first"
        )
    checks: list[Check] = []
    bins: Rows = []
    if "promotion" in kinds:
        progress.say("promotion: features, answers, age")
        found, bins = _watch_promotion(project, now, settings)
        checks += found
    if "demand" in kinds:
        progress.say("demand: forecasts against arrived sales, age")
        checks += _watch_demand(project, now, settings)
    return Findings(now.astimezone(UTC), tuple(checks), {"calibration": bins})


def _watch_promotion(
    project: Project, now: datetime, settings: MonitorSettings
) -> tuple[list[Check], Rows]:
    try:
        pointer, artifact = load_published(project.workspace.published, "promotion")
        model = PromotionModel.from_files(artifact.files)
    except AlmanacError as error:
        return [_cannot("drift", "features", "promotion", error)], []
    try:
        drift = check_drift(model.profiles, _read_present(project, model, now), settings)
    except AlmanacError as error:
        drift = [_cannot("drift", "features", "promotion", error)]
    as_of = model.as_of.replace(tzinfo=UTC)
    ages = [
        check_profiles(as_of, now, settings),
        check_model(
            "promotion", _find_fitted(artifact, as_of), now, settings.max_model_age_days
        ),
    ]  # fmt: skip
    answers, bins = _watch_answers(project, now, settings, pointer.version, artifact)
    return [*drift, *answers, *ages], bins


def _watch_answers(
    project: Project, now: datetime, settings: MonitorSettings, version: str, artifact: Artifact
) -> tuple[list[Check], Rows]:
    hours = project.section("promotion", PromotionSettings).response_hours
    served = read_served(project, now, window_days=settings.window_days, response_hours=hours)
    own = (served["role"] == "champion") & (served["model_version"].astype(str) == version)
    counted = served["is_sent"].astype(bool) & served["is_mature"].astype(bool)
    checks, bins = check_calibration(
        served[own & counted],
        settings,
        np.random.default_rng(project.settings.seed),
        is_response=RESPONSE_FILE in artifact.files,
    )
    return [*checks, *check_roles(served, settings)], bins


def _read_present(project: Project, model: PromotionModel, now: datetime) -> pd.DataFrame:
    """Return the champion's features as of now, or of the end of the data where that is before."""
    with SliceReader(
        project,
        half_life_days=model.half_life_days,
        is_response_counted=model.is_response_activity,
    ) as reader:
        last = reader.read_span()[1]
        end = datetime.combine(last.date(), time()) + timedelta(days=1)
        return reader.read_profiles(min(end, to_utc(now)))


def _find_fitted(artifact: Artifact, as_of: datetime) -> datetime:
    """Return until when a promotion model learned; the manifest tells, else its profiles do."""
    stated = artifact.configuration.get("calibrated_on")
    return datetime.fromisoformat(stated).replace(tzinfo=UTC) if stated else as_of


def _watch_demand(project: Project, now: datetime, settings: MonitorSettings) -> list[Check]:
    try:
        current = read_pointer(project.workspace.published, "demand").directory
        units = tabulate_units(load_panel(project))
    except AlmanacError as error:
        return [_cannot("forecast", "sales", "demand", error)]
    units = units[units["date"] <= pd.Timestamp(to_utc(now))]
    checks: list[Check] = []
    for version, folder in list_versions(project.workspace.published).items():
        try:
            artifact = load_artifact(folder, "demand")
        except AlmanacError as error:
            checks.append(_cannot("forecast", f"v{version}", "demand", error))
            continue
        forecasts = pd.read_parquet(io.BytesIO(artifact.files[FORECASTS_FILE]))
        arrived = join_arrivals(version, forecasts, units)
        promised = promise_wape(read_promise(project, version), arrived)
        is_published = folder.name == current
        checks += check_forecasts(arrived, promised, settings, is_published=is_published)
        if is_published:
            checks += _judge_ages(forecasts, now, settings)
    return checks


def _judge_ages(forecasts: pd.DataFrame, now: datetime, settings: MonitorSettings) -> list[Check]:
    origin, last = (pd.to_datetime(forecasts[name]).max() for name in ("origin", "date"))
    knows_until = origin.to_pydatetime().replace(tzinfo=UTC) + timedelta(days=1)
    today: date = now.astimezone(UTC).date()
    return [
        check_horizon(origin.date(), last.date(), today),
        check_model("demand", knows_until, now, settings.max_model_age_days),
    ]


def _cannot(kind: str, subject: str, model: str, error: AlmanacError) -> Check:
    return Check(kind, subject, model, Verdict.UNKNOWN, f"it could not be looked at: {error}")
