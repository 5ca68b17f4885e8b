import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from features.errors import MissingColumn, OutOfRange
from models.receptivity.counts import read_counts
from models.receptivity.histories import Histories, Outcomes

SLOTS = [
    [{"slot": 3, "weight": 1.5}, {"slot": 167, "weight": 0.5}],
    [],
    [{"slot": 0, "weight": 2.0}],
]


def make_table(slots=SLOTS):
    return pd.DataFrame(
        {
            "customer_id": ["b", "a", "c"],
            "region_id": ["north", None, "east"],
            "active_slots": slots,
            "active_count": [4.0, 0.0, 2.0],
            "tenure_days": [30.0, np.nan, 7.0],
            "last_channel": ["web", "app", None],
        }
    )


def test_reads_counts_segments_and_numbers_in_the_tables_order():
    table = make_table()
    before = table.copy(deep=True)

    histories = Histories.from_table(table)

    assert histories.customer_id.tolist() == ["b", "a", "c"]
    assert histories.counts.toarray()[0, [3, 167]].tolist() == [1.5, 0.5]
    assert histories.events.tolist() == [2.0, 0.0, 2.0]
    assert histories.own_events.tolist() == [4.0, 0.0, 2.0]
    assert histories.segment_names == ("east", "north")
    assert histories.segment_codes.tolist() == [1, -1, 0]
    assert histories.level_names == ("active_count", "tenure_days")
    assert np.isnan(histories.tenure_days[1])
    pd.testing.assert_frame_equal(table, before)


def test_reads_arrow_lists_as_it_reads_python_lists():
    # the first field is the slot, the second the weight, whatever the engine calls them
    kind = pa.list_(pa.struct([("key", pa.int32()), ("value", pa.float64())]))
    lists = [[(row["slot"], row["weight"]) for row in rows] for rows in SLOTS]
    table = make_table().assign(active_slots=pd.arrays.ArrowExtensionArray(pa.array(lists, kind)))

    found = Histories.from_table(table).counts.toarray()

    assert np.array_equal(found, Histories.from_table(make_table()).counts.toarray())


def test_reads_slots_in_any_order_and_leaves_the_column_as_it_is():
    kind = pa.list_(pa.struct([("slot", pa.int32()), ("weight", pa.float64())]))
    week = [{"slot": 9, "weight": 1.0}, {"slot": 3, "weight": 2.0}, {"slot": 9, "weight": 4.0}]
    column = pd.Series([week, []], dtype=pd.ArrowDtype(kind), name="active_slots")
    before = column.copy(deep=True)

    counts = read_counts(column, "active_slots")

    assert counts.toarray()[0, [3, 9]].tolist() == [2.0, 5.0]
    assert counts.nnz == 2
    pd.testing.assert_series_equal(column, before)


def test_reads_a_slice_of_an_arrow_column():
    kind = pa.list_(pa.struct([("slot", pa.int32()), ("weight", pa.float64())]))
    lists = [[(row["slot"], row["weight"]) for row in rows] for rows in SLOTS]
    table = make_table().assign(active_slots=pd.arrays.ArrowExtensionArray(pa.array(lists, kind)))

    histories = Histories.from_table(table.iloc[2:])

    assert histories.counts.toarray()[0, 0] == 2.0
    assert histories.events.tolist() == [2.0]


@pytest.mark.parametrize("slots", [[[], [], []], [None, None, None]])
def test_customers_without_any_activity_have_empty_counts(slots):
    assert Histories.from_table(make_table(slots)).counts.nnz == 0


def test_without_count_and_tenure_the_decayed_events_stand_in():
    table = make_table().drop(columns=["active_count", "tenure_days", "region_id"])

    histories = Histories.from_table(table)

    assert histories.own_events.tolist() == [2.0, 0.0, 2.0]
    assert np.isnan(histories.tenure_days).all()
    assert histories.segment_codes.tolist() == [-1, -1, -1]
    assert histories.level_features.shape == (3, 0)


@pytest.mark.parametrize("column", ["customer_id", "active_slots"])
def test_refuses_a_table_without_what_it_needs(column):
    with pytest.raises(MissingColumn, match=column):
        Histories.from_table(make_table().drop(columns=column))


@pytest.mark.parametrize(("slot", "weight"), [(168, 1.0), (-1, 1.0), (0, -0.5), (0, np.nan)])
def test_refuses_slots_and_weights_that_cannot_be(slot, weight):
    slots = [[{"slot": slot, "weight": weight}], [], []]
    with pytest.raises(OutOfRange, match="active_slots"):
        Histories.from_table(make_table(slots))


def test_unknown_customers_have_nothing_but_perhaps_a_segment():
    histories = Histories.unknown(["x", "y"], ["east", "nowhere"])

    assert histories.events.tolist() == [0.0, 0.0]
    assert histories.codes_in(("east", "north")).tolist() == [0, -1]
    assert Histories.unknown(["x"]).codes_in(("east",)).tolist() == [-1]


def test_features_are_found_by_name():
    histories = Histories.from_table(make_table())

    assert histories.features_in(["tenure_days"])[:, 0].tolist()[0] == 30.0
    with pytest.raises(MissingColumn, match="spend_30d"):
        histories.features_in(["spend_30d"])


def test_taking_rows_takes_everything_of_them():
    taken = Histories.from_table(make_table()).take(np.array([2, 0]))

    assert taken.customer_id.tolist() == ["c", "b"]
    assert taken.events.tolist() == [2.0, 2.0]
    assert taken.own_events.tolist() == [2.0, 4.0]
    assert taken.segment_codes.tolist() == [0, 1]
    assert taken.level_features[:, 1].tolist() == [7.0, 30.0]


def test_outcomes_line_up_with_the_customers():
    table = pd.DataFrame(
        {"customer_id": ["c", "b", "new", "c"], "slot": [5, 0, 9, 6], "weeks_active": [2, 1, 4, 3]}
    )

    outcomes = Outcomes.from_table(table, np.array(["a", "b", "c"], dtype=object), n_weeks=4)

    expected = np.zeros((3, 168))
    expected[1, 0], expected[2, 5], expected[2, 6] = 1, 2, 3
    assert np.array_equal(outcomes.weeks_active.toarray(), expected)
    assert outcomes.totals.tolist() == [0.0, 1.0, 5.0]
    assert outcomes.take(np.array([2])).totals.tolist() == [5.0]
    assert isinstance(outcomes.weeks_active, sparse.csr_array)


def test_outcomes_refuse_more_weeks_than_there_are():
    table = pd.DataFrame({"customer_id": ["a"], "slot": [5], "weeks_active": [5]})
    with pytest.raises(OutOfRange, match="from 0 to 4, got 5"):
        Outcomes.from_table(table, np.array(["a"], dtype=object), n_weeks=4)


def test_ten_thousand_events_in_a_day_are_at_most_the_hours_of_that_day():
    robot = [{"slot": slot, "weight": 400.0} for slot in range(24, 48)]
    table = make_table([robot, [{"slot": 3, "weight": 2.5}], []])
    table["active_count"] = [9600.0, 4.0, 0.0]
    table["active_weeks_364d"] = [1.0, 3.0, 0.0]
    table["channel_slots"] = [[{"slot": 168 + 30, "weight": 400.0}], [], []]

    histories = Histories.from_table(table)

    assert histories.events.tolist() == [24.0, 2.5, 0.0]
    assert histories.of_channel("app")[[0], :].toarray()[0, 30] == 1.0
    assert histories.of_channel("web").nnz == 0
    assert histories.own_events.tolist()[0] == 9600.0  # what is told stays what was counted


def test_habits_older_than_a_year_still_count_once():
    table = make_table([[{"slot": 3, "weight": 0.25}], [{"slot": 3, "weight": 7.0}], None])
    table["active_weeks_364d"] = 0.0
    assert Histories.from_table(table).events.tolist() == [0.25, 1.0, 0.0]


def test_whole_counts_are_read_as_they_are():
    table = make_table()
    table["slot_counts"] = [[{"slot": 4, "weight": 9.0}], [], []]
    table["active_weeks_364d"] = 1.0
    histories = Histories.from_table(table)
    assert histories.whole_counts.toarray()[0, 4] == 9.0
    assert histories.take(np.array([1, 0])).whole_counts.toarray()[1, 4] == 9.0


def test_outcomes_by_channel_stand_beside_those_of_any():
    table = pd.DataFrame(
        {
            "customer_id": ["a", "a", "b"],
            "channel": [None, "store", "web"],
            "slot": [5, 5, 7],
            "weeks_active": [2, 1, 4],
        }
    )

    outcomes = Outcomes.from_table(table, np.array(["a", "b"], dtype=object), n_weeks=4)

    assert outcomes.totals.tolist() == [2.0, 0.0]
    assert outcomes.of_channel("store").weeks_active.toarray()[0, 5] == 1.0
    assert outcomes.of_channel("web").totals.tolist() == [0.0, 4.0]
    assert outcomes.take(np.array([1])).of_channel("web").totals.tolist() == [4.0]
