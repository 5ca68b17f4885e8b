"""Who might be one person: pairs for a steward to look at, with a probability and reasons.

Splink's model (Fellegi and Sunter's) is trained on the records themselves, without labels. Nothing
is ever merged here, and nothing below the threshold is proposed.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import duckdb
import pandas as pd

from features.errors import InvalidRequest, NotEnoughData
from features.identity.comparisons import (
    PAIRS,
    PERSON_COLUMNS,
    SURE,
    TRAINED_ON,
    Comparison,
    build_comparisons,
    load_splink,
    select_broad,
    select_rules,
)

PROFILE = "profile"
PROPOSAL_COLUMNS = ("profile_a", "profile_b", "probability", "reasons")
FEWEST = 100
"""Records without which nothing can be learnt about them."""
SHARE_FOUND = 0.6
"""Of pairs that are one person, those that `SURE` is taken to find; a start for training."""
PLACE = "_place"
"""Of a record in its table: the name by which Splink knows it."""
_QUIET = logging.NullHandler()
"""Splink's warnings go where the application's logging sends them, and nowhere else."""
SAMPLED_PAIRS, TRAINING_PAIRS = 2e6, 1e6


def propose_matches(
    people: pd.DataFrame, *, threshold: float, seed: int = 7, threads: int = 1
) -> pd.DataFrame:
    """Propose pairs of records that may be one person.

    Parameters
    ----------
    people : DataFrame with `profile` and at least two other columns
        One row per record: `first_name, surname, birth_date (year-month-day), email, phone,
        postcode, city` as text, of which at least one rule of `comparisons.PAIRS` can be had; other
        columns are compared for equality. Missing values are allowed; a column of one value says
        nothing.
    threshold : float
        Pairs below this probability are not proposed; above 0, below 1.
    seed : int
        Of the sample of pairs; the same seed and one thread give the same proposals.
    threads : int

    Returns
    -------
    DataFrame with `profile_a`, `profile_b`, `probability`, `reasons`
        The likeliest pair first; reasons such as "same name, birth date one digit apart".

    Raises
    ------
    InvalidRequest
        If the threshold or the table is not as said, or the extra `identity` is not installed.
    NotEnoughData
        If there are fewer than 100 records, or too few of them resemble each other.

    References
    ----------
    .. [1] Fellegi & Sunter (1969), "A Theory for Record Linkage", JASA 64.
    .. [2] Linacre et al. (2022), "Splink: Free software for probabilistic record linkage at scale".
    """
    _check(people, threshold)
    records = people.drop(columns=PROFILE).astype("string").replace("", pd.NA)
    columns = _find_telling(records)
    comparisons = build_comparisons(columns)
    records = records[columns].assign(**{PLACE: range(len(people))})
    with duckdb.connect(config={"threads": threads}) as connection:
        linker = _fit_linker(connection, records, comparisons, seed)
        found = linker.inference.predict(
            threshold_match_probability=threshold, warning_mode="never"
        ).as_pandas_dataframe()
    return _describe(found, people[PROFILE], comparisons)


def _check(people: pd.DataFrame, threshold: float) -> None:
    if not 0 < threshold < 1:
        raise InvalidRequest(
            f"threshold: expected a probability above 0 and below 1, got {threshold}. "
            "Take 0.95 to be sure, 0.5 to see what is likelier than not."
        )
    columns = [column for column in _find_telling(people) if column != PROFILE]
    if PROFILE not in people or not select_rules(PAIRS, columns):
        raise InvalidRequest(
            f"people cannot be compared: expected the column {PROFILE} and some of "
            f"{', '.join(PERSON_COLUMNS)}, such as email, or surname and birth_date; got "
            f"{', '.join(map(str, people.columns)) or 'none'}. Rename the columns."
        )
    odd = [str(column) for column in people.columns if not str(column).isidentifier()]
    if odd:
        raise InvalidRequest(
            f"people cannot be compared: expected columns named in letters, digits and _, got "
            f"{', '.join(odd)}. Rename or drop them."
        )
    if people[PROFILE].isna().any() or people[PROFILE].duplicated().any():
        raise InvalidRequest(
            f"people cannot be compared: expected each {PROFILE} once, got repeats or gaps. "
            "Give one row per record."
        )
    if len(people) < FEWEST:
        raise NotEnoughData(
            f"people cannot be compared: expected at least {FEWEST} records to learn from, got "
            f"{len(people)}. Look at them by hand."
        )


def _find_telling(people: pd.DataFrame) -> list[str]:
    """Return the columns that have more than one value."""
    counts = people.nunique()
    return [str(column) for column in counts.index[counts > 1]]


def _fit_linker(
    connection: duckdb.DuckDBPyConnection,
    records: pd.DataFrame,
    comparisons: Sequence[Comparison],
    seed: int,
) -> Any:
    """Return a trained linker, begun anew without a rule that turns out to teach nothing."""
    rules = select_rules(TRAINED_ON, list(records.columns))
    while rules:
        linker = _make_linker(connection, records, comparisons)
        useless = _train(linker, list(records.columns), rules, seed)
        if not useless:
            return linker
        rules.remove(useless)
    raise NotEnoughData(
        "people cannot be compared: expected records that resemble each other to learn from, "
        "got none. Give more records or more columns."
    )


def _make_linker(
    connection: duckdb.DuckDBPyConnection,
    records: pd.DataFrame,
    comparisons: Sequence[Comparison],
) -> Any:
    splink = load_splink()
    logging.getLogger("splink").addHandler(_QUIET)
    columns = list(records.columns)
    rules = (*select_rules(PAIRS, columns), *select_broad(records))
    settings = splink.SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name=PLACE,
        comparisons=[_translate(comparison) for comparison in comparisons],
        blocking_rules_to_generate_predictions=[splink.block_on(*rule) for rule in rules],
    )
    table = splink.DuckDBAPI(connection).register(records)
    return splink.Linker(table, settings, log_level=None)


def _translate(comparison: Comparison) -> Any:
    """Return a comparison as Splink wants it; it says nothing where all its columns are missing."""
    level = load_splink("comparison_level_library")
    nulls = [level.NullLevel(column) for column in comparison.columns]
    missing = nulls[0] if len(nulls) == 1 else level.And(*nulls).configure(is_null_level=True)
    levels = [missing, *comparison.levels, level.ElseLevel()]
    return load_splink("comparison_library").CustomComparison(levels, comparison.name)


def _train(
    linker: Any, columns: Sequence[str], rules: Sequence[list[str]], seed: int
) -> list[str] | None:
    """Learn what agreement is worth, from the records alone; return a rule that teaches nothing."""
    block_on = load_splink().block_on
    failed = load_splink("internals.exceptions").EMTrainingException
    training = linker.training
    sure = [block_on(*rule) for rule in select_rules(SURE, columns)]
    if sure:
        training.estimate_probability_two_random_records_match(sure, recall=SHARE_FOUND)
    training.estimate_u_using_random_sampling(max_pairs=SAMPLED_PAIRS, seed=seed)
    for rule in rules:
        try:
            training.estimate_parameters_using_expectation_maximisation(
                block_on(*rule), max_pairs=TRAINING_PAIRS
            )
        except (failed, ValueError):  # no such pairs, or all of them alike
            return rule
    return None


def _describe(
    found: pd.DataFrame, profile: pd.Series, comparisons: Sequence[Comparison]
) -> pd.DataFrame:
    """Return proposals with names and words instead of places and levels."""
    names = profile.to_numpy()
    a, b = (found[f"{PLACE}_{side}"].to_numpy() for side in "lr")
    proposals = pd.DataFrame(
        {
            "profile_a": names[a],
            "profile_b": names[b],
            "probability": found["match_probability"].to_numpy(),
            "reasons": _say_why(found, comparisons),
        }
    )
    order = ["probability", "profile_a", "profile_b"]
    return proposals.sort_values(order, ascending=[False, True, True], ignore_index=True)


def _say_why(found: pd.DataFrame, comparisons: Sequence[Comparison]) -> list[str]:
    """Return the words of the levels that the pairs reached; Splink numbers the weakest 0."""
    said = []
    for comparison in comparisons:
        words = dict(enumerate(reversed(comparison.words), start=1))
        said.append(found[f"gamma_{comparison.name}"].map(words).fillna("").tolist())
    return [", ".join(filter(None, words)) for words in zip(*said, strict=True)]
