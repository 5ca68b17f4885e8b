"""Eligibility: every reason by hand, in its order, and a loop over all pairs as the oracle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InvalidRequest, UnknownName
from features.region.hierarchy import build_hierarchy
from models.campaign.eligibility import (
    REASONS,
    SENTENCES,
    Audience,
    Places,
    judge_eligibility,
)
from models.campaign.offer_stock import IN_STOCK, NOT_KNOWN, OUT_OF_STOCK, check_stock
from models.campaign.promotion_rules import find_promotion_hours

START, END = np.datetime64("2024-06-10T00:00"), np.datetime64("2024-06-12T00:00")
CHANNELS = ("email", "sms")
REGIONS = build_hierarchy(
    pd.DataFrame(
        [
            ("s1", "lyon", "store"),
            ("s2", "paris", "store"),
            ("lyon", None, "city"),
            ("paris", None, "city"),
        ],
        columns=["region_id", "parent_id", "level"],
    ),
    "regions",
    "region_id",
)
PRODUCTS = build_hierarchy(
    pd.DataFrame(
        [("tea", "drinks", "sku"), ("milk", "drinks", "sku"), ("drinks", None, "category")],
        columns=["product_id", "parent_id", "level"],
    ),
    "products",
    "product_id",
)


def promotion(promotion_id="p", starts="2024-06-01", ends="2024-07-01", **more):
    return {
        "promotion_id": promotion_id,
        "starts_at": pd.Timestamp(starts),
        "ends_at": pd.Timestamp(ends),
        "channels": None, "regions": None, "products": None,
    } | more  # fmt: skip


def people(n=1, **more):
    return Audience(
        **{
            "region_ids": np.array(["s1"] * n, dtype=object),
            "has_consent": np.ones((n, 2), dtype=bool),
            "left": np.ones((n, 2), dtype=np.int64),
            "is_held_out": np.zeros(n, dtype=bool),
            "has_hours": np.ones(n, dtype=bool),
        }
        | more
    )


def judge(rows, audience, ids=("p",), **places):
    return judge_eligibility(
        ids,
        pd.DataFrame(rows),
        audience,
        channels=CHANNELS,
        start=START,
        end=END,
        as_of=START,
        places=Places(**{"regions": REGIONS, "products": PRODUCTS} | places),
    )


def words(found):
    names = ["", *(reason.value for reason in REASONS)]
    return [[names[code] for code in row] for row in found.code[0].tolist()]


@pytest.mark.parametrize(
    ("more", "audience", "expected"),
    [
        ({}, {}, ["", ""]),
        ({"starts": "2024-06-12"}, {}, ["not-started"] * 2),
        ({"starts": "2024-06-11"}, {}, ["", ""]),  # holds for a part of the window
        ({"ends": "2024-06-10"}, {}, ["ended"] * 2),
        ({"channels": "SMS; web"}, {}, ["other-channel", ""]),
        ({"channels": "all"}, {}, ["", ""]),
        ({"regions": "paris"}, {}, ["other-region"] * 2),
        ({"regions": '["paris", "lyon"]'}, {}, ["", ""]),
        ({"regions": "lyon"}, {"region_ids": np.array(["all"])}, ["unknown-region"] * 2),
        (
            {"regions": "lyon"},
            {"region_ids": np.array([None], dtype=object)},
            ["unknown-region"] * 2,
        ),
        ({"regions": "all"}, {"region_ids": np.array(["all"])}, ["", ""]),
        ({}, {"is_held_out": np.array([True])}, ["holdout"] * 2),
        ({}, {"has_consent": np.array([[False, True]])}, ["no-consent", ""]),
        ({}, {"left": np.array([[1, 0]])}, ["", "frequency-cap"]),
        ({}, {"has_hours": np.array([False])}, ["nothing-permitted"] * 2),
        # the first reason of the order is told
        (
            {"channels": "sms", "ends": "2024-06-01"},
            {"is_held_out": np.array([True])},
            ["ended"] * 2,
        ),
    ],
)
def test_every_reason(more, audience, expected):
    found = judge([promotion(**more)], people(**audience))
    assert words(found) == [expected]
    assert found.is_eligible.tolist() == [[[word == "" for word in expected]]]


def test_an_unknown_promotion_is_refused_for_everybody_and_raises_nothing():
    found = judge([promotion()], people(2), ids=("q", "p"))
    assert words(found) == [["unknown-promotion"] * 2] * 2
    assert found.is_eligible[1].all()
    assert found.reasons().tolist() == ["", ""]


def test_a_customer_is_told_the_reason_that_came_furthest():
    audience = people(
        3,
        has_consent=np.array([[True, True], [False, False], [True, False]]),
        is_held_out=np.array([True, False, False]),
        left=np.array([[1, 1], [1, 1], [0, 5]]),
    )
    rows = [promotion(), promotion("old", ends="2024-06-02")]
    found = judge(rows, audience, ids=("old", "p"))
    assert found.reasons().tolist() == ["holdout", "no-consent", "frequency-cap"]
    assert found.count() == {"holdout": 1, "no-consent": 1, "frequency-cap": 1}


def test_everybody_held_out_is_an_answer():
    found = judge([promotion()], people(4, is_held_out=np.ones(4, dtype=bool)))
    assert found.count() == {"holdout": 4}
    assert not found.is_eligible.any()


def test_each_reason_has_a_sentence():
    assert set(SENTENCES) == set(REASONS)


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"channels": "emial"}, "channel of promotion 'p' 'emial' is not known; nearest: 'email'"),
        ({"regions": "lyonn"}, "region of promotion 'p' 'lyonn' is not known; nearest: 'lyon'"),
    ],
)
def test_names_that_do_not_exist(more, match):
    with pytest.raises(UnknownName, match=match):
        judge([promotion(**more)], people())


def test_nothing_to_judge_is_said():
    with pytest.raises(InvalidRequest, match="expected one promotion or more"):
        judge([promotion()], people(), ids=())


def test_the_hours_of_a_promotion_begin_with_its_start_and_end_before_its_end():
    moments = START.astype("datetime64[s]") + np.arange(4) * np.timedelta64(1, "h")
    moments[3] = np.datetime64("NaT")
    rows = pd.DataFrame([promotion(starts="2024-06-10T01:00", ends="2024-06-10T02:00")])
    found = find_promotion_hours(["p", "unknown"], rows, moments)
    assert found.tolist() == [[False, True, False, False], [False] * 4]


def shelf(location, product, on_hand, as_of="2024-06-09", reserved=0.0, incoming=0.0, due=None):
    return {
        "location_id": location, "product_id": product, "as_of": pd.Timestamp(as_of),
        "on_hand": on_hand, "reserved": reserved, "incoming": incoming,
        "expected_at": pd.Timestamp(due) if due else pd.NaT,
    }  # fmt: skip


def stocked(rows, offered=("tea",), regions=("s1",), tree=REGIONS, goods=PRODUCTS):
    columns = list(shelf("", "", 0.0))
    return check_stock(
        offered,
        list(regions),
        pd.DataFrame(rows, columns=columns),
        regions=tree,
        products=goods,
        as_of=START,
        ends_at=np.datetime64("2024-07-01"),
    ).tolist()


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([shelf("s1", "tea", 3.0)], IN_STOCK),
        ([shelf("s1", "tea", 3.0, reserved=3.0)], OUT_OF_STOCK),
        ([shelf("s1", "tea", 0.0, incoming=5.0, due="2024-06-20")], IN_STOCK),
        ([shelf("s1", "tea", 0.0, incoming=5.0, due="2024-07-01")], OUT_OF_STOCK),  # too late
        ([shelf("s1", "tea", 0.0, incoming=5.0)], OUT_OF_STOCK),  # at no stated time
        ([shelf("s1", "tea", 9.0, "2024-06-01"), shelf("s1", "tea", 0.0)], OUT_OF_STOCK),
        ([shelf("s1", "tea", 9.0, "2024-06-10T00:01")], NOT_KNOWN),  # from the future
        ([shelf("s1", "tea", None)], NOT_KNOWN),
        ([], NOT_KNOWN),
        ([shelf("s2", "tea", 9.0)], NOT_KNOWN),  # elsewhere
        ([shelf("lyon", "tea", 9.0), shelf("s1", "tea", 0.0)], IN_STOCK),  # from the city's store
        ([shelf("all", "tea", 9.0)], IN_STOCK),  # from the central one
        ([shelf("s1", "tea", -5.0), shelf("lyon", "tea", 2.0)], IN_STOCK),
    ],
)
def test_stock_of_one_product_by_hand(rows, verdict):
    assert stocked(rows) == [verdict]


def test_of_several_products_one_is_enough_and_all_must_be_known_to_be_gone():
    gone = [shelf("s1", "tea", 0.0)]
    assert stocked(gone, offered=("tea", "milk")) == [NOT_KNOWN]
    assert stocked([*gone, shelf("s1", "milk", 0.0)], offered=("drinks",)) == [OUT_OF_STOCK]
    assert stocked([*gone, shelf("s1", "milk", 1.0)], offered=("drinks",)) == [IN_STOCK]
    assert stocked(gone, offered=()) == [IN_STOCK]
    with pytest.raises(UnknownName, match="product 'te'"):
        stocked(gone, offered=("te",))


def test_regions_see_their_own_branch_and_unknown_ones_see_all():
    rows = [shelf("s1", "tea", 0.0), shelf("s2", "tea", 4.0)]
    regions = ("s1", "lyon", "paris", "all", "nowhere")
    assert stocked(rows, regions=regions) == [OUT_OF_STOCK, OUT_OF_STOCK, 0, 0, 0]
    assert stocked(rows, regions=("s1", "s2", "s9"), tree=None, goods=None) == [
        OUT_OF_STOCK, IN_STOCK, NOT_KNOWN,
    ]  # fmt: skip


def test_stock_speaks_in_the_verdict_and_what_is_not_known_lets_through():
    audience = people(2, region_ids=np.array(["s1", "s2"], dtype=object))
    rows = [promotion(products="tea")]
    found = judge(rows, audience, stock=pd.DataFrame([shelf("s1", "tea", 0.0)]))
    assert words(found) == [["out-of-stock"] * 2, ["", ""]]
    assert found.is_stock_known.tolist() == [[True, False]]
    assert judge(rows, audience).is_stock_known.tolist() == [[False, False]]
    assert judge([promotion()], audience).is_stock_known.tolist() == [[True, True]]


below = {"s1": {"s1", "lyon"}, "s2": {"s2", "paris"}, "lyon": {"lyon"}, "paris": {"paris"}}


@settings(max_examples=60, deadline=None, database=None)
@given(data=st.data())
def test_a_plain_loop_over_all_pairs_finds_the_same(data):
    days = st.integers(1, 20).map(lambda day: f"2024-06-{day:02d}")
    rows = [
        promotion(
            name,
            data.draw(days),
            data.draw(days),
            channels=data.draw(st.sampled_from([None, "email", "sms,email", "web"])),
            regions=data.draw(st.sampled_from([None, "lyon", "s2|lyon", "paris"])),
        )
        for name in ("p", "q")
    ]
    n = 4
    flags = st.lists(st.booleans(), min_size=n, max_size=n)
    places = st.lists(st.sampled_from(["s1", "s2", "lyon", "all", "x"]), min_size=n, max_size=n)
    regions = data.draw(places)
    held, hours, consent, left = (np.array(data.draw(flags)) for _ in range(4))
    audience = people(
        n,
        region_ids=np.array(regions, dtype=object),
        is_held_out=held,
        has_hours=hours,
        has_consent=np.column_stack([consent, ~consent]),
        left=np.column_stack([left, left]).astype(int),
    )
    found = judge(rows, audience, ids=("p", "q", "r"))
    for i, row in enumerate(rows):
        for j in range(n):
            for k, channel in enumerate(CHANNELS):
                listed = (row["regions"] or "").replace("|", ",").split(",")
                fits = not row["regions"] or bool(below.get(regions[j], set()) & set(listed))
                expected = (
                    row["starts_at"] < pd.Timestamp(END)
                    and row["ends_at"] > pd.Timestamp(START)
                    and channel in (row["channels"] or "email,sms").split(",")
                    and fits
                    and not held[j]
                    and bool(audience.has_consent[j, k])
                    and left[j]
                    and hours[j]
                )
                assert found.is_eligible[i, j, k] == bool(expected)
    assert not found.is_eligible[2].any()
