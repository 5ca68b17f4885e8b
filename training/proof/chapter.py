"""What the report says of a proof."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import Grid, Picture, Section, make_grid
from training.palette import name_of
from training.proof.estimators import DIRECT
from training.proof.plots import make_proof_figures
from training.proof.reliability import CHANNEL
from training.proof.verdict import BETTER, WORSE

Tables = Mapping[str, pd.DataFrame]
_ABOUT = (
    "What each policy would have earned on the sends of the test windows, had it chosen the block "
    "of the day and the log everything else. Sends that the policy would have made too count by "
    "how unlikely they were in the log. A policy was fixed before the first send that it is "
    "valued on.",
    "A claim needs all of: the doubly robust 99 % interval on one side of 0, the self-normalised "
    "estimate on the same side, enough effective sends, and a log that covers what would be sent. "
    "Customers were resampled whole. To be promoted, the policy has to be better than every "
    "baseline that counts.",
)
_DIRECT = (
    "The reward model alone flatters a policy that picks the greatest prediction: it is shown for "
    "comparison, and no verdict rests on it."
)


def write_proof_sections(tables: Tables) -> list[Section]:
    """Write the sections on the proven value of send times; none where there was no proof.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training, with those of `build_proof_tables` among it.
    """
    figures = make_proof_figures(tables)
    sections = []
    if "policy_gains" in tables:
        sections.append(_write_value(tables, figures))
    if "touch_scores" in tables and len(tables["touch_scores"]):
        sections.append(_write_touches(tables, figures))
    return sections


def write_proof_headline(gains: pd.DataFrame) -> str:
    """Return the verdicts of a proof as one sentence, in the order of the baselines.

    Parameters
    ----------
    gains : DataFrame
        `policy_gains`.
    """
    target = name_of(str(gains["target"].iloc[0]))
    if len(set(gains["words"])) == 1:
        return f"{target} before launch: {gains['words'].iloc[0]}."
    parts = [
        row["words"]
        if row["verdict"] in (BETTER, WORSE)
        else f"against the {name_of(str(row['baseline']))}: {row['words']}"
        for row in gains.to_dict("records")
    ]
    return f"{target} before launch: {'; '.join(parts)}."


def _write_value(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    gains, values = tables["policy_gains"], tables["policy_values"]
    notes = tuple(str(note) for note in tables["policy_notes"]["note"])
    about = _ABOUT if len(values) else ()
    direct = (_DIRECT,) if (values["estimator"] == DIRECT).any() else ()
    pictures = (
        (
            Picture(
                figures["policy_values"],
                "Value of each policy, and what the target gains over the others",
                "Two charts: value by policy and estimator, paired gains with intervals and "
                "verdicts; the numbers are below.",
            ),
        )
        if "policy_values" in figures
        else ()
    )
    verdicts = make_grid(
        f"What may be claimed of {name_of(str(gains['target'].iloc[0]))}, in reward a send",
        gains.assign(name=gains["baseline"].map(name_of)),
        [
            ("name", "over", None), ("words", "verdict", None), ("gain", "gain", 4),
            ("low", "95 % from", 4), ("high", "to", 4), ("relative", "relative", 1),
            ("check_gain", "self-normalised", 4), ("ess", "effective sends", 0),
            ("more_sends", "more sends needed", 0),
        ],
        percent=("relative",),
    )  # fmt: skip
    grids = (verdicts, _list_values(values)) if len(values) else (verdicts,)
    return Section(
        "What these send times are worth, before anything is sent",
        (write_proof_headline(gains), *about, *direct, *notes),
        pictures,
        grids,
    )


def _list_values(values: pd.DataFrame) -> Grid:
    return make_grid(
        "Value of each policy a send",
        values.assign(name=values["policy"].map(name_of)),
        [
            ("name", "policy", None), ("estimator", "estimator", None), ("value", "value", 4),
            ("low", "95 % from", 4), ("high", "to", 4), ("ess", "effective sends", 0),
            ("customers", "customers", 0), ("covered", "mean weight, about 100 %", 0),
            ("outside", "moved into the log", 1),
        ],
        percent=("covered", "outside"),
    )  # fmt: skip


def _write_touches(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    scores = tables["touch_scores"]
    grid = make_grid(
        "Predicted and observed engagement of the test windows",
        scores.assign(kind=scores["kind"].map({CHANNEL: "channel"}).fillna("hours of the day")),
        [
            ("group", "sends of", None), ("kind", "by", None), ("sends", "sends", 0),
            ("predicted", "predicted", 2), ("observed", "observed", 2),
            ("calibration_error", "calibration error", 4), ("brier", "Brier", 4),
            ("log_loss", "log-loss, nats", 4),
        ],
        percent=("predicted", "observed"),
    )  # fmt: skip
    return Section(
        "Whether the probabilities of engaging come true",
        (
            "On the dashed line, what was given a probability of 10 % was answered by 10 of 100. "
            "Bins hold equally many sends, the bars are Jeffreys' 95 % intervals.",
        ),
        (
            Picture(
                figures["touch_reliability"],
                "Observed against predicted engagement, by channel and by hours of the day",
                "Two charts of observed against predicted probability, a line a channel and a "
                "line a quarter of the day; their summary is below.",
            ),
        ),
        (grid,),
    )
