"""Golden rows: a model that answers otherwise than when it was made is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError
from models.golden.check import add_golden, check_golden
from models.golden.demand import check_demand_golden
from models.golden.document import GOLDEN_FILE, as_plain, check_close
from models.receptivity.histories import Histories
from models.receptivity.send_time import load_send_time
from serving.champions import load_champions


@pytest.fixture(scope="module")
def promotion(send_time_model, profile_files) -> dict[str, bytes]:
    return add_golden("promotion", {**send_time_model.to_files(), **profile_files})


@pytest.fixture(scope="module")
def demand(forecast_file) -> dict[str, bytes]:
    return add_golden("demand", {"forecasts.parquet": forecast_file})


def change(files: dict[str, bytes], name: str, edit) -> dict[str, bytes]:
    document = json.loads(files[name])
    edit(document)
    return {**files, name: json.dumps(document).encode()}


def test_a_model_answers_its_own_golden_rows(promotion, demand):
    assert check_golden("promotion", promotion)
    assert check_golden("demand", demand)


def test_golden_rows_are_what_the_model_answers_to_people_who_are_nobody(promotion, customer_table):
    document = json.loads(promotion[GOLDEN_FILE])
    names = {customer["customer_id"] for customer in document["customers"]}
    assert not names & set(customer_table["customer_id"])
    histories = Histories.from_table(pd.DataFrame(document["customers"]))
    answers = load_send_time(promotion).predict(histories)
    np.testing.assert_array_equal(answers, document["answers"]["activity"])
    assert len(np.unique(answers)) > 100  # they tell models apart


def test_equal_models_have_equal_golden_rows(promotion):
    own = {name: content for name, content in promotion.items() if name != GOLDEN_FILE}
    assert add_golden("promotion", own) == promotion


def test_without_golden_rows_nothing_is_proven(promotion):
    own = {name: content for name, content in promotion.items() if name != GOLDEN_FILE}
    assert not check_golden("promotion", own)
    assert add_golden("demand", {"else": b""}) == {"else": b""}


@pytest.mark.parametrize("shift", [2e-9, 0.1])
def test_another_answer_is_refused(promotion, shift):
    def edit(document):
        document["answers"]["activity"][3][20] += shift * (1 + 1e-6)

    with pytest.raises(ArtifactError, match=r"golden rows: activity: .* answers otherwise"):
        check_golden("promotion", change(promotion, GOLDEN_FILE, edit))


def test_a_billionth_is_let_through(promotion):
    def edit(document):
        document["answers"]["activity"][3][20] += 5e-10

    assert check_golden("promotion", change(promotion, GOLDEN_FILE, edit))


def test_a_changed_model_is_refused(promotion):
    def edit(document):
        document["fitted"]["level"] = json.loads(
            json.dumps(document["fitted"]["level"]), parse_float=lambda text: float(text) * 1.001
        )

    with pytest.raises(ArtifactError, match=r"golden rows|not a send-time model"):
        check_golden("promotion", change(promotion, "send_time.json", edit))


def test_a_changed_forecast_is_refused_by_whoever_looks_it_up(demand):
    golden = json.loads(demand[GOLDEN_FILE])
    with pytest.raises(ArtifactError, match="forecasts"):
        check_demand_golden(demand, lambda row, _: [0.0, *golden["quantiles"]])

    def lose(row, _):
        raise KeyError(row["region_id"])

    with pytest.raises(ArtifactError, match="cannot be looked up"):
        check_demand_golden(demand, lose)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 9}'])
def test_a_damaged_file_is_refused(promotion, content):
    with pytest.raises(ArtifactError, match="golden"):
        check_golden("promotion", {**promotion, GOLDEN_FILE: content})


def test_missing_values_are_equal_only_to_missing_values():
    plain = as_plain([[1.0, np.nan]])
    assert plain == [[1.0, None]]
    check_close("x", plain, np.array([[1.0, np.nan]]))
    with pytest.raises(ArtifactError, match="otherwise"):
        check_close("x", plain, np.array([[1.0, 0.0]]))
    with pytest.raises(ArtifactError, match="expected"):
        check_close("x", plain, np.array([[1.0]]))


def test_the_service_tells_what_is_proven(publish_model, promotion, demand, tmp_path):
    publish_model(tmp_path, "promotion", promotion)
    publish_model(tmp_path, "demand", {"forecasts.parquet": demand["forecasts.parquet"]})
    states = load_champions(tmp_path).states
    assert [(state.state, state.proof) for state in states] == [
        ("loaded", "proven"),
        ("loaded", "unproven"),
    ]


@pytest.mark.parametrize("kind", ["promotion", "demand"])
def test_the_service_refuses_what_answers_otherwise(
    publish_model, promotion, demand, kind, tmp_path
):
    def edit(document):
        answers = document["answers"]
        (answers["activity"] if kind == "promotion" else answers)[0][0] += 0.01

    files = promotion if kind == "promotion" else demand
    publish_model(tmp_path, kind, change(files, GOLDEN_FILE, edit))
    state = load_champions(tmp_path).state(kind)
    assert (state.state, state.refused_version, state.model_version) == ("refused", "3", None)
    assert "golden rows" in state.reason
