import math
from datetime import datetime, timedelta

import pytest

from features.customer.customers import customer_features
from features.customer.declare import (
    Count,
    FeatureSet,
    Histogram,
    Last,
    Recency,
    Share,
    Sum,
    Tenure,
    Weeks,
    Weight,
)
from features.customer.statistics import (
    EVERY,
    Moment,
    Total,
    Weights,
    when,
    window_end,
    window_start,
)
from features.errors import FeatureError, UnknownName

at = datetime.fromisoformat
ORDER = when(type="order")


def make(*features):
    return FeatureSet("test", features)


def test_a_condition_holds_for_allowed_values_and_never_for_an_empty_one():
    condition = when(type=["order", "item"], channel="web")
    assert condition.holds({"type": "item", "channel": "web", "value": 3.0})
    assert not condition.holds({"type": "item", "channel": "app"})
    assert not condition.holds({"type": "order", "channel": None})
    assert not condition.holds({"type": "order"})
    assert EVERY.holds({})


def test_the_order_of_values_does_not_make_another_condition():
    assert when(type=["b", "a", "b"]) == when(type=("a", "b"))
    assert hash(when(channel="x", type="y")) == hash(when(type="y", channel="x"))


def test_a_condition_without_values_is_refused():
    with pytest.raises(FeatureError, match="'type': expected at least one value"):
        when(type=[])


def test_columns_follow_the_declaration():
    orders = Count("orders", ORDER, windows_days=(7, 30))
    slots = Histogram("slots", "slot", 30.0)
    features = make(
        Recency("recency"),
        orders,
        Sum("spend", "value"),
        Share("share", orders, orders, windows_days=(90,)),
        slots,
        Weight("weight", slots),
        Last("last", "channel"),
    )
    assert features.columns == (
        "recency", "orders_7d", "orders_30d", "spend", "share_90d", "slots", "weight", "last"
    )  # fmt: skip
    assert features.of_shape("text") == ("last",)
    assert features.of_shape("histogram") == ("slots",)
    assert len(features.of_shape("number")) == 6


def test_features_share_their_statistics():
    orders = Count("orders", ORDER, windows_days=(7,))
    spend = Sum("spend", "value", ORDER)
    slots = Histogram("slots", "slot", 30.0)
    features = make(
        orders,
        spend,
        Share("mean", spend, orders, windows_days=(30,)),
        Weeks("weeks", ORDER, windows_days=(7,)),
        slots,
        Weight("weight", slots),
        Recency("recency"),
        Tenure("tenure"),
    )
    assert features.statistics == (
        Total(ORDER),
        Total(ORDER, "value", is_sum=True),
        Weights(EVERY, "slot", 30.0),
        Moment(EVERY),
        Moment(EVERY, is_first=True),
    )


@pytest.mark.parametrize("name", ["", "Orders", "7d", "a-b", "a b", "a;b", "é", "_a", "a\n"])
def test_a_name_that_is_no_name_is_refused(name):
    with pytest.raises(FeatureError, match="expected a name"):
        make(Count(name))


@pytest.mark.parametrize(
    "features",
    [
        (Count("orders"), Recency("orders")),
        (Count("orders", windows_days=(7,)), Count("orders_7d")),
        (Count("orders", windows_days=(7, 7)),),
        (Count("customer_id"),),
        (Count("time_zone"),),
        (Last("consent", "channel"),),
    ],
)
def test_a_column_that_is_there_already_is_refused(features):
    with pytest.raises(FeatureError, match="names of their own"):
        make(*features)


@pytest.mark.parametrize("windows", [(0,), (-7, 7)])
def test_a_window_shorter_than_a_day_is_refused(windows):
    with pytest.raises(FeatureError, match="at least 1 day"):
        make(Count("orders", windows_days=windows))


@pytest.mark.parametrize("windows", [(), (10,), (7, 30), (441,)])
def test_weeks_need_windows_of_whole_weeks(windows):
    with pytest.raises(FeatureError, match="whole weeks up to 434 days"):
        make(Weeks("weeks", windows_days=windows))


@pytest.mark.parametrize("half_life", [0.0, -1.0, -math.inf, math.nan])
def test_a_half_life_must_be_a_number_of_days(half_life):
    with pytest.raises(FeatureError, match="half-life of more than 0"):
        make(Histogram("slots", "slot", half_life))


def test_a_column_the_activity_does_not_have_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="'valeu' is not known; nearest: 'value'"):
        make(Sum("spend", "valeu"))
    with pytest.raises(UnknownName, match="nearest: 'channel'"):
        make(Count("orders", when(chanel="web")))


@pytest.mark.parametrize(
    "feature",
    [Sum("spend", "channel"), Count("a", when(value="3")), Last("last", "value")],
)
def test_a_column_of_another_kind_is_refused(feature):
    with pytest.raises(FeatureError, match=r"expected a (number|text) column"):
        make(feature)


def test_windows_are_whole_utc_days_up_to_the_last_instant():
    midnight = at("2024-03-01")
    assert window_end(midnight) == midnight
    assert window_start(midnight, 1) == at("2024-02-29")  # a leap year
    assert window_end(midnight + timedelta(microseconds=1)) == at("2024-03-02")
    assert window_start(at("2024-03-01T12:00"), 7) == at("2024-02-24")


def test_the_customer_features_hold_what_was_promised():
    features = customer_features(90.0)
    expected = {
        "tenure_days", "orders_7d", "spend_365d", "items_90d", "basket_value_365d",
        "order_share_app_365d", "touches_30d", "opens_90d", "clicks_365d", "redemptions_365d",
        "redemption_share_365d", "last_channel", "active_slots", "active_events", "active_count",
        "active_weeks_28d", "categories",
    }  # fmt: skip
    assert expected <= set(features.columns)
    (slots,) = next(f for f in features.features if f.name == "active_slots").statistics
    assert dict(slots.where.denied)["type"] == ("click", "item", "open", "redemption", "touch")
    assert slots.half_life_days == 90.0
