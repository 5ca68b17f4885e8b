from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from features.errors import InvalidRequest
from tests.training_evidence import (
    FORMULA,
    make_demand_evidence,
    make_parts_evidence,
    make_promotion_evidence,
)
from training.demand.plots import (
    draw_coverage,
    draw_error_by_horizon,
    draw_error_by_level,
    draw_regions,
    draw_sales,
    draw_series,
    sort_buckets,
    sort_levels,
)
from training.findings import score_regions
from training.offers.plots import draw_cells, draw_policies, draw_rankings, make_offer_figures
from training.palette import draw_png, open_figure, write_plainly
from training.plots import draw_importance, plot_demand, plot_promotion
from training.promotion.plots import (
    draw_gains,
    draw_losses,
    draw_reliability,
    draw_week,
    make_fallback_figure,
)
from training.response.plots import draw_delays, draw_opened, draw_response_reliability
from training.value.plots import draw_order_reliability, draw_timing

DEMAND_FILES = {
    "error_by_horizon_and_level.png",
    "coverage_of_intervals.png",
    "series_largest_median_worst.png",
    "worst_regions.png",
    "worst_series.png",
    "feature_importance.png",
}
PROMOTION_FILES = {"log_loss_and_gains.png", "reliability.png", "feature_importance.png"}
PARTS_FILES = PROMOTION_FILES | {
    "week.png",
    "policy_values.png",
    "touch_reliability.png",
    "response_gains_and_reliability.png",
    "time_to_open.png",
    "response_importance.png",
    "value_gains.png",
    "value_reliability_and_timing.png",
    "value_importance.png",
    "offer_rankings.png",
    "offer_cells.png",
    "offer_policies.png",
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def demand() -> dict[str, pd.DataFrame]:
    return make_demand_evidence()


@pytest.fixture(scope="module")
def promotion() -> dict[str, pd.DataFrame]:
    return make_promotion_evidence()


@pytest.fixture(scope="module")
def parts(promotion) -> dict[str, pd.DataFrame]:
    return promotion | make_parts_evidence()


@pytest.fixture
def axes():
    _, (only,) = open_figure(4, 3)
    return only


def lines_of(axes) -> dict[str, list[float]]:
    """What is drawn, by its name in the legend."""
    return {line.get_label(): list(line.get_ydata()) for line in axes.get_lines()}


def test_buckets_go_from_near_to_far_and_levels_from_fine_to_whole():
    scores = pd.DataFrame(
        {
            "bucket": ["15-28", "all", "8-14", "1-7", "all", "all"],
            "level": ["all/all", "all/all", "s/p", "s/p", "s/p", "all/p"],
            "n_rows": [99, 4, 9, 9, 40, 8],
        }
    )
    assert sort_buckets(scores) == ["1-7", "8-14", "15-28"]
    assert sort_levels(scores) == ["s/p", "all/p", "all/all"]


def test_of_levels_with_equal_rows_the_one_that_says_more_is_finest():
    """One product in each of two regions: regions are as many series as their products."""
    levels = ["all/all", "all/product", "region/all", "region/product"]
    rows = {"bucket": "all", "level": levels, "n_rows": [4, 4, 8, 8]}
    assert sort_levels(pd.DataFrame(rows)) == [
        "region/product", "region/all", "all/product", "all/all"
    ]  # fmt: skip


def test_single_steps_read_back_from_a_file_are_buckets_too():
    assert sort_buckets(pd.DataFrame({"bucket": [10, 2, 1]})) == ["1", "2", "10"]


def test_error_by_horizon_draws_each_models_wape(axes, demand):
    """Product 1 sells 10, product 2 100 a day; an error of 1, 2 or 3 by region is 2 of 55."""
    draw_error_by_horizon(axes, demand["scores"], "region/product")
    lines = lines_of(axes)
    assert lines["Almanac"] == pytest.approx([2 / 55, 2 / 55])
    assert lines["seasonal naive"] == pytest.approx([8 / 55, 8 / 55])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["1-7", "8-14"]


def test_error_by_level_keeps_equal_errors_apart(axes, demand):
    draw_error_by_level(axes, demand["scores"])
    heights = [line.get_ydata()[0] for line in axes.get_lines()]
    assert len(set(heights)) == len(heights) == 4
    assert all(abs(height) < 0.5 for height in heights)
    assert [line.get_xdata()[0] for line in axes.get_lines()] == pytest.approx(
        [2 / 55, 3 / 55, 4 / 55, 8 / 55]
    )


def test_coverage_is_drawn_against_what_is_nominal(axes, demand):
    """The 95 % interval starts at the mean and reaches 8 above it: every outcome is inside. The
    80 % interval goes from 2 to 6 above: outcomes 2 and 3 above are inside, those 1 above not."""
    draw_coverage(axes, demand["scores"], "region/product", "almanac")
    lines = lines_of(axes)
    assert lines["95 % interval"] == [1.0, 1.0]
    assert lines["80 % interval"] == pytest.approx([2 / 3, 2 / 3])
    nominal = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linestyle() == "--"]
    assert nominal == [0.95, 0.8]


def test_a_series_shows_sales_forecast_intervals_and_origins(axes, demand):
    rows = demand["forecasts"]
    own = rows[
        (rows["model"] == "almanac") & (rows["region"] == "north") & (rows["product"] == "tea")
    ]
    draw_series(axes, own.sample(frac=1.0, random_state=1), title="tea")
    assert len(axes.collections) == 4  # two bands from each of two origins
    lines = lines_of(axes)
    assert lines["forecast"] == [99.0] * 14
    assert lines["sold"] == [100.0] * 28
    origins = [line for line in axes.get_lines() if line.get_linestyle() == ":"]
    assert len(origins) == 2


def test_a_forecast_without_outcomes_is_drawn_without_sales(axes, demand):
    rows = demand["forecasts"].head(4).drop(columns="units")
    draw_series(axes, rows, title="ahead")
    assert "sold" not in lines_of(axes)


def test_sales_are_drawn_by_date(axes):
    draw_sales(axes, pd.DataFrame({"date": ["2025-01-01", "2025-01-02"], "units": [3.0, 4.0]}))
    assert lines_of(axes) == {"sold": [3.0, 4.0]}


def test_regions_are_drawn_in_their_order(axes, demand):
    regions = score_regions(demand["forecasts"])
    draw_regions(axes, regions)
    own = next(line for line in axes.get_lines() if line.get_label() == "Almanac")
    assert list(own.get_xdata()) == pytest.approx([3 / 55, 2 / 55, 1 / 55])
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == list(regions["region"])


def test_importance_is_a_share_of_the_whole(axes):
    table = pd.DataFrame({"feature": [f"f{i}" for i in range(20)], "gain": [5.0] * 20})
    draw_importance(axes, table, title="importance")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.05] * 15)


def test_features_that_gained_nothing_are_not_drawn(axes):
    table = pd.DataFrame({"feature": ["a", "b"], "gain": [5.0, 0.0]})
    draw_importance(axes, table, title="importance")
    assert [bar.get_width() for bar in axes.patches] == [1.0]


def test_reliability_is_logarithmic_and_keeps_empty_bins_in_sight(axes, promotion):
    draw_reliability(axes, promotion["reliability"], model="lightgbm")
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (points,) = [line for line in axes.get_lines() if len(line.get_xdata()) == 6]
    assert list(points.get_xdata()) == [0.001, 0.01, 0.1] * 2
    # Nothing was seen in the first bin: it lies on the floor, half of the least that is drawn.
    assert list(points.get_ydata()) == [0.0005, 0.02, 0.1] * 2
    (bars,) = axes.collections
    ends = [tuple(path.vertices[:, 1]) for path in bars.get_paths()][:3]
    assert ends == [(0.0005, 0.003), (0.01, 0.04), (0.08, 0.12)]


def test_gains_are_relative_with_their_interval(axes, promotion):
    """LightGBM over the best hour saves 0.016 of 0.040 nats ± 0.001: 40 % ± 2.5 %."""
    draw_gains(axes, promotion["gains"])
    names = [label.get_text() for label in axes.get_yticklabels()]
    place = names.index("LightGBM over best global hour")
    at = [line for line in axes.get_lines() if list(np.unique(line.get_ydata())) == [place]]
    assert list(at[0].get_xdata()) == pytest.approx([0.375, 0.425])
    assert list(at[1].get_xdata()) == pytest.approx([0.4])


def test_no_gain_at_all_is_drawn_at_zero(axes):
    none = {"gain": 0.0, "low": -0.1, "high": 0.1, "relative": 0.0, "model": "a", "baseline": "b"}
    draw_gains(axes, pd.DataFrame([none]))
    assert [list(line.get_xdata()) for line in axes.get_lines()][:2] == [[0.0, 0.0], [0.0]]


def test_losses_show_folds_and_their_mean(axes, promotion):
    draw_losses(axes, promotion["folds"])
    folds, mean = axes.get_lines()[:2]
    assert list(folds.get_xdata()) == pytest.approx([0.039, 0.041])
    assert list(mean.get_xdata()) == pytest.approx([0.040])


def test_a_week_is_days_by_hours(axes):
    draw_week(axes, np.arange(168.0), title="week", unit="events")
    grid = axes.get_images()[0].get_array()
    assert grid.shape == (7, 24)
    assert grid[0, 0] == 0.0
    assert grid[1, 2] == 26.0  # Tuesday 02:00
    assert [label.get_text() for label in axes.get_yticklabels()][6] == "Sun"


@pytest.mark.parametrize("shape", [(167,), (7, 24)])
def test_a_week_of_another_length_is_refused(axes, shape):
    with pytest.raises(InvalidRequest, match="expected 168 values"):
        draw_week(axes, np.zeros(shape), title="week", unit="events")


def points_of(axes) -> list[tuple[float, float]]:
    """Single marks, as they were drawn."""
    lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    return [(float(line.get_xdata()[0]), float(line.get_ydata()[0])) for line in lines]


def intervals_of(axes) -> list[tuple[float, float]]:
    """Ends of the level strokes; the line at zero is upright."""
    lines = [line for line in axes.get_lines() if len(set(line.get_ydata())) == 1]
    return [tuple(line.get_xdata()) for line in lines if len(line.get_xdata()) == 2]


def ticks_of(axes) -> list[str]:
    return [label.get_text().replace("\u202f", " ") for label in axes.get_yticklabels()]


def test_answers_are_drawn_as_they_came(axes, parts):
    draw_response_reliability(axes, parts["response_reliability"])
    assert points_of(axes) == [(0.1, 0.12), (0.11, 0.12)]
    first, _ = axes.collections
    ends = [tuple(path.vertices[:, 1]) for path in first.get_paths()]
    assert ends == [pytest.approx((0.09, 0.15))]
    assert axes.get_xlim() == axes.get_ylim()


def test_opens_are_drawn_of_the_whole_day_by_channel(axes, parts):
    draw_opened(axes, parts["response_delays"])
    assert lines_of(axes) == {"email": [0.1, 0.2, 0.25], "push": [0.1, 0.2, 0.25]}


def test_delays_are_drawn_by_part_of_the_day_and_all_are_in_sight(axes, parts):
    """E-mail waits 6 to 9 hours, push 2 to 5; what is of the whole day is left out."""
    draw_delays(axes, parts["response_delays"])
    heights = [list(line.get_ydata()) for line in axes.get_lines()]
    assert heights == [[6.0, 7.0, 8.0, 9.0], [2.0, 3.0, 4.0, 5.0]]
    assert axes.get_ylim()[0] == 0.0
    assert axes.get_ylim()[1] > 9.5


def test_orders_are_drawn_as_they_came(axes, parts):
    draw_order_reliability(axes, parts["value_reliability"])
    lines = lines_of(axes)
    assert lines["BG/NBD"] == pytest.approx([0.3, 0.7])
    assert len(axes.get_lines()) == 5  # four models and the dashed line


def test_the_next_order_is_drawn_against_the_quantiles_of_its_day(axes, parts):
    draw_timing(axes, parts["value_timing"])
    assert lines_of(axes)["LightGBM"] == pytest.approx([0.15, 0.55, 0.95])


def test_rankings_are_drawn_over_the_cell_rule_which_has_no_interval(axes, parts):
    scores = parts["offer_scores"]
    draw_rankings(axes, scores[scores["offer"] == "mug"], "mug")
    assert points_of(axes)[:2] == [(0.07, 0.0), (0.0, 1.0)]
    assert intervals_of(axes) == [(0.01, 0.12)]
    assert ticks_of(axes) == ["X-learner (0.0900)", "cell rule (0.0200)"]


def test_cells_are_drawn_in_the_colour_of_what_is_sure(axes, parts):
    cells = parts["offer_cells"]
    draw_cells(axes, cells[cells["offer"] == "ten"], "ten")
    assert intervals_of(axes) == [(0.02, 0.08), (-0.05, 0.03)]
    assert ticks_of(axes) == ["is_new\nand orders <= 3 (400)", "not is_new (600)"]
    sure, unsure = (line.get_color() for line in axes.get_lines() if len(line.get_xdata()) == 1)
    assert sure != unsure


def test_a_cell_of_many_conditions_is_named_in_full(axes, parts):
    words = "not is_newsletter_reader and orders_365d <= 3 and spend_365d <= 120.5"
    cells = parts["offer_cells"].tail(1).assign(band=words)
    draw_cells(axes, cells, "ten")
    assert ticks_of(axes)[0].replace("\n", " ") == f"{words} (1,000)"
    short, long = (
        make_offer_figures({"offer_cells": one}) for one in (parts["offer_cells"], cells)
    )
    assert long["offer_cells"].get_figheight() > short["offer_cells"].get_figheight()


def test_policies_are_drawn_in_money_and_nobody_has_no_interval(axes, parts):
    policies = parts["offer_policies"]
    draw_policies(axes, policies[policies["offer"] == "mug"], "mug")
    assert points_of(axes) == [(0.0, 0.0), (-2.0, 1.0), (0.1, 2.0)]
    assert intervals_of(axes) == [(-2.5, -1.5), (-0.1, 0.3)]
    assert ticks_of(axes) == [
        "offer it to nobody (0 %)", "offer it to everybody (100 %)", "X-learner (10 %)"
    ]  # fmt: skip


def test_of_many_offers_the_first_four_are_drawn(parts):
    cells = parts["offer_cells"].tail(1)
    many = pd.concat([cells.assign(offer=f"{place} $") for place in range(9)])
    figure = make_offer_figures({"offer_cells": many})["offer_cells"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        rf"{place} \$" for place in range(4)
    ]
    assert draw_png(figure).startswith(PNG)


def test_activity_is_drawn_only_where_it_is_a_fallback(parts):
    gains = parts["policy_gains"]
    drawn = make_fallback_figure({**parts, "fallback_gains": gains.assign(target="receptivity")})
    assert list(drawn) == ["fallback_gains"]
    assert make_fallback_figure({**parts, "fallback_gains": gains}) == {}
    assert make_fallback_figure(parts) == {}
    nothing = gains.assign(target="receptivity", gain=np.nan)
    assert make_fallback_figure({**parts, "fallback_gains": nothing}) == {}


def test_an_id_is_no_formula(axes):
    axes.set_title(write_plainly(FORMULA))
    assert draw_png(axes.figure).startswith(PNG)
    axes.set_title(FORMULA)
    with pytest.raises(ValueError, match="frac"):  # what would happen without
        draw_png(axes.figure)


def test_a_long_id_is_cut():
    assert write_plainly("x" * 100) == "x" * 43 + "…"


def test_letters_the_font_lacks_do_not_stop_a_plot(axes):
    axes.set_title("काठमाडौं")
    assert draw_png(axes.figure).startswith(PNG)


@pytest.mark.parametrize(
    ("plot", "name", "files"),
    [
        (plot_demand, "demand", DEMAND_FILES),
        (plot_promotion, "promotion", PROMOTION_FILES),
        (plot_promotion, "parts", PARTS_FILES),
    ],
)
def test_each_training_leaves_its_pictures_and_its_tables_alone(
    plot, name, files, tmp_path, request
):
    tables = request.getfixturevalue(name)
    before = {key: table.copy() for key, table in tables.items()}
    plot(tables, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == files
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        assert content.startswith(PNG)
        assert int.from_bytes(content[16:20]) == 1100  # the width says it is whole
    for key, table in before.items():
        pd.testing.assert_frame_equal(tables[key], table)


def test_what_the_data_holds_and_what_changed_is_drawn_with_the_training(tmp_path, demand):
    """All that lies among the evidence goes to MLflow: these pictures too."""
    dates = pd.date_range("2025-01-01", periods=30)
    measured = {"quality_days": pd.DataFrame({"table": "sales", "date": dates, "rows": 5})}
    series = {"region": "north", "product": "tea", "date": dates}
    changed = {
        "change_scores": pd.DataFrame(
            {"level": ["all/all"], "score": ["wape"], "before": [0.2], "after": [0.1],
             "change": [-0.1], "verdict": ["better"]}
        ),
        "change_paths": pd.DataFrame(
            {**series, "before": 5.0, "low": 4.0, "high": 6.0, "after": 7.0}
        ),
    }  # fmt: skip
    plot_demand({**demand, **measured, **changed}, tmp_path)
    more = {"rows_by_day.png", "change_in_error.png", "forecasts_that_moved_most.png"}
    assert {path.name for path in tmp_path.iterdir()} == DEMAND_FILES | more


def test_equal_tables_make_equal_pictures(promotion):
    pictures = []
    for _ in range(2):
        figure, (axes,) = open_figure(4, 3)
        draw_gains(axes, promotion["gains"])
        pictures.append(draw_png(figure))
    assert pictures[0] == pictures[1]


def test_a_backtest_without_a_fitted_model_has_no_importance(tmp_path, demand):
    plot_demand({key: demand[key] for key in ("scores", "forecasts")}, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == DEMAND_FILES - {"feature_importance.png"}


def test_drawing_needs_no_window_and_no_pyplot():
    """pyplot keeps figures in a global list and may open windows."""
    rooms = Path(__file__).resolve().parents[1] / "training"
    drawing = [path for path in rooms.glob("*.py") if "matplotlib" in path.read_text()]
    assert len(drawing) >= 4
    assert not [path.name for path in drawing if "import matplotlib.pyplot" in path.read_text()]


def test_figures_are_of_the_size_asked_for():
    figure, axes = open_figure(6, 4, rows=2, columns=3)
    assert isinstance(figure, Figure)
    assert tuple(figure.get_size_inches()) == (6.0, 4.0)
    assert len(axes) == 6
