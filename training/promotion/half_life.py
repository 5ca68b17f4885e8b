"""How fast habits fade: the half-life that told best what lies before the test windows."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from models.receptivity.send_time import EmpiricalBayes
from training.promotion.plan import Plan
from training.promotion.scores import score_customer_log_loss, score_share_loss
from training.promotion.slices import Slice, SliceReader

CANDIDATES = (30.0, 60.0, 120.0, 240.0, 3650.0)
"""Days; the last one is practically no fading within the years that a shop keeps."""

MAX_CUSTOMERS = 1000
"""Customers that each candidate's few strengths are fitted on."""


@dataclass(frozen=True)
class HalfLifeChoice:
    """A half-life, and why.

    Attributes
    ----------
    days : float
        What counts of habits are decayed with.
    table : DataFrame
        `half_life_days, log_loss, block_loss, is_chosen`, a row for each that was tried: nats per
        slot and week, and per activity among the three-hour blocks of the day. The losses of a
        half-life that was set are empty, as nothing else was tried.
    """

    days: float
    table: pd.DataFrame


def settle_half_life(reader: SliceReader, plan: Plan) -> HalfLifeChoice:
    """Choose the half-life of a reader that has none set, and let it read with that from here on.

    The empirical-Bayes chain is fitted with each candidate on the first window of the oldest fold
    and judged on the window after it, which ends where the first test window begins: no test sees
    weeks that chose.

    Parameters
    ----------
    reader : SliceReader
        Whose `half_life_days` is kept if it was set, or settled before.
    plan : Plan
        Of the backtest, or of the model that is published.
    """
    if reader.half_life_days is not None:
        return HalfLifeChoice(reader.half_life_days, _tabulate_set(reader.half_life_days))
    fold, n_weeks = plan.folds[0], plan.n_weeks
    fitted_on = reader.read_timing(fold.fit, n_weeks, CANDIDATES)
    judged_on = reader.read_timing(fold.calibration, n_weeks, CANDIDATES)
    rows = []
    for days in CANDIDATES:
        histories, outcomes = judged_on[days]
        model = EmpiricalBayes(half_life_days=days).fit(*_take_some(fitted_on[days]))
        probability = model.predict(histories)
        rows.append(
            {
                "half_life_days": days,
                "log_loss": float(score_customer_log_loss(probability, outcomes).mean()),
                "block_loss": score_share_loss(probability, outcomes, "block"),
            }
        )
    table = pd.DataFrame(rows)
    table["is_chosen"] = table.index == table["log_loss"].idxmin()
    chosen = float(table.loc[table["is_chosen"], "half_life_days"].iloc[0])
    reader.use_half_life(chosen, _write_note(table))
    return HalfLifeChoice(chosen, table)


def _take_some(found: Slice) -> Slice:
    """Return every so many customers: enough for the few strengths that a half-life goes with."""
    step = max(1, -(-len(found[0]) // MAX_CUSTOMERS))
    rows = slice(None, None, step)
    return found[0].take(rows), found[1].take(rows)


def _tabulate_set(days: float) -> pd.DataFrame:
    row = {"half_life_days": days, "log_loss": float("nan"), "block_loss": float("nan")}
    return pd.DataFrame([{**row, "is_chosen": True}])


def _write_note(table: pd.DataFrame) -> str:
    losses = dict(zip(table["half_life_days"], table["log_loss"], strict=True))
    best = min(losses, key=lambda days: losses[days])
    others = ", ".join(f"{days:g}: {loss:.5f}" for days, loss in losses.items() if days != best)
    return (
        f"habits count half after {best:g} days, chosen on weeks before the test windows by "
        f"log-loss ({losses[best]:.5f}; {others})"
    )
