"""Zones inferred from hours: simulated customers whose truth is known, and weeks turned by hand."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.receptivity.histories import Histories
from models.receptivity.outcomes import Outcomes
from models.receptivity.rotation import (
    rotate_histories,
    rotate_lists,
    rotate_outcomes,
    rotate_slots,
)
from models.receptivity.time_zones import add_inferred_zones, infer_time_zones
from models.receptivity.zone_model import ZoneModel, offset_hours

AT = datetime(2024, 6, 1)  # noqa: DTZ001  canonical timestamps are UTC without a zone
WORLD = ["Europe/London", "America/New_York", "Asia/Kolkata", "Australia/Sydney"]
SHARES = [0.4, 0.3, 0.15, 0.15]
OFFSETS = np.array([1.0, -4.0, 5.5, 10.0])


def simulate(rng, n, *, known=0.4):
    """People with one to four habits of their own, at midday or in the evening, in four zones.

    Nothing here is of the model's form: no Dirichlet, no discount, minutes instead of hours.
    """
    zone = rng.choice(4, n, p=SHARES)
    habits = np.where(rng.random((n, 4)) < 0.4, 12.5, 20.0) + rng.normal(0, 2, (n, 4))
    n_habits = rng.integers(1, 5, n)
    rows = np.repeat(np.arange(n), rng.geometric(0.1, n))
    chosen = (rng.random(len(rows)) * n_habits[rows]).astype(int)
    local = habits[rows, chosen] + rng.normal(0, 1, len(rows)) + 24 * rng.integers(0, 7, len(rows))
    is_known = rng.random(n) < known
    seen = np.where(is_known[rows], local, local - OFFSETS[zone][rows] + OFFSETS[0])
    slots = np.floor(seen).astype(int) % 168
    counts = sparse.csr_array((np.ones(len(rows)), (rows, slots)), shape=(n, 168))
    return zone, is_known, counts


@pytest.fixture(scope="module")
def world():
    zone, is_known, counts = simulate(np.random.default_rng(5), 6000)
    names = np.array(WORLD, dtype=object)
    zones = np.where(is_known, names[zone], WORLD[0])
    sources = np.where(is_known, "stated", "project")
    before = counts.toarray()
    found = infer_time_zones(counts, zones, sources, time_zone=WORLD[0], at=AT)
    assert (counts.toarray() == before).all()
    return zone, is_known, counts, found


def test_offsets_of_the_simulated_world():
    assert [offset_hours(zone, AT) for zone in WORLD] == OFFSETS.tolist()


def test_what_is_inferred_is_mostly_right_and_moves_more_people_to_their_zone(world):
    zone, is_known, _, found = world
    names = np.array(WORLD, dtype=object)
    is_inferred = found.source == "inferred"
    assert is_inferred.sum() > 200
    assert (found.zone == names[zone])[is_inferred].mean() > 0.8
    before = (zone == 0)[~is_known].mean()
    assert (found.zone == names[zone])[~is_known].mean() > before + 0.05


def test_confidence_comes_true(world):
    """In each band of confidence as many zones are right as it says, within chance and a little."""
    zone, is_known, _, found = world
    is_right = found.zone == np.array(WORLD, dtype=object)[zone]
    for low, high in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 0.9), (0.9, 1.0)):
        band = ~is_known & (found.confidence >= low) & (found.confidence < high)
        said, came = found.confidence[band].mean(), is_right[band].mean()
        chance = 3 * np.sqrt(said * (1 - said) / band.sum())
        assert abs(said - came) < chance + 0.03, (low, band.sum(), said, came)
    assert (found.confidence[found.source == "inferred"] >= 0.8).all()


def test_what_is_known_stays_and_shifts_lead_to_local_hours(world):
    zone, is_known, counts, found = world
    assert (found.source[is_known] == "stated").all()
    assert np.isnan(found.confidence[is_known]).all()
    assert (found.shift_hours[found.source != "inferred"] == 0).all()
    inferred = found.source == "inferred"
    offsets = np.array([offset_hours(name, AT) for name in found.zone])
    assert (found.shift_hours[inferred] == (offsets - 1.0)[inferred]).all()
    # turned, the nights of those whose zone was told rightly are quiet like everybody's
    right = inferred & (found.zone == np.array(WORLD, dtype=object)[zone])
    day = rotate_slots(counts, found.shift_hours)[right].sum(axis=0).reshape(7, 24).sum(axis=0)
    as_seen = counts[right].sum(axis=0).reshape(7, 24).sum(axis=0)
    assert day[1:6].sum() < 0.3 * as_seen[1:6].sum()


def test_the_posterior_by_hand():
    """All is done at nine local time; two events at seven in UTC speak for two hours ahead."""
    curve = np.full(24, 0.1 / 23)
    curve[9] = 0.9
    model = ZoneModel(
        ("UTC", "X"), np.array([0.0, 2.0]), np.array([0.75, 0.25]), curve, 0.5, 1.0, 9
    )
    hours = np.zeros((3, 24))
    hours[0, 7], hours[1, 9] = 2, 1
    found = model.posterior(hours, 0.0)
    odds = (0.9 / (0.1 / 23)) ** (2 / 1.5)  # two events count like 2 / (1 + 0.5)
    assert found[0, 1] == pytest.approx(0.25 * odds / (0.75 + 0.25 * odds))
    assert found[1, 0] == pytest.approx(1 / (1 + 0.25 / 0.75 * (0.1 / 23) / 0.9))
    assert found[2].tolist() == pytest.approx([0.75, 0.25])


def test_with_few_known_or_one_clock_nothing_is_inferred():
    counts = sparse.csr_array(np.eye(168)[np.arange(60) % 5])
    sources = np.array(["stated"] * 20 + ["project"] * 40)
    zones = np.array(["Asia/Kolkata"] * 20 + ["UTC"] * 40)
    few = infer_time_zones(counts, zones, sources, time_zone="UTC", at=AT)
    assert set(few.source) == {"stated", "project"}
    # (0 + 1) / (20 + 2) by frequency alone, of 21 / 22 for the zones that are known
    assert few.confidence[20:] == pytest.approx(np.full(40, 1 / 22 * 21 / 22))
    one = infer_time_zones(counts, ["Europe/Paris"] * 60, sources, time_zone="Europe/Berlin", at=AT)
    assert one.confidence[20:] == pytest.approx(np.full(40, 21 / 22))
    nobody = infer_time_zones(counts[:0], [], [], time_zone="UTC", at=AT)
    assert nobody.zone.shape == (0,)
    alone = infer_time_zones(counts[:1], ["UTC"], ["project"], time_zone="UTC", at=AT)
    assert alone.confidence.tolist() == [0.5]


def week(*pairs, width=168):
    counts = np.zeros((1, width))
    for slot, weight in pairs:
        counts[0, slot] = weight
    return sparse.csr_array(counts)


@pytest.mark.parametrize(
    ("slot", "shift", "expected"),
    [
        (0, -1.0, {167: 2.0}),  # Monday midnight was Sunday 23:00 an hour to the west
        (167, 1.0, {0: 2.0}),
        (10, 5.5, {15: 1.0, 16: 1.0}),
        (10, -0.25, {9: 0.5, 10: 1.5}),
        (10, 0.0, {10: 2.0}),
        (10, 24.0, {34: 2.0}),
    ],
)
def test_turning_by_hand(slot, shift, expected):
    turned = rotate_slots(week((slot, 2.0)), np.array([shift])).toarray()[0]
    assert {i: turned[i] for i in np.flatnonzero(turned).tolist()} == pytest.approx(expected)


@settings(deadline=None, max_examples=50, database=None)
@given(
    seed=st.integers(0, 1000),
    shift=st.integers(-30, 30),
    half=st.booleans(),
    blocks=st.integers(1, 3),
)
def test_turning_is_numpy_roll_within_each_block_and_keeps_sums(seed, shift, half, blocks):
    rng = np.random.default_rng(seed)
    dense = rng.poisson(0.05, (4, blocks, 168)).astype(float)
    shifts = np.array([0.0, shift, shift + 0.5 * half, -shift])
    turned = rotate_slots(sparse.csr_array(dense.reshape(4, -1)), shifts).toarray()
    for row, by in enumerate(shifts.tolist()):
        low = np.roll(dense[row], int(np.floor(by)), axis=1)
        expected = low if by == int(by) else (low + np.roll(low, 1, axis=1)) / 2
        assert turned[row] == pytest.approx(expected.ravel())


def test_histories_outcomes_and_lists_turn_alike():
    pairs = [[{"slot": 10, "weight": 2.0}], [], [{"slot": 3, "weight": 1.0}]]
    kind = pa.list_(pa.struct([("slot", pa.int32()), ("weight", pa.float64())]))
    column = pd.Series(pairs, dtype=pd.ArrowDtype(kind), name="active_slots", index=[5, 6, 7])
    table = pd.DataFrame({"customer_id": ["a", "b", "c"], "active_slots": column.array})
    table["slot_counts"] = column.array
    shift = np.array([5.5, 1.0, -4.0])
    turned = rotate_histories(Histories.from_table(table), shift)
    lists = rotate_lists(column, shift)
    assert lists.index.tolist() == [5, 6, 7]
    assert lists.dtype == column.dtype
    assert [list(cell) for cell in lists] == [
        [{"slot": 15, "weight": 1.0}, {"slot": 16, "weight": 1.0}],
        [],
        [{"slot": 167, "weight": 1.0}],
    ]
    again = Histories.from_table(table.assign(active_slots=lists.array))
    assert (turned.counts.toarray() == again.counts.toarray()).all()
    assert turned.whole_counts.toarray()[0, 16] == 2.0  # reasons count whole events
    outcomes = Outcomes(Histories.from_table(table).counts, 2)
    assert (
        rotate_outcomes(outcomes, shift).weeks_active.toarray() == turned.counts.toarray()
    ).all()
    assert rotate_outcomes(outcomes, shift).channel_weeks is None


def test_the_customer_table_takes_the_zones_and_turns_its_weeks(world):
    _, is_known, counts, found = world
    lists = [
        [{"slot": int(s), "weight": float(w)} for s, w in zip(row.indices, row.data, strict=True)]
        for row in (counts[[i]] for i in range(300))
    ]
    kind = pa.list_(pa.struct([("slot", pa.int32()), ("weight", pa.float64())]))
    table = pd.DataFrame(
        {
            "customer_id": [str(i) for i in range(300)],
            "time_zone": WORLD[0],
            "time_zone_source": np.where(is_known[:300], "stated", "project"),
            "time_zone_confidence": np.where(is_known[:300], 1.0, 0.5),
            "active_slots": pd.Series(lists, dtype=pd.ArrowDtype(kind)),
        }
    )
    first = replace(
        found,
        zone=found.zone[:300],
        source=found.source[:300],
        confidence=found.confidence[:300],
        shift_hours=found.shift_hours[:300],
    )
    whole = add_inferred_zones(table, first)
    assert whole["time_zone_source"].tolist() == first.source.tolist()
    assert (whole["time_zone_confidence"][is_known[:300]] == 1.0).all()
    assert whole["time_zone_confidence"].notna().all()
    turned = Histories.from_table(whole).counts.toarray()
    assert turned == pytest.approx(rotate_slots(counts[:300], first.shift_hours).toarray())
    assert (table["time_zone"] == WORLD[0]).all()
