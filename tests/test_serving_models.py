"""`GET /v1/models`: what is told of published versions, and of whatever of it is damaged."""

import json
import os

import pytest

from features.project import Workspace
from models.records import find_record
from serving import model_records
from serving.api import build_api
from serving.model_contract import Models
from serving.predictor import Predictor
from serving.settings import ServingSettings
from tests.conftest import NOW

EVIDENCE = {
    "format": 1,
    "model": "Almanac",
    "data_until": "2026-10-31",
    "scores": [],
    "gains": [],
    "coverage": [{"level": "all/all", "horizon": None, "nominal": 0.8, "measured": None, "n": 28}],
    "calibration": [],
    "importance": [],
    "notes": [],
}
GATE = {"name": "wape", "measured": 0.9, "bound": 1.0, "is_passed": True, "words": "WAPE: 0.9"}


def write_record(published, kind, version, **more):
    path = find_record(published, kind, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, "version": version, **more}))
    return path


@pytest.fixture
def workspace(tmp_path, publish_model, forecast_file) -> Workspace:
    workspace = Workspace(tmp_path)
    publish_model(workspace.published, "demand", {"forecasts.parquet": forecast_file})
    return workspace


@pytest.fixture
def ask(workspace, open_client):
    def ask(**settings):
        predictor = Predictor.load(workspace.published)
        limits = ServingSettings(is_request_logged=False, **settings)
        call = open_client(build_api(predictor, limits, clock=lambda: NOW, workspace=workspace))
        answer = call("GET", "/v1/models")
        assert answer.status_code == 200
        return Models.model_validate_json(answer.content)

    return ask


def test_an_old_artifact_is_told_of_without_evidence(ask):
    promotion, demand = ask().models
    assert (promotion.kind, promotion.champion, promotion.challenger) == ("promotion", None, None)
    assert demand.champion.version == "3"
    assert demand.champion.is_answering
    assert demand.champion.evidence is None
    assert demand.champion.gates == []
    assert demand.challenger is None


def test_a_champion_is_told_of_with_times_gates_evidence_and_a_link(ask, workspace):
    write_record(
        workspace.published, "demand", "3", registered="shop-demand", outcome="passed",
        trained_at="2026-11-01T10:00:00+00:00", judged_at="2026-11-01T11:00:00+00:00",
        gates=[GATE], evidence=EVIDENCE,
    )  # fmt: skip
    line = {"at": "2026-11-01T12:00:00+00:00", "version": "3", "action": "publish"}
    history = workspace.published / "demand" / "history.jsonl"
    history.write_text(f"{json.dumps(line)}\ncut sho")
    champion = ask(mlflow_url="http://ml.example:5000/").models[1].champion
    assert champion.gates[0].words == "WAPE: 0.9"
    assert champion.evidence.coverage[0].nominal == 0.8
    assert [at.hour for at in (champion.trained_at, champion.judged_at, champion.published_at)] == [
        10, 11, 12,
    ]  # fmt: skip
    assert champion.registry_url == "http://ml.example:5000/#/models/shop-demand/versions/3"


def test_what_was_trained_since_and_refused_is_the_challenger(ask, workspace):
    published = workspace.published
    write_record(published, "demand", "2", trained_at="2026-10-01T10:00:00Z", outcome="passed")
    write_record(published, "demand", "3", trained_at="2026-11-01T10:00:00Z", outcome="passed")
    write_record(published, "demand", "4", trained_at="2026-11-03T10:00:00Z", outcome="refused")
    challenger = ask().models[1].challenger
    assert (challenger.version, challenger.outcome) == ("4", "refused")
    assert not challenger.is_answering


def test_what_was_trained_before_the_champion_is_no_challenger(ask, workspace):
    published = workspace.published
    write_record(published, "demand", "2", trained_at="2026-10-01T10:00:00Z", outcome="refused")
    write_record(published, "demand", "3", trained_at="2026-11-01T10:00:00Z", outcome="passed")
    assert ask().models[1].challenger is None


def test_of_many_versions_few_are_read(ask, workspace, monkeypatch):
    published = workspace.published
    for version in range(4, 40):
        path = write_record(
            published, "demand", str(version), outcome="refused",
            trained_at=f"2026-11-03T10:00:{version}Z",
        )  # fmt: skip
        os.utime(path, (version, version))
    write_record(published, "demand", "3", trained_at="2026-11-01T10:00:00Z", outcome="passed")
    seen, read = [], model_records._read_json
    monkeypatch.setattr(model_records, "_read_json", lambda path: seen.append(path) or read(path))
    assert ask().models[1].challenger.version == "39"
    assert len(seen) < 15


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"evidence": 3, "gates": "x", "outcome": 1, "trained_at": "soon"}']
)
def test_a_damaged_record_is_no_failure(ask, workspace, content):
    write_record(workspace.published, "demand", "3").write_text(content)
    champion = ask().models[1].champion
    assert (champion.evidence, champion.outcome, champion.trained_at) == (None, None, None)


def test_what_the_monitor_found_is_told(ask, workspace):
    assert ask().monitor is None
    check = {
        "check": "drift/recency_days", "kind": "drift", "subject": "recency_days",
        "model": "promotion", "verdict": "alert", "reason": "It moved.", "n": 900, "value": 0.3,
        "baseline": None, "threshold": 0.1, "low": None, "high": None,
    }  # fmt: skip
    found = {
        "format": 1, "made_at": "2026-11-04T09:00:00+00:00", "verdict": "alert",
        "retraining": [{"model": "promotion", "because": "It moved."}], "checks": [check],
        "tables": {},
    }  # fmt: skip
    path = workspace.root / "monitor" / "monitor.json"
    path.parent.mkdir()
    path.write_text(json.dumps(found))
    monitor = ask().monitor
    assert monitor.verdict == "alert"
    assert monitor.retraining == ["promotion: It moved."]
    assert monitor.checks[0].value == 0.3
    path.write_text(json.dumps(found | {"checks": [{"kind": "drift"}]}))
    assert ask().monitor is None
