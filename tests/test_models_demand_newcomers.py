from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.progress import Silent
from models.demand.coherent import make_coherent
from models.demand.marginals import find_deviation
from models.demand.members import forecast_members
from models.demand.newcomers import add_newcomers, find_siblings
from models.demand.quantiles import QUANTILE_NAMES
from models.demand.storage import align_calibration
from tests.sales_tables import make_sales, write_project
from training.demand.steps import fit_demand, load_panel

SETTINGS = """
horizon_days = 7
origins = 2
use_prophet = false
known_ahead = ["price"]
lightgbm = { rounds = 6, leaves = 7 }
"""
REGIONS = pd.DataFrame(
    [("r0", "north", "store"), ("r1", "north", "store"), ("r2", "south", "store"),
     ("new", "north", "store"), ("north", "all", "area"), ("south", "all", "area")],
    columns=["region_id", "parent_id", "level"],
)  # fmt: skip
DAYS = 90


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Six series, of which r2 / p1 is two weeks old; `new` opens three days after the origin."""
    sales = make_sales(regions=3, products=2, periods=DAYS).drop(columns="base_price")
    last = sales["date"].max()
    young = (sales["region_id"] == "r2") & (sales["product_id"] == "p1")
    sales = sales[~young | (sales["date"] > last - timedelta(days=14))]
    plan = pd.DataFrame(
        {
            "region_id": "new",
            "product_id": "p0",
            "date": [last + timedelta(days=day) for day in range(3, 8)],
            "units": np.nan,
            "price": 2.0,
        }
    )
    project = write_project(
        tmp_path_factory.mktemp("new"),
        pd.concat([sales, plan], ignore_index=True),
        SETTINGS,
        regions=REGIONS,
    )
    model = fit_demand(project, Silent())
    panel = load_panel(project)
    members = forecast_members(panel, model.fitted, panel.origin_period, 7)
    calibration = align_calibration(model.calibration, model.keys, panel, members)
    made = make_coherent(members, calibration)
    return panel, model, made, add_newcomers(panel, made)


def place_of(panel, region, product):
    ids = panel.series[["region_id", "product_id"]].to_numpy().tolist()
    return ids.index([region, product])


def test_an_unseen_region_gets_its_siblings_pattern_from_its_first_day(case):
    panel, _, _, (made, newcomers) = case
    assert panel.unseen["region_id"].tolist() == ["new"]
    siblings = [place_of(panel, region, "p0") for region in ("r0", "r1")]
    np.testing.assert_allclose(made.mean[-1, 2:], made.mean[siblings, 2:].mean(axis=0))
    assert (made.mean[-1, :2] == 0).all()
    assert (made.knots[-1, :2] == 0).all()
    assert newcomers.words[len(panel.series)] == "the pattern of p0 in north"
    assert newcomers.own_share[-1] == 0.0


def test_an_unseen_region_may_turn_out_like_any_sibling(case):
    panel, _, _, (made, _) = case
    siblings = [place_of(panel, region, "p0") for region in ("r0", "r1")]
    own, low, high = (made.knots[place, 3] for place in (-1, *siblings))
    # A mixture lies between its parts and is as wide as both and the gap between them.
    assert (own >= np.minimum(low, high) - 0.1).all()
    assert (own <= np.maximum(low, high) + 0.1).all()
    within = np.mean([find_deviation(part[None].astype(float))[0] ** 2 for part in (low, high)])
    gap = np.ptp(made.mean[siblings, 3]) / 2
    wide = find_deviation(own[None].astype(float))[0]
    assert wide == pytest.approx(np.sqrt(within + gap**2), rel=0.1)


def test_a_young_series_is_pulled_to_its_siblings_by_its_age(case):
    panel, _, before, (after, newcomers) = case
    place = place_of(panel, "r2", "p1")
    siblings, whose = find_siblings(panel, "r2", "p1", newcomers.own_share[:-1] >= 1)
    assert whose == "the pattern of p1 in all regions"
    assert newcomers.own_share[place] == 14 / 56
    expected = 0.25 * before.mean[place] + 0.75 * before.mean[siblings].mean(axis=0)
    np.testing.assert_allclose(after.mean[place], expected)


def test_old_series_are_left_alone(case):
    _, _, before, (after, newcomers) = case
    old = np.flatnonzero(newcomers.own_share[:-1] == 1)
    assert len(old) == 5
    np.testing.assert_array_equal(after.mean[old], before.mean[old])
    np.testing.assert_array_equal(after.knots[old], before.knots[old])
    assert before.mean.shape == (6, 7)


def test_published_sums_stay_coherent_and_say_whose_pattern_it_is(case):
    panel, model, _, _ = case
    table = model.forecast(panel)
    sums = table.groupby(["date", "level"])["mean"].sum().unstack()
    for level in sums:
        np.testing.assert_allclose(sums[level], sums["all/all"])
    new = table.query("region_id == 'new' and product_id == 'p0'")
    assert (new["evidence"] == "no own history: the pattern of p0 in north").all()
    assert (new.iloc[:2][list(QUANTILE_NAMES)].to_numpy() == 0).all()
    young = table.query("region_id == 'r2' and product_id == 'p1'")["evidence"].iloc[0]
    assert young == "14 days of own history, 75% the pattern of p1 in all regions"


def test_siblings_are_sought_further_and_further_away(case):
    panel, *_ = case
    old = np.ones(6, bool)
    assert find_siblings(panel, "r1", "p0", old)[1] == "the pattern of p0 in north"
    # An unknown region's parent is the root, so only the product tells.
    assert find_siblings(panel, "r9", "p0", old)[1] == "the pattern of p0 in all regions"
    assert find_siblings(panel, "r2", "p9", old)[1] == "the pattern of all in r2"
    assert find_siblings(panel, "r9", "p9", old)[1] == "the pattern of all series"
    found, whose = find_siblings(panel, "r1", "p0", np.zeros(6, bool))
    assert (len(found), whose) == (0, "")


def test_without_old_series_nothing_is_guessed(case):
    panel, _, made, _ = case
    late = panel.series.assign(first_period=panel.origin_period - 3)
    young = dataclasses.replace(panel, series=late)
    after, newcomers = add_newcomers(young, made)
    np.testing.assert_array_equal(after.mean[:6], made.mean)
    assert (after.mean[6:] == 0).all()
    assert newcomers.words == {}
    assert not after.members.is_listed[-1]
