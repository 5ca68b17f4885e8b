import shutil
from datetime import UTC, datetime

import pytest

from features.errors import NotTrained
from serving.champions import load_champions
from serving.predictor import Predictor
from serving.send_times import SendTimeQuery, default_window
from training.promotion.model import PromotionModel


@pytest.fixture
def workspace(published, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(published, tmp_path / "published")


def states(champions) -> dict[str, str]:
    return {state.kind: state.state for state in champions.states}


def test_both_kinds_are_loaded(published):
    champions = load_champions(published)
    assert champions.is_ready
    assert states(champions) == {"promotion": "loaded", "demand": "loaded"}
    assert champions.promotion.version == champions.demand.version == "3"


def test_what_was_never_published_is_no_fault_unless_it_is_required(workspace):
    shutil.rmtree(workspace / "demand")
    champions = load_champions(workspace)
    assert champions.is_ready
    assert champions.demand is None
    assert states(champions) == {"promotion": "loaded", "demand": "not-published"}
    assert "almanac promote demand" in champions.states[1].reason
    assert not load_champions(workspace, required=["demand"]).is_ready


def test_nothing_published_is_not_ready(tmp_path):
    assert not load_champions(tmp_path).is_ready


@pytest.mark.parametrize("name", ["forecasts.parquet", "manifest.json"])
def test_a_damaged_model_is_refused_whole_and_the_other_answers(workspace, name):
    path = workspace / "demand" / "three" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    champions = load_champions(workspace)
    assert not champions.is_ready
    assert champions.demand is None
    assert champions.promotion is not None
    assert champions.states[1].state == "refused"
    assert champions.states[1].reason


def test_a_model_without_its_profiles_is_refused(workspace):
    (workspace / "promotion" / "three" / "profiles.json").unlink()
    champions = load_champions(workspace)
    assert (champions.promotion, champions.states[0].state) == (None, "refused")


def test_asking_what_is_not_loaded_says_so(tmp_path):
    predictor = Predictor.load(tmp_path)
    with pytest.raises(NotTrained, match="no demand model"):
        _ = predictor.demand
    with pytest.raises(NotTrained, match="no send-time model"):
        predictor.send_times(SendTimeQuery([], None, None, (), None, 1, False))


def test_what_training_writes_is_what_serving_reads(
    publish_model, send_time_model, customer_table, tmp_path
):
    as_of = datetime(2026, 11, 1, tzinfo=UTC).replace(tzinfo=None)  # in UTC, as tables hold it
    model = PromotionModel(send_time_model, customer_table, as_of, "Asia/Tokyo")
    publish_model(tmp_path, "promotion", model.to_files())
    champion = load_champions(tmp_path).promotion
    assert len(champion.model.profiles) == len(customer_table)
    assert champion.model.profiles.as_of == datetime(2026, 11, 1, tzinfo=UTC)
    (answer,) = champion.model.answer(
        SendTimeQuery(
            ["nobody"],
            *default_window(datetime(2026, 11, 4, tzinfo=UTC)),
            ("email",),
            None,
            1,
            False,
        )
    )
    assert answer.time_zone == "Asia/Tokyo"
