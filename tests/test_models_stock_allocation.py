import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from models.stock.allocation import allocate_units


def profit_by_loop(samples, stock, margin, overage):
    return np.mean([margin * min(d, stock) - overage * max(stock - d, 0) for d in samples])


def best_by_milp(samples, supply, margin, overage, on_hand, minimum, maximum, pack):
    """One binary per location and number of packs: the exact optimum, concave or not."""
    value, location, packs = [], [], []
    for at, drawn in enumerate(samples):
        base = profit_by_loop(drawn, on_hand[at], margin[at], overage[at])
        for count in range(int(supply // pack) + 1):
            if minimum[at] <= count * pack + 1e-9 and count * pack <= maximum[at] + 1e-9:
                stock = on_hand[at] + count * pack
                value.append(profit_by_loop(drawn, stock, margin[at], overage[at]) - base)
                location.append(at)
                packs.append(count)
    one = np.array([[float(at == row) for at in location] for row in range(len(samples))])
    result = milp(
        -np.array(value),
        integrality=np.ones(len(value)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(one, 1, 1),
            LinearConstraint(np.array([packs]) * pack, -np.inf, supply),
        ],
        options={"mip_rel_gap": 0.0},
    )
    return -result.fun


def draw_case(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    samples = rng.negative_binomial(2, 0.3, (n, 12)).astype(float)
    margin, overage = rng.integers(1, 9, n).astype(float), rng.integers(0, 4, n).astype(float)
    on_hand = rng.integers(0, 4, n).astype(float)
    pack = float(rng.choice([1.0, 2.0, 3.0]))
    minimum = rng.choice([0.0, 0.0, 2.0], n)
    maximum = minimum + rng.choice([3.0, 6.0, np.inf], n)
    supply = float(rng.integers(14, 26))
    return samples, supply, margin, overage, on_hand, minimum, maximum, pack


@pytest.mark.parametrize("seed", range(40))
def test_greedy_is_the_optimum_of_the_milp(seed):
    samples, supply, margin, overage, on_hand, minimum, maximum, pack = draw_case(seed)

    found = allocate_units(
        samples,
        supply,
        margin=margin,
        overage_cost=overage,
        on_hand=on_hand,
        minimum=minimum,
        maximum=maximum,
        pack_size=pack,
    )

    best = best_by_milp(samples, supply, margin, overage, on_hand, minimum, maximum, pack)
    assert found.gain.sum() == pytest.approx(best, abs=1e-7)
    assert found.units.sum() + found.left_over == pytest.approx(supply)
    assert (found.units >= minimum).all()
    assert (found.units <= maximum).all()
    assert not np.any(np.mod(found.units, pack))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=2, max_size=3),
    st.integers(0, 8),
)
def test_no_split_of_the_units_is_better_by_enumeration(samples, supply):
    found = allocate_units(samples, supply, margin=2.0, overage_cost=0.5)

    best = max(
        sum(profit_by_loop(d, x, 2.0, 0.5) for d, x in zip(samples, split, strict=True))
        for split in itertools.product(range(supply + 1), repeat=len(samples))
        if sum(split) <= supply
    )
    assert found.gain.sum() == pytest.approx(best)


def test_by_hand():
    # P(D >= 1) = 1, P(D >= 3) = P(D >= 2) = .5; and 1 up to four
    found = allocate_units([[1, 3], [4, 4]], 6, margin=1.0)

    assert found.units.tolist() == [2.0, 4.0]
    assert found.gain.tolist() == [1.5, 4.0]
    assert found.next_pack_gain == 0.5
    assert found.left_over == 0.0


def test_ties_are_shared_in_turn_and_by_order():
    found = allocate_units(np.full((3, 5), 10.0), 7, margin=1.0)

    assert found.units.tolist() == [3.0, 2.0, 2.0]


def test_units_that_nobody_gains_by_are_kept():
    found = allocate_units([[2, 2], [1, 1]], 10, margin=1.0, overage_cost=0.1)

    assert found.units.tolist() == [2.0, 1.0]
    assert found.left_over == 7.0
    assert found.next_pack_gain == 0.0


def test_a_minimum_is_given_even_at_a_loss():
    found = allocate_units([[0, 0], [9, 9]], 5, margin=1.0, overage_cost=1.0, minimum=[2, 0])

    assert found.units.tolist() == [2.0, 3.0]
    assert found.gain.tolist() == [-2.0, 3.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"supply": -1}, "supply: expected"),
        ({"samples": [[np.nan]]}, "samples: expected numbers >= 0, got nan"),
        ({"samples": [1.0, 2.0]}, "samples: expected shape"),
        ({"samples": np.zeros((0, 3))}, "none empty"),
        ({"samples": [[np.inf], [1.0]]}, "finite"),
        ({"minimum": 9}, "lower the minimums"),
        ({"minimum": 3, "maximum": 2}, "room for the minimum"),
        ({"margin": [1, 2, 3]}, "margin: expected one number or shape"),
        ({"pack_size": 0}, "pack_size"),
        ({"on_hand": np.nan}, "on_hand"),
    ],
)
def test_bad_input_is_refused(changes, words):
    given_ = {"samples": [[1, 2], [3, 4]], "supply": 10, "margin": 1.0, **changes}

    with pytest.raises(ValueError, match=words):
        allocate_units(given_.pop("samples"), given_.pop("supply"), **given_)
