from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.progress import Silent
from models.demand.members import forecast_members
from models.demand.model import DemandModel
from models.demand.quantiles import QUANTILE_NAMES
from models.demand.storage import align_calibration, pack, unpack
from tests.sales_tables import make_sales, write_project
from training.demand.steps import fit_demand, forecast_demand, load_panel

SETTINGS = """
horizon_days = 7
origins = 3
use_prophet = false
lightgbm = { rounds = 6, leaves = 7 }
"""


@pytest.fixture(scope="module")
def sales():
    made = make_sales(regions=2, products=2, periods=80)
    return made[["region_id", "product_id", "date", "units"]]


@pytest.fixture(scope="module")
def project(sales, tmp_path_factory):
    return write_project(tmp_path_factory.mktemp("kept"), sales, SETTINGS)


@pytest.fixture(scope="module")
def model(project) -> DemandModel:
    return fit_demand(project, Silent())


def flat(value) -> list:
    """Every number and word of a calibration, in order."""
    if hasattr(value, "__dataclass_fields__"):
        return [item for name in value.__dataclass_fields__ for item in flat(getattr(value, name))]
    if hasattr(value, "items"):
        return [item for name in sorted(value) for item in (name, *flat(value[name]))]
    if isinstance(value, np.ndarray):
        return [value.shape, *value.ravel().tolist()]
    if isinstance(value, (tuple, list)):
        return [item for part in value for item in flat(part)]
    return [value]


def test_a_calibration_comes_back_to_the_last_bit(model):
    files = pack(model.calibration, model.keys)
    calibration, keys = unpack(files)
    assert pack(calibration, keys) == files
    pd.testing.assert_frame_equal(keys.series, model.keys.series, check_dtype=False)
    pd.testing.assert_frame_equal(keys.nodes, model.keys.nodes, check_dtype=False)
    for name in ("series_weights", "node_weights", "typical", "marginals", "shocks", "losses"):
        assert flat(getattr(calibration, name)) == flat(getattr(model.calibration, name)), name
    np.testing.assert_array_equal(calibration.errors.variance, model.calibration.errors.variance)


def test_forecasts_come_back_to_the_last_bit(project, model):
    again = DemandModel.from_files(model.to_files())
    pd.testing.assert_frame_equal(
        forecast_demand(project, again), forecast_demand(project, model), check_exact=True
    )


def test_the_same_panel_needs_no_alignment(project, model):
    panel = load_panel(project)
    members = forecast_members(panel, model.fitted, panel.origin_period, 7)
    assert align_calibration(model.calibration, model.keys, panel, members) is model.calibration
    calibration, keys = unpack(pack(model.calibration, model.keys))
    assert align_calibration(calibration, keys, panel, members) is calibration


@pytest.fixture(scope="module")
def grown(sales, tmp_path_factory):
    """The same series and one more, in front of them, with twice the sales of r0 / p0."""
    more = sales[(sales["region_id"] == "r0") & (sales["product_id"] == "p0")]
    more = more.assign(region_id="a", units=2 * more["units"])
    both = pd.concat([sales, more], ignore_index=True)
    return write_project(tmp_path_factory.mktemp("grown"), both, SETTINGS)


def test_one_more_series_has_the_usual_relation_of_error_to_spread(model, grown):
    panel = load_panel(grown)
    members = forecast_members(panel, model.fitted, panel.origin_period, 7)
    found = align_calibration(model.calibration, model.keys, panel, members)
    assert panel.series["region_id"].iloc[0] == "a"
    np.testing.assert_array_equal(found.typical[1:], model.calibration.typical)
    relation = np.median(model.calibration.typical / members.spread[1:])
    assert found.typical[0] == pytest.approx(relation * members.spread[0])
    nodes = members.nodes.table
    known = nodes.merge(
        model.keys.nodes.assign(variance=model.calibration.errors.variance),
        on=["level", "region_id", "product_id"],
        how="left",
    )["variance"].to_numpy()
    there = np.isfinite(known)
    np.testing.assert_array_equal(found.errors.variance[there], known[there])
    assert (found.errors.variance > 0).all()
    assert np.isfinite(found.errors.errors).all()
    assert (~there).sum() == 2  # a / p0 and all of a


def test_a_model_forecasts_a_series_it_was_not_calibrated_on(model, grown):
    table = forecast_demand(grown, model)
    new = table[table["region_id"] == "a"]
    assert len(new) == 2 * 7
    assert np.isfinite(table[["mean", *QUANTILE_NAMES]].to_numpy()).all()
    sums = table.groupby(["date", "level"])["mean"].sum().unstack()
    for level in sums:
        np.testing.assert_allclose(sums[level], sums["all/all"])
    assert timedelta(0) < table["date"].max() - table["origin"].max() == timedelta(days=7)
