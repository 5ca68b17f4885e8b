"""What the README shows loads, builds, and is there to be run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from typer.core import TyperGroup
from typer.main import get_command

import almanac
from features.door.tables import build_tables
from features.progress import Silent
from features.project import load_project
from features.segment.reasons import Reason
from serving.campaigns.settings import CampaignSettings
from serving.customers.settings import CustomersSettings
from training.config import DemandSettings, PromotionSettings, StockSettings

README = Path(__file__).parents[1] / "README.md"

SALES = """Filiale,Artikel,Datum,Menge,Preis,Listenpreis,Aktion,Bestand,Geplant,Ferien,Temperatur
Nord,Brot,2025-01-01,4,2.5,2.5,0,10,,1,3.5
Nord,Brot,2025-01-02,-1,2.5,2.5,0,11,,1,2.0
Nord,Brot,2025-01-03,,2.0,2.5,1,,2024-12-20,0,
"""


def find_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_project_file_loads_and_builds(tmp_path):
    (text,) = find_blocks("toml")
    (tmp_path / "almanac.toml").write_text(text, encoding="utf-8")
    (tmp_path / "my_sales.csv").write_text(SALES, encoding="utf-8")
    project = load_project(tmp_path / "almanac.toml")
    assert project.section("demand", DemandSettings).known_ahead[-1] == "school_holiday"
    assert project.section("stock", StockSettings).pack_size == 6
    promotion, campaign = PromotionSettings(), CampaignSettings()
    shown = project.section("promotion", PromotionSettings)
    assert (shown.response_hours, shown.gates, shown.offers) == (
        promotion.response_hours, promotion.gates, promotion.offers,
    )  # fmt: skip
    kept = project.section("campaign", CampaignSettings)
    written = {"hourly_capacity", "message_cost"}
    assert kept.model_dump(exclude=written) == campaign.model_dump(exclude=written)
    customers, known = project.section("customers", CustomersSettings), CustomersSettings()
    assert customers.identity.blocked
    assert customers.model_dump(exclude={"identity"}) == known.model_dump(exclude={"identity"})
    assert customers.identity.rules().clean("phone", "+49 30 123456") is None
    built = build_tables(project, Silent())
    sales = pd.read_parquet(built["sales"].path)
    assert sales["units"].fillna(-9).tolist() == [4, 0, -9]
    assert sales["returned_units"].tolist()[1] == 1
    assert sales["temperature"].tolist()[:2] == [3.5, 2.0]


@pytest.mark.parametrize("key", ["origins", "horizon_days", "dead_after_days", "prophet_nodes"])
def test_settings_shown_are_the_defaults(key):
    (text,) = find_blocks("toml")
    shown = re.search(rf"^{key} = (\d+)", text, re.MULTILINE)
    assert shown
    assert int(shown[1]) == getattr(DemandSettings(), key)


def test_commands_and_options_are_there():
    commands = get_command(almanac.app).commands
    shown = re.findall(r"^\$? ?almanac ([a-z][\w-]*)(.*)$", "\n".join(
        find_blocks("sh") + find_blocks("console")), re.MULTILINE)  # fmt: skip
    names = {name for name, _ in shown}
    assert {"why", "what-if", "stock", "forecast", "serve", "plan-campaign"} <= names
    for name, rest in shown:
        command = commands[name]
        if isinstance(command, TyperGroup):
            command = command.commands[rest.split()[0]]
        options = {word for option in command.params for word in option.opts}
        assert set(re.findall(r"--[\w-]+", rest.partition("#")[0])) <= options, name


def test_answers_are_json_and_reasons_sum_to_the_mean():
    answers = [json.loads(block) for block in find_blocks("json")]
    assert len(answers) == 7
    (rejected,) = answers.pop(0)["rejected"]
    assert rejected["reason"] in set(Reason)
    slot = answers[0]["customers"][0]["slots"][0]
    assert slot["low"] <= slot["probability"] <= slot["high"]
    row = answers[1]["forecasts"][0]
    assert sum(row["reasons"].values()) == pytest.approx(row["mean"], abs=0.03)
