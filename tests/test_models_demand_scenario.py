from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.errors import ArtifactError, InvalidRequest, UnknownName
from models.demand.plan_changes import (
    DEPTH,
    FLAG,
    INDEX,
    PRICE,
    Change,
    change_rows,
    find_steps,
    find_unplanned,
)
from models.demand.plan_ranges import find_ranges
from models.demand.scenario import FIGURES, WhatIf, find_series, run_scenario
from models.demand.scenario_files import ROWS_FILE, Scenarios
from models.demand.tree_rows import TreeBlock
from training.demand.explanations import order_series, read_scenario_rows

DATES = np.array(["2024-05-01", "2024-05-02", "2024-05-03"], dtype="datetime64[D]")
NODES = [("north", "tea"), ("south", "all"), ("all", "tea"), ("all", "all")]


@pytest.fixture(scope="module")
def scenarios(champion) -> Scenarios:
    found = Scenarios.from_files(champion.files)
    assert found is not None
    return found


def ask(scenarios: Scenarios, region: str, product: str, **change: object) -> WhatIf:
    chosen = find_series(scenarios.paths, region, product)
    return run_scenario(scenarios.paths, scenarios.read(chosen), Change(**change))


def make_block(**columns: list[float]) -> TreeBlock:
    """Return the rows of one series and three steps."""
    rows = np.array(list(columns.values()), np.float32).T[None]
    return TreeBlock("lightgbm", "1-7", 0, 1.0, tuple(columns), rows, np.ones((1, 3)), None)


def changed(block: TreeBlock, change: Change, usual: float = np.nan) -> dict[str, list[float]]:
    steps = find_steps(change, DATES)
    rows = change_rows(block, change, steps, DATES, np.array([usual]))[0].round(4)
    return dict(zip(block.features, rows.T.tolist(), strict=True))


def test_price_takes_index_and_depth_with_it():
    # The list price is 1.8 ÷ (1 − 0.1) = 2, the usual price 1.8 ÷ 0.9 = 2.
    block = make_block(price_planned=[1.8] * 3, price_index=[0.9] * 3, depth_planned=[0.1] * 3)
    found = changed(block, Change(price=1.5, first_date=date(2024, 5, 2)))
    assert found[PRICE] == pytest.approx([1.8, 1.5, 1.5])
    assert found[INDEX] == pytest.approx([0.9, 0.75, 0.75])
    assert found[DEPTH] == pytest.approx([0.1, 0.25, 0.25])
    dear = changed(block, Change(price=3.0))
    assert dear[DEPTH] == [0.0] * 3
    assert dear[INDEX] == [1.5] * 3


def test_depth_takes_price_with_it():
    block = make_block(price_planned=[2.0] * 3, price_index=[1.0] * 3, depth_planned=[0.0] * 3)
    found = changed(block, Change(depth=0.25, last_date=date(2024, 5, 1)))
    assert found[PRICE] == [1.5, 2.0, 2.0]
    assert found[INDEX] == [0.75, 1.0, 1.0]
    assert found[DEPTH] == [0.25, 0.0, 0.0]


def test_a_promotion_has_its_usual_depth_and_none_has_the_list_price():
    block = make_block(
        price_planned=[2.0, 2.0, 1.6], price_index=[1.0, 1.0, 0.8],
        depth_planned=[0.0, 0.0, 0.2], is_promoted_planned=[0.0, 0.0, 1.0],
    )  # fmt: skip
    on = changed(block, Change(is_promoted=True), usual=0.1)
    assert on[FLAG] == [1.0] * 3
    assert on[DEPTH] == pytest.approx([0.1, 0.1, 0.2])  # the plan's own depth stays
    assert on[PRICE] == pytest.approx([1.8, 1.8, 1.6])
    off = changed(block, Change(is_promoted=False))
    assert (off[FLAG], off[DEPTH], off[PRICE]) == ([0.0] * 3, [0.0] * 3, [2.0] * 3)


def test_a_promotion_of_the_table_starts_and_ends_with_the_scenario():
    nan = np.nan
    block = make_block(
        promotion_is_on=[0.0] * 3, promotion_depth=[0.0] * 3, promotion_days_since_start=[nan] * 3,
        promotion_days_to_end=[nan] * 3, promotion_days_to_next=[9.0, 8.0, 7.0],
    )  # fmt: skip
    change = Change(is_promoted=True, depth=0.3, first_date=date(2024, 5, 2))
    found = changed(block, change)
    assert found["promotion_is_on"] == [0.0, 1.0, 1.0]
    assert found["promotion_depth"] == pytest.approx([0.0, 0.3, 0.3])
    assert found["promotion_days_since_start"][1:] == [0.0, 1.0]
    assert found["promotion_days_to_end"][1:] == [1.0, 0.0]
    assert found["promotion_days_to_next"][0] == 9.0
    off = changed(make_block(promotion_is_on=[1.0] * 3, promotion_depth=[0.3] * 3),
                  Change(is_promoted=False))  # fmt: skip
    assert off == {"promotion_is_on": [0.0] * 3, "promotion_depth": [0.0] * 3}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"price": 0.0}, "price: expected more than 0"),
        ({"price": float("nan")}, "price: expected more than 0"),
        ({"depth": 1.0}, "depth: expected 0 to below 1"),
        ({"display": -1.0}, "display: expected 0 or more"),
        ({"depth": 0.2, "is_promoted": False}, "depth: a depth with the promotion off"),
        ({"first_date": date(2024, 5, 3), "last_date": date(2024, 5, 1)}, "to: expected a date"),
    ],
)
def test_changes_that_cannot_be(change, words):
    with pytest.raises(InvalidRequest, match=words):
        Change(**change).check()


def test_what_is_not_planned_is_said():
    change = Change(price=1.0, display=1.0, is_promoted=True, depth=0.2)
    words = find_unplanned(change, ("weekday", "price_index"))
    assert [one.split(" ")[0] for one in words] == ["price", "display", "promotions", "depth"]
    assert "list it in [demand] known_ahead" in words[0]
    assert find_unplanned(change, (PRICE, "display_planned", FLAG)) == ()


@pytest.mark.parametrize(("region", "product"), NODES)
def test_a_scenario_that_is_the_plan_is_the_published_forecast(
    scenarios, champion, region, product
):
    found = ask(scenarios, region, product)
    assert found.warnings == ()
    table = champion.forecasts
    own = table[(table["region_id"] == region) & (table["product_id"] == product)]
    for figure in FIGURES:
        np.testing.assert_allclose(found.by_date[f"plan_{figure}"], own[figure], rtol=1e-5)
        for part in (found.by_date, found.total):
            assert (
                part[f"scenario_{figure}"].equals(part[f"plan_{figure}"].rename(None))
                or (part[f"scenario_{figure}"] == part[f"plan_{figure}"]).all()
            )
            assert (part[f"difference_{figure}"] == 0).all()


@pytest.mark.parametrize(("region", "product"), NODES)
def test_demand_never_rises_with_price(scenarios, region, product):
    ladder = [
        ask(scenarios, region, product, price=price).by_date["scenario_mean"]
        for price in np.linspace(1.2, 4.0, 15)
    ]
    assert (np.diff(np.array(ladder), axis=0) <= 1e-9).all()


def test_a_promotion_sells_more_where_promotions_did(scenarios):
    found = ask(scenarios, "south", "tea", is_promoted=True)
    gain = found.total["scenario_mean"].item() / found.total["plan_mean"].item()
    # Promoted days sell twice as much as the others, and none is planned.
    assert 1.5 < gain < 2.5
    assert found.total["difference_lower_95"].item() > 0
    assert found.warnings == ()


def test_the_difference_is_that_of_the_same_paths(scenarios):
    found = ask(scenarios, "north", "tea", depth=0.2)
    # One series: every path of the scenario is the plan's times one ratio.
    rows = found.by_date
    ratio = rows["scenario_mean"] / rows["plan_mean"]
    np.testing.assert_allclose(rows["scenario_upper_95"], rows["plan_upper_95"] * ratio, rtol=1e-6)
    np.testing.assert_allclose(
        rows["difference_mean"], rows["plan_mean"] * (ratio - 1), rtol=1e-6, atol=1e-9
    )
    spread = found.total["scenario_upper_95"] - found.total["plan_lower_95"]
    own = found.total["difference_upper_95"] - found.total["difference_lower_95"]
    assert (own < spread / 2).all()


def test_only_the_dates_asked_for_change(scenarios, champion):
    first = champion.forecasts["date"].min().date()
    change = {"first_date": first + timedelta(2), "last_date": first + timedelta(4)}
    found = ask(scenarios, "all", "tea", price=1.6, **change)
    assert found.by_date["date"].tolist() == [first + timedelta(day) for day in (2, 3, 4)]
    total = found.by_date["scenario_mean"].sum()
    assert found.total["scenario_mean"].item() == pytest.approx(total)
    with pytest.raises(InvalidRequest, match="from: expected dates within the forecast"):
        ask(scenarios, "all", "tea", price=1.6, first_date=first + timedelta(40))


def test_prices_that_training_never_saw_are_warned_of(scenarios):
    inside = ask(scenarios, "north", "tea", price=1.6).warnings
    assert inside == ()
    own = ask(scenarios, "north", "tea", price=2.5).warnings
    assert own[0] == "price 2.5: outside the range seen in training, 1.6 to 2"
    both = ask(scenarios, "all", "all", price=9.0).warnings
    assert "(4 of 4 series, this the first)" in both[0]
    assert "all series together were at 1.6 to 3" in both[0]


def test_series_that_never_had_a_promotion_are_warned_of(scenarios):
    one = ask(scenarios, "north", "new", is_promoted=True).warnings
    assert "this series never had a promotion" in one[-1]
    some = ask(scenarios, "all", "all", depth=0.2, is_promoted=True).warnings
    assert any(words.startswith("2 of 4 series never had a promotion") for words in some)


def test_a_mailer_that_is_not_planned_is_warned_of(scenarios):
    found = ask(scenarios, "north", "tea", mailer=1.0)
    assert found.warnings == ("mailer is not planned: list it in [demand] known_ahead",)
    assert (found.by_date["difference_mean"] == 0).all()


def test_ranges_are_what_a_plain_loop_finds(champion):
    from tests.scenario_project import make_promoted_sales

    ranges = find_ranges(champion.panel).series
    sales = make_promoted_sales()
    for place, key in enumerate(champion.panel.series.to_dict("records")):
        own = sales[
            (sales["region_id"] == key["region_id"]) & (sales["product_id"] == key["product_id"])
        ]
        assert ranges[f"{PRICE}_low"][place] == pytest.approx(own["price"].min())
        assert ranges[f"{PRICE}_high"][place] == pytest.approx(own["price"].max())
        assert ranges["was_promoted"][place] == own["is_promoted"].any()
        usual = 0.2 if own["is_promoted"].any() else np.nan
        assert ranges["usual_depth"][place] == pytest.approx(usual, nan_ok=True)


def test_nodes_that_are_not_there(scenarios):
    with pytest.raises(UnknownName, match="region 'nrth' is not known; nearest: 'north'"):
        ask(scenarios, "nrth", "tea")
    with pytest.raises(UnknownName, match="product"):
        ask(scenarios, "north", "coffee")


def test_rows_made_again_answer_as_the_published_ones(scenarios, champion):
    chosen = np.array([1, 3])
    series = order_series(champion.made)[chosen]
    again = read_scenario_rows(champion.panel, champion.model, champion.made, series, chosen)
    change = Change(price=1.7, is_promoted=True)
    one = run_scenario(scenarios.paths, scenarios.read(chosen), change)
    other = run_scenario(champion.paths, again, change)
    pd.testing.assert_frame_equal(one.by_date, other.by_date)
    assert one.warnings == other.warnings


def test_files_that_do_not_fit_are_refused(champion):
    assert Scenarios.from_files(champion.model.to_files()) is None
    with pytest.raises(ArtifactError, match="not a Parquet file"):
        Scenarios.from_files(champion.files | {ROWS_FILE: b"no"})
