"""The shipped alert rules: whole, about metrics that exist, and firing when they should."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import serving
from features.project import Workspace
from serving.api import build_api
from serving.settings import ServingSettings
from tests.test_serving_metrics import CHECK, ERROR, NOW, WAPE, write_monitor

FOLDER = Path(serving.__file__).parent
RULES, TESTS = FOLDER / "alerts.yml", FOLDER / "alerts_test.yml"
OF_PROMETHEUS = {"up"}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool, of the package prometheus, is not installed"
)


@pytest.fixture(scope="module")
def rules() -> list[dict]:
    content = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


def test_every_rule_says_how_bad_it_is_what_it_means_and_what_to_do(rules):
    names = [rule["alert"] for rule in rules]
    assert len(set(names)) == len(names)
    assert all(name.startswith("Almanac") for name in names)
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "action"}
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]


def test_every_metric_of_a_rule_is_one_that_the_service_tells(
    rules, predictor, open_client, tmp_path
):
    write_monitor(tmp_path, CHECK, WAPE, {**ERROR, "value": 0.01})
    shutil.copytree(_find_published(predictor, tmp_path), tmp_path / "published")
    call = open_client(
        build_api(predictor, ServingSettings(), lambda: NOW, workspace=Workspace(tmp_path))
    )
    text = call("GET", "/metrics").text
    told: set[str] = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE):
        ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        told |= {f"{name}{end}" for end in ends}
    named = {
        name
        for rule in rules
        for name in re.findall(r"\b(almanac_\w+|up)\b", re.sub(r'"[^"]*"', "", rule["expr"]))
    }
    assert len(named) > 12
    assert named - OF_PROMETHEUS <= told


def _find_published(predictor, tmp_path: Path) -> Path:
    # Ages are of files; any published folder with these versions will do.
    folder = tmp_path / "made"
    for state in predictor.champions.states:
        place = folder / state.kind / f"v{state.model_version}-00000000"
        place.mkdir(parents=True)
        (place / "manifest.json").write_text("{}")
    return folder


def test_every_rule_has_a_test_that_it_fires_and_one_that_it_is_silent(rules):
    tests = yaml.safe_load(TESTS.read_text(encoding="utf-8"))["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    names = {rule["alert"] for rule in rules}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == names
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == names


@needs_promtool
@pytest.mark.parametrize("command", [("check", "rules"), ("test", "rules")])
def test_prometheus_takes_the_rules_and_they_do_as_their_tests_say(command):
    path = RULES if command[0] == "check" else TESTS
    done = subprocess.run(
        ["promtool", *command, path.name], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
