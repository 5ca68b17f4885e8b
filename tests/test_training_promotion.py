import io
import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from features.door.tables import build_tables
from features.errors import ArtifactError, NotEnoughData
from features.progress import Silent
from features.project import load_project
from models.receptivity.histories import Histories
from training.config import PromotionSettings
from training.promotion.half_life import CANDIDATES
from training.promotion.steps import (
    PromotionModel,
    SliceReader,
    backtest_promotion,
    fit_promotion,
)

PROJECT = """
[project]
name = "shop"
time_zone = "Europe/Berlin"

[tables.events]
path = "orders.csv"
naive_time_zone = "Europe/Berlin"
columns = { customer_id = "customer", occurred_at = "timestamp" }

[promotion]
folds = 2
half_life_days = 120
lightgbm = { rounds = 20, leaves = 7, min_rows_in_leaf = 20 }
"""


class Recorder(Silent):
    """Keeps what it is told."""

    def __init__(self):
        self.said = []

    def say(self, message):
        self.said.append(message)


def draw_orders(n_customers, n_days, per_week=2.0, seed=1):
    """Orders at each customer's favourite local hour, give or take one, on any day."""
    rng = np.random.default_rng(seed)
    customers = np.repeat(np.arange(n_customers), rng.poisson(per_week * n_days / 7, n_customers))
    favourite = rng.integers(8, 21, n_customers)
    days = rng.integers(0, n_days, len(customers))
    hours = favourite[customers] + rng.integers(-1, 2, len(customers))
    moments = pd.Timestamp("2024-01-01") + pd.to_timedelta(days, "D") + pd.to_timedelta(hours, "h")
    table = pd.DataFrame({"customer": customers, "timestamp": moments})
    table["customer"] = "c" + table["customer"].astype(str).str.zfill(4)
    return table.sort_values(["timestamp", "customer"], ignore_index=True)


def make_project(folder, orders, text=PROJECT):
    folder.mkdir(exist_ok=True)
    orders.to_csv(folder / "orders.csv", index=False)
    (folder / "almanac.toml").write_text(text, encoding="utf-8")
    project = load_project(folder / "almanac.toml")
    build_tables(project, Silent())
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("shop") / "a", draw_orders(200, 200))


@pytest.fixture(scope="module")
def backtest(project):
    return backtest_promotion(project, Silent())


@pytest.fixture(scope="module")
def trained(project):
    return fit_promotion(project, None, Silent())


def test_every_model_is_scored_on_the_same_customers_and_weeks(backtest):
    folds = backtest.folds

    assert backtest.scores["model"].tolist() == [
        "best_global_hour",
        "customer_histogram",
        "empirical_bayes",
        "lightgbm",
    ]
    assert (folds.groupby("fold")[["customers", "activity"]].nunique() == 1).all(axis=None)
    assert (folds["fit"] + timedelta(days=28) == folds["calibration"]).all()
    assert (folds["calibration"] + timedelta(days=28) == folds["test"]).all()
    # the last whole UTC day ends at the midnight that starts the day of the last order
    assert folds["test"].max() == pd.Timestamp("2024-07-18") - timedelta(days=28)
    assert backtest.notes == ()


def test_habits_are_found_and_the_gain_is_certain(backtest):
    scores = backtest.scores.set_index("model")
    gains = backtest.gains.set_index(["model", "baseline"])

    assert scores.loc["empirical_bayes", "hour_hit"] > 0.25  # one in three at best
    assert scores.loc["best_global_hour", "hour_hit"] < 0.15
    assert gains.loc[("empirical_bayes", "best_global_hour"), "low"] > 0
    assert gains.loc[("empirical_bayes", "customer_histogram"), "low"] > 0
    assert len(gains) == 6
    assert (scores["calibration_error"] < 0.01).all()


def test_scores_over_folds_weigh_each_fold_by_what_it_holds(backtest):
    one = backtest.folds[backtest.folds["model"] == "empirical_bayes"]
    total = backtest.scores.set_index("model").loc["empirical_bayes"]

    assert total["log_loss"] == pytest.approx(
        sum(one["log_loss"] * one["customers"]) / sum(one["customers"])
    )
    assert total["hour_hit"] == pytest.approx(
        sum(one["hour_hit"] * one["activity"]) / sum(one["activity"])
    )
    assert total["activity"] == one["activity"].sum()
    assert total["folds"] == 2


def test_the_evidence_is_tables(backtest):
    tables = backtest.tables()

    assert {"scores", "folds", "reliability", "gains", "importance", "half_life"} == set(tables)
    assert set(tables["reliability"]["fold"]) == {1, 2}
    assert tables["importance"]["gain"].sum() == pytest.approx(1.0)


def test_lightgbm_is_best_only_where_its_gain_is_certain(backtest):
    over_chain = backtest.gains.set_index(["model", "baseline"]).loc[
        ("lightgbm", "empirical_bayes")
    ]

    assert backtest.best == ("lightgbm" if over_chain["low"] > 0 else "empirical_bayes")


def test_the_artifact_has_the_published_files(trained):
    files = trained.to_files()

    assert set(files) == {"send_time.json", "level.txt", "profiles.parquet", "profiles.json"}
    assert json.loads(files["profiles.json"]) == {
        "as_of": "2024-07-19T00:00:00Z",
        "time_zone": "Europe/Berlin",
        "half_life_days": trained.configuration["parameters"]["half_life_days"],
        "is_response_activity": False,
    }
    profiles = pd.read_parquet(io.BytesIO(files["profiles.parquet"]))
    assert profiles["customer_id"].is_monotonic_increasing
    assert len(profiles) == 200
    assert trained.configuration["model"] == "lightgbm"


def test_files_make_the_same_answers_bit_by_bit(trained):
    again = PromotionModel.from_files(trained.to_files())

    before = trained.model.predict(Histories.from_table(trained.profiles))
    after = again.model.predict(Histories.from_table(again.profiles))

    assert np.array_equal(before, after)
    assert (again.as_of, again.time_zone) == (trained.as_of, trained.time_zone)


def test_the_best_hour_of_a_customer_is_their_favourite(project, trained):
    orders = pd.read_csv(project.path.parent / "orders.csv", parse_dates=["timestamp"])
    usual = orders.groupby("customer")["timestamp"].agg(lambda t: t.dt.hour.mean())
    share = trained.model.predict(Histories.from_table(trained.profiles))
    hours = share.reshape(-1, 7, 24).sum(axis=1).argmax(axis=1)

    ids = trained.profiles["customer_id"]
    assert (abs(hours - usual[ids].to_numpy()) <= 1).mean() > 0.95


def test_the_same_data_and_seed_give_the_same_bytes(tmp_path, trained):
    again = make_project(tmp_path / "b", draw_orders(200, 200))

    assert fit_promotion(again, None, Silent()).to_files() == trained.to_files()


def test_what_happens_after_the_cut_off_changes_nothing(tmp_path, project):
    cutoff = datetime.fromisoformat("2024-06-01")
    orders = draw_orders(200, 200)
    local = orders["timestamp"].dt.tz_localize("Europe/Berlin")
    is_known = (local < pd.Timestamp(cutoff, tz="UTC")).to_numpy()
    cut = make_project(tmp_path / "cut", orders[is_known])

    assert 0 < is_known.mean() < 1
    assert (
        fit_promotion(project, cutoff, Silent()).to_files()
        == fit_promotion(cut, cutoff, Silent()).to_files()
    )


def test_a_shared_reader_reads_each_cut_off_once(project, backtest, trained):
    with SliceReader(project, half_life_days=120.0) as reader:
        again = backtest_promotion(project, Silent(), reader=reader)
        before = dict(reader._slices)
        model = fit_promotion(project, None, Silent(), reader=reader)
        assert reader._slices.keys() == before.keys()

    pd.testing.assert_frame_equal(again.scores, backtest.scores)
    pd.testing.assert_frame_equal(again.gains, backtest.gains)
    assert model.to_files() == trained.to_files()


def test_a_short_history_means_fewer_folds_and_says_so(tmp_path):
    watcher = Recorder()
    project = make_project(tmp_path / "short", draw_orders(60, 75, per_week=3))

    backtest = backtest_promotion(project, watcher)

    assert len(set(backtest.folds["fold"])) == 2
    assert watcher.said[0].startswith("promotion: label windows of 14 instead of 28 days")
    assert len(backtest.notes) == 1


def test_200_customers_with_10_orders_each_get_send_times(tmp_path):
    orders = draw_orders(200, 90, per_week=10 / (90 / 7), seed=3)
    text = PROJECT.split("[promotion]")[0]
    project = make_project(tmp_path / "minimal", orders, text)

    backtest = backtest_promotion(project, Silent())
    model = fit_promotion(project, None, Silent(), model=backtest.best)

    histories = Histories.from_table(model.profiles)
    probability = model.model.predict(histories)
    assert ((probability > 0) & (probability < 1)).all()
    gains = backtest.gains.set_index(["model", "baseline"])
    assert gains.loc[("empirical_bayes", "best_global_hour"), "low"] > 0


def test_a_handful_of_customers_gets_honest_send_times(tmp_path):
    project = make_project(tmp_path / "tiny", draw_orders(4, 120, per_week=3, seed=4))

    model = fit_promotion(project, None, Silent())

    assert set(model.to_files()) == {"send_time.json", "profiles.parquet", "profiles.json"}
    histories = Histories.from_table(model.profiles)
    assert model.model.explain(histories)["evidence"].tolist() == ["own history"] * 4
    newcomer = Histories.unknown(["new"])
    assert model.model.explain(newcomer)["evidence"].tolist() == ["global"]
    assert ((model.model.predict(newcomer) > 0) & (model.model.predict(newcomer) < 1)).all()


def test_too_short_a_history_is_refused_with_what_is_needed(tmp_path):
    project = make_project(tmp_path / "weeks", draw_orders(20, 20))

    for run in (
        lambda: backtest_promotion(project, Silent()),
        lambda: fit_promotion(project, None, Silent()),
    ):
        with pytest.raises(NotEnoughData, match="at least 28 days"):
            run()


def test_an_order_in_the_far_future_is_named_as_the_reason(tmp_path):
    orders = draw_orders(20, 120)
    orders.loc[len(orders)] = ["c0001", pd.Timestamp("2030-01-01 10:00")]
    project = make_project(tmp_path / "future", orders)

    with pytest.raises(NotEnoughData, match="timestamps in the future"):
        fit_promotion(project, None, Silent())


def test_an_artifact_without_its_profiles_is_refused(trained):
    files = trained.to_files()
    del files["profiles.parquet"]
    with pytest.raises(ArtifactError, match="profiles"):
        PromotionModel.from_files(files)


UNSET = PromotionSettings(folds=2).model_copy(update={"half_life_days": None})


def move_habits(orders, day):
    """From a day on everybody orders seven hours later in the day, or that much earlier."""
    hours = orders["timestamp"].dt.hour
    moved = (hours - 8 + 7) % 14 + 8 - hours
    after = orders["timestamp"] >= pd.Timestamp("2024-01-01") + pd.Timedelta(days=day)
    times = orders["timestamp"] + pd.to_timedelta(moved.where(after, 0), "h")
    return orders.assign(timestamp=times)


def test_habits_that_moved_are_forgotten_fast_and_steady_ones_are_kept(tmp_path):
    steady = draw_orders(150, 260, per_week=3, seed=6)
    moved = move_habits(steady, 120)  # 84 days before the first test window, 56 before the judge
    chosen = {}
    for name, orders in (("steady", steady), ("moved", moved)):
        project = make_project(tmp_path / name, orders)
        with SliceReader(project, half_life_days=None) as reader:
            backtest = backtest_promotion(project, Silent(), settings=UNSET, reader=reader)
            model = fit_promotion(project, None, Silent(), settings=UNSET, reader=reader)
        table = backtest.half_life
        assert tuple(table["half_life_days"]) == CANDIDATES
        assert table["log_loss"][table["is_chosen"]].item() == table["log_loss"].min()
        chosen[name] = table["half_life_days"][table["is_chosen"]].item()
        assert model.model.half_life_days == chosen[name]
        (note,) = backtest.notes
        assert note.startswith(f"habits count half after {chosen[name]:g} days")
        assert note in model.configuration["notes"]

    assert chosen["moved"] <= 60
    assert chosen["steady"] >= 240


def test_a_half_life_that_was_set_is_kept_without_a_search(backtest):
    assert backtest.half_life["half_life_days"].tolist() == [120.0]
    assert backtest.half_life["log_loss"].isna().all()


@pytest.mark.slow
def test_no_test_week_has_a_say_in_the_half_life(tmp_path):
    orders = draw_orders(80, 200, per_week=3, seed=8)
    early = pd.Timestamp("2024-01-01") + pd.Timedelta(days=200 - 2 * 28 - 1)
    later = orders[orders["timestamp"] >= early]
    changed = pd.concat([orders[orders["timestamp"] < early], move_habits(later, 0)])
    tables = [
        backtest_promotion(
            make_project(tmp_path / name, table.sort_values(["timestamp", "customer"])),
            Silent(),
            settings=UNSET,
        ).half_life
        for name, table in (("a", orders), ("b", changed))
    ]
    pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(("kind", "counts"), [("page_view", False), ("open", True)])
def test_opens_count_only_where_there_is_nothing_else(tmp_path, kind, counts):
    orders = draw_orders(30, 120, per_week=3, seed=9)
    text = PROJECT.replace('"timestamp" }', '"timestamp", type = "kind" }')
    project = make_project(tmp_path / kind, orders.assign(kind=kind), text)

    with SliceReader(project, half_life_days=120.0) as reader:
        histories, _ = reader.read_slice(datetime.fromisoformat("2024-03-01"), 4)

    assert len(histories) == 30
    assert any("opens and clicks count" in note for note in reader.notes) is counts


def test_opens_beside_orders_are_left_out_unless_a_project_says_so(tmp_path):
    orders = draw_orders(30, 120, per_week=3, seed=9)
    kinds = np.where(np.arange(len(orders)) % 2, "order", "open")
    text = PROJECT.replace('"timestamp" }', '"timestamp", type = "kind" }')
    project = make_project(tmp_path / "both", orders.assign(kind=kinds), text)
    counted = []
    for is_counted in (False, True):
        with SliceReader(project, half_life_days=120.0, is_response_counted=is_counted) as reader:
            profiles = reader.read_profiles(datetime.fromisoformat("2024-06-01"))
        counted.append(profiles["active_count"].sum())
    assert counted == [(kinds == "order").sum(), len(orders)]
