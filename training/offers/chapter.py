"""What the report says of offers: what they change, for whom, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from training.chapters import Grid, Picture, Section, make_grid, write_number, write_percent
from training.offers.plots import CELL_RULE, name_band, name_ranking
from training.offers.policies import EVERYBODY, LEVEL, NOBODY

Tables = Mapping[str, pd.DataFrame]


def write_offer_sections(tables: Tables, figures: Mapping[str, Figure]) -> list[Section]:
    """Write the sections on offers; none where there was no experiment.

    Parameters
    ----------
    tables : mapping of name to DataFrame
        Evidence of a training, with the tables of `OffersBacktest` among it.
    figures : mapping of name to Figure
        Of the same, with those of `make_offer_figures` among them.
    """
    if "offer_choices" not in tables or tables["offer_choices"].empty:
        return []
    return [
        _write_rankings(tables, figures),
        _write_cells(tables["offer_cells"], figures),
        _write_policies(tables["offer_policies"], figures),
    ]


def write_choice(ranking: str, scores: pd.DataFrame) -> str:
    """Say what is recommended for an offer, and what it was compared with.

    Parameters
    ----------
    ranking : str
        What is recommended, such as 'cell_rule'.
    scores : DataFrame
        `OffersBacktest.scores` of this offer.
    """
    learners = scores[scores["ranking"] != CELL_RULE].sort_values("qini", ascending=False)
    if learners.empty:
        return "there was nothing to compare the cell rule with"
    is_rule = ranking == CELL_RULE
    best = (learners if is_rule else learners[learners["ranking"] == ranking]).iloc[0]
    rule = scores.loc[scores["ranking"] == CELL_RULE, "qini"].iloc[0]
    about = (
        f"Qini {write_number(best['qini'], 4)} against {write_number(rule, 4)} of the cell rule, "
        f"difference {write_number(best['gain'], 4)} "
        f"[{write_number(best['low'], 4)}, {write_number(best['high'], 4)}]"
    )
    if not is_rule:
        return f"better than the cell rule: {about}"
    is_tie = best["low"] <= 0 <= best["high"]
    verdict = "a tie" if is_tie else "worse"
    name = name_ranking(str(best["ranking"]))
    return f"the best learner, {name}, has {about}: {verdict}, so the simpler rule stays"


def _write_rankings(tables: Tables, figures: Mapping[str, Figure]) -> Section:
    choices, scores = tables["offer_choices"], tables["offer_scores"]
    chosen = choices.assign(
        name=choices["ranking"].map(name_ranking),
        why=[
            write_choice(row["ranking"], scores[scores["offer"] == row["offer"]])
            for row in choices.to_dict("records")
        ],
    )
    n_rules = int((choices["ranking"] == CELL_RULE).sum())
    sentences = (
        "Learners of uplift and the cell rule ranked the same customers, each from fits that never "
        "saw them. A learner is recommended only where its whole interval, widened for the number "
        "of learners, lies above the cell rule; else the rule stays, which anybody can read.",
        f"No learner is shown to beat the cell rule for {n_rules} of {len(choices)} offers.",
        *_tell_notes(tables, [str(words) for words in choices["words"]]),
    )
    grid = make_grid(
        "What is recommended for each offer, and why",
        chosen,
        [("offer", "offer", None), ("name", "ranked by", None), ("why", "why", None)],
    )
    picture = Picture(
        figures["offer_rankings"],
        "Gain in Qini over the cell rule, by offer; in brackets each ranking's own Qini",
        "A chart an offer of the gain in Qini of each learner over the cell rule, with intervals; "
        "numbers below.",
    )
    return Section("Offers: rankings compared", sentences, (picture,), (grid, _list_scores(scores)))


def _list_scores(scores: pd.DataFrame) -> Grid:
    return make_grid(
        "Cross-validated Qini of each ranking, and its gain over the cell rule",
        scores.assign(name=scores["ranking"].map(name_ranking)),
        [
            ("offer", "offer", None), ("name", "ranking", None), ("qini", "Qini", 4),
            ("gain", "gain", 4), ("low", "low", 4), ("high", "high", 4),
        ],
    )  # fmt: skip


def _write_cells(cells: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    level = write_percent(LEVEL, 0)
    grid = make_grid(
        f"What each offer changed, by cell or band of its ranking, with {level} interval",
        cells.assign(name=cells["band"].astype(str).map(name_band)),
        [
            ("offer", "offer", None), ("name", "customers with", None),
            ("customers", "customers", 0), ("control", "without it", 2),
            ("effect", "change", 2), ("low", "low", 2), ("high", "high", 2),
        ],
        percent=("control", "effect", "low", "high"),
    )  # fmt: skip
    n_sure = int((cells["low"] > 0).sum())
    sentences = (
        "The share of customers with the outcome without the offer, and how much greater it is "
        "with it, from the experiments; an interval on both sides of 0 says that the offer may "
        f"change nothing there. The whole interval is above 0 in {n_sure} of {len(cells)} cells.",
    )
    picture = Picture(
        figures["offer_cells"],
        f"What each offer changed, by cell, with {level} intervals; in brackets the customers",
        "A chart an offer of the change in the outcome by cell, with intervals; numbers below.",
    )
    return Section("Offers: what they change, and for whom", sentences, (picture,), (grid,))


def _write_policies(policies: pd.DataFrame, figures: Mapping[str, Figure]) -> Section:
    grid = make_grid(
        "What each policy adds to offering nothing, in money a customer, with 95 % interval",
        policies.assign(name=policies["policy"].map(name_ranking)),
        [
            ("offer", "offer", None), ("name", "offered by", None),
            ("share_offered", "get it", 1), ("margin", "money a customer", 3),
            ("low", "low", 3), ("high", "high", 3),
        ],
        percent=("share_offered",),
    )  # fmt: skip
    sentences = (
        "Money is margin less the discount and the cost of contact, in the currency of the events. "
        "A ranking makes an offer only to customers where it is sure of a gain; every policy was "
        "fitted without the customers that it is judged on.",
        *(_tell_policy(str(offer), rows) for offer, rows in policies.groupby("offer", sort=False)),
    )
    picture = Picture(
        figures["offer_policies"],
        "What policies of offering add in money a customer; in brackets who gets the offer",
        "A chart an offer of the money that each policy adds, with intervals; numbers below.",
    )
    return Section("Offers: what policies are worth", sentences, (picture,), (grid,))


def _tell_policy(offer: str, rows: pd.DataFrame) -> str:
    """Say what the best policy adds, or that nothing beats offering nothing."""
    own = rows[rows["policy"] != NOBODY].sort_values("margin", ascending=False, kind="stable")
    sure = own[own["low"] > 0]
    if sure.empty:
        return f"{offer}: no policy is sure to add anything to offering nothing."
    best = sure.iloc[0]
    to_all = own[own["policy"] == EVERYBODY]
    other = (
        ""
        if to_all.empty or best["policy"] == EVERYBODY
        else f"; {name_ranking(EVERYBODY)} adds {_write_interval(to_all.iloc[0])}"
    )
    name = name_ranking(str(best["policy"]))
    return f"{offer}: {name} adds {_write_interval(best)} a customer{other}."


def _write_interval(row: Mapping[str, float] | pd.Series) -> str:
    low, high = write_number(float(row["low"]), 2), write_number(float(row["high"]), 2)
    return f"{write_number(float(row['margin']), 2)} [{low}, {high}]"


def _tell_notes(tables: Tables, told: Sequence[str]) -> list[str]:
    """Return the notes that say more than what was chosen."""
    notes = tables.get("offer_notes")
    if notes is None:
        return []
    return [str(note) for note in notes["note"] if not str(note).endswith(tuple(told))]
