"""The decision log for people: counted, and written as canonical tables."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from features.errors import NotEnoughData
from features.project import Project
from features.schema import CUSTOMERS, Customers
from features.served.canonical import build_canonical_decisions, build_canonical_touches
from features.served.places import CHAMPION, OUTCOMES, Served
from features.served.pseudonyms import Pseudonyms, load_key
from features.served.tables import read_joined
from serving.customers.settings import is_store_used, open_database

_KEYS = ["date", Served.ROLE, Served.MODEL_VERSION, Served.POLICY]


@dataclass(frozen=True)
class Exported:
    """How much was written.

    Attributes
    ----------
    decisions, touches : int
    unknown : int
        Decisions left out, as nobody of the project has their pseudonym.
    """

    decisions: int
    touches: int
    unknown: int


def count_decisions(project: Project, day: date | None = None) -> pd.DataFrame:
    """Return counts of decisions, and of their outcomes, by day, role, model version and policy.

    Parameters
    ----------
    project : Project
    day : date, optional
        UTC; default: all.
    """
    joined = read_joined(project.workspace.root, since=day, until=day)
    told = joined.assign(
        date=joined[Served.DECIDED_AT].dt.strftime("%Y-%m-%d"),
        **{outcome: joined[f"{outcome}_at"].notna() for outcome in OUTCOMES},
    )
    groups = told.groupby(_KEYS, sort=True)
    counts = groups[list(OUTCOMES)].sum()
    counts.insert(0, "decisions", groups.size())
    return counts.reset_index()


def export_decisions(project: Project, out: Path, touches: Path | None = None) -> Exported:
    """Write the champion's decisions as the canonical table `decisions`, and what was sent.

    Parameters
    ----------
    project : Project
    out : Path
        Parquet; can be named in the project file as `[tables.decisions] path`.
    touches : Path, optional
        Parquet; the same as `[tables.touches] path`.

    Raises
    ------
    NotEnoughData
        If nothing is compacted, or no table of customers is there.
    """
    root = project.workspace.root
    joined = read_joined(root)
    if joined.empty:
        raise NotEnoughData(
            "decisions: expected rows in the log, got none; serve, ask /v1/send-times, then run "
            "almanac decisions compact"
        )
    customers, names = list_customers(project), Pseudonyms(load_key(root))
    decisions = build_canonical_decisions(joined, customers, names)
    _write(decisions, out)
    n_touches = 0
    if touches is not None:
        sent = build_canonical_touches(joined, customers, names)
        _write(sent, touches)
        n_touches = len(sent)
    is_meant = (joined[Served.ROLE] == CHAMPION) & joined[Served.CHOSEN].notna()
    return Exported(len(decisions), n_touches, int(is_meant.sum()) - len(decisions))


def list_customers(project: Project) -> set[str]:
    """Return the ids of the customers of a project: of its tables, and of the store.

    Raises
    ------
    NotEnoughData
        If there are none.
    """
    path = project.workspace.table(CUSTOMERS.name)
    known = set[str]()
    if path.exists():
        known |= set(pq.read_table(path, columns=[Customers.CUSTOMER_ID])[0].to_pylist())
    if is_store_used(project):
        with closing(open_database(project).connect()) as session:
            known |= {row[0] for row in session.rows("SELECT customer_id FROM profiles")}
    if not known:
        raise NotEnoughData(
            f"{path}: expected the project's customers, got none; run almanac features first"
        )
    return known


def _write(table: pd.DataFrame, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    table.to_parquet(partial, index=False)
    partial.replace(out)
