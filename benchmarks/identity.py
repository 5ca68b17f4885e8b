"""Who is who: exact keys, Splink's proposals, limits, and how fast labels and messages go.

Two sets of people with errors and a known truth, by their authors: fake_1000 and 50,578 records of
historical figures. Exact keys are identifiers of the deterministic graph (an address; name and
birth date; postcode and birth date). Proposals are scored as if a steward accepted them all, alone
and together with the exact keys. Speed is measured on generated links, in a process of its own, so
that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.demand_data import DATA
from benchmarks.identity_table import write_results
from features.identity.agreement import score_pairs, score_people
from features.identity.graph import IdentityGraph
from features.identity.identifiers import Identifier, IdentityRules
from features.identity.labels import label_pairs, label_profiles
from features.identity.proposals import propose_matches
from features.identity.resolution import resolve

Result = dict[str, Any]
THRESHOLDS = (0.5, 0.8, 0.95, 0.99)
SEED, THREADS = 7, 2
UNLIMITED = 10**9
NAME_DATE, POST_DATE = "name and birth date", "postcode and birth date"
KEYS = {
    "email": ("email",),
    NAME_DATE: ("first_name", "surname", "birth_date"),
    POST_DATE: ("postcode", "birth_date"),
    "surname": ("surname",),
}
SETS: dict[str, Result] = {
    "fake_1000": {
        "keys": ("email", NAME_DATE),
        "names": {"unique_id": "profile", "dob": "birth_date"},
        "anchors": {"exact keys": 0.577, "proposals at .5": 0.916},
    },
    "historical_figures_with_errors_50k": {
        "keys": (NAME_DATE, POST_DATE),
        "names": {
            "unique_id": "profile", "dob": "birth_date", "birth_place": "city",
            "postcode_fake": "postcode",
        },
        "anchors": {"exact keys": 0.363, "proposals at .95": 0.828},
    },
}  # fmt: skip
PROFILES, LINKS, PEOPLE = 1_000_000, 2_500_000, 600_000


def run() -> Result:
    """Measure everything; JSON-able."""
    sets = {name: score_set(name) for name in SETS}
    return {
        "threads": THREADS,
        "sets": sets,
        "profiles": PROFILES,
        "links": LINKS,
        "scale": [_run_apart(how) for how in SCALES],
        "messages": time_messages(),
    }


def score_set(name: str) -> Result:
    """Score exact keys, a loose key and proposals on one set."""
    about = SETS[name]
    people = pd.read_parquet(DATA / f"{name}.parquet").rename(columns=about["names"])
    truth = people["cluster"].to_numpy()
    rows: list[Result] = []

    def add(what: str, label: np.ndarray, cost: Result) -> None:
        rows.append({"what": what, **cost, **_score(label, truth)})

    loose = (*about["keys"], "surname")
    for what, keys, limit in (
        ("exact keys", about["keys"], UNLIMITED),
        ("exact keys, limit 5", about["keys"], 5),
        ("surname alone", ("surname",), UNLIMITED),
        ("exact keys and surname", loose, UNLIMITED),
        ("exact keys and surname, limit 5", loose, 5),
    ):
        started = time.perf_counter(), time.process_time()
        label = label_by_keys(people, keys, limit)
        add(what, label, _stop(started))
    exact = label_by_keys(people, about["keys"], 5)
    pairs, cost = _propose(people)
    for threshold in THRESHOLDS:
        found = pairs[pairs["probability"] >= threshold]
        words = f"proposals at {threshold:g}".replace("0.", ".")
        add(words, _accept(people["profile"], found), cost)
        add(f"{words} and exact keys", _accept(people["profile"], found, exact), cost)
    known = {"records": len(people), "people": len(set(truth)), "anchors": about["anchors"]}
    return {**known, "rows": rows}


def label_by_keys(people: pd.DataFrame, keys: tuple[str, ...], limit: int) -> np.ndarray:
    """Return who is one person by keys; a record without a part of a key does not have the key."""
    links = [people[["profile"]].assign(kind=keys[0], value=None)]
    for key in keys:
        parts = people[list(KEYS[key])].dropna()
        value = parts.iloc[:, 0].str.cat(parts.iloc[:, 1:], sep="|")
        profile = people.loc[parts.index, "profile"]
        links.append(pd.DataFrame({"profile": profile, "kind": key, "value": value}))
    rules = IdentityRules(limits={}, usual_limit=limit, priority=keys)
    most = 100 if limit < UNLIMITED else UNLIMITED
    return label_profiles(pd.concat(links), rules, most_profiles=most).label


def _propose(people: pd.DataFrame) -> tuple[pd.DataFrame, Result]:
    words = ("first_name", "surname", "birth_date", "email", "city", "postcode", "occupation")
    columns = [column for column in ("profile", *words) if column in people]
    started = time.perf_counter(), time.process_time()
    found = propose_matches(people[columns], threshold=min(THRESHOLDS), seed=SEED, threads=THREADS)
    return found, _stop(started)


def _stop(started: tuple[float, float]) -> Result:
    seconds, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
    return {"seconds": seconds, "cpu": cpu}


def _accept(profile: pd.Series, pairs: pd.DataFrame, exact: np.ndarray | None = None) -> np.ndarray:
    """Return who is one person if all pairs are, and those that exact keys put together."""
    a, b = pairs["profile_a"], pairs["profile_b"]
    if exact is not None:
        first = profile.groupby(exact).transform("first")
        a, b = pd.concat([a, profile]), pd.concat([b, first])
    return label_pairs(profile, a, b)


def _score(label: np.ndarray, truth: np.ndarray) -> Result:
    pairs, people = score_pairs(label, truth), score_people(label, truth)
    return {
        "precision": pairs.precision,
        "recall": pairs.recall,
        "f1": pairs.f1,
        "people_f1": people.f1,
        "largest": int(np.bincount(label).max()),
    }


SCALES = {
    "whole numbers": {"limit": 5, "text": False},
    "text": {"limit": 5, "text": True},
    "text, limits of 1, which many people break": {"limit": 1, "text": True},
}


def label_here(how: str) -> Result:
    """Label a million generated profiles in this process, and measure it."""
    rng = np.random.default_rng(SEED)
    person = rng.integers(0, PEOPLE, PROFILES)
    profile = np.concatenate([np.arange(PROFILES), rng.integers(0, PROFILES, LINKS - PROFILES)])
    kind = rng.integers(0, 3, LINKS)
    value = person[profile] * 6 + kind * 2 + (rng.random(LINKS) < 0.15)
    links = pd.DataFrame({"profile": profile, "value": value})
    links["kind"] = np.array(["email", "phone", "device_id"])[kind]
    if SCALES[how]["text"]:
        links["profile"] = links["profile"].map("p{}".format)
        links["value"] = links["value"].map("{}@example.com".format)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    started, used = time.perf_counter(), time.process_time()
    found = label_profiles(links, IdentityRules(usual_limit=int(SCALES[how]["limit"])))
    return {
        "how": how,
        "seconds": time.perf_counter() - started,
        "cpu": time.process_time() - used,
        "gib_before": before,
        "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
        "people": int(found.label.max()) + 1,
        "demoted": len(found.demoted),
    }


def _run_apart(how: str) -> Result:
    command = [sys.executable, "-m", "benchmarks.identity", "--label", how]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: Result = json.loads(done.stdout)
    print(found, flush=True)
    return found


def time_messages(n: int = 200_000) -> Result:
    """Time the decision about one message, and whole messages through the graph in memory."""
    rules = IdentityRules()
    three = [Identifier("user_id", "u"), Identifier("email", "a@b"), Identifier("device_id", "d")]
    owners, members = dict.fromkeys(three, 1), {1: set(three)}
    known = min(_time_calls(lambda: resolve(three, owners, members, rules)) for _ in range(3))
    apart, sides = {three[0]: 1, three[2]: 2}, {1: three[:1], 2: three[2:]}
    joins = min(_time_calls(lambda: resolve(three, apart, sides, rules)) for _ in range(3))
    graph, rng = IdentityGraph(rules), np.random.default_rng(SEED)
    who = rng.integers(0, n // 10, n).tolist()
    device = rng.integers(0, 3, n).tolist()
    started = time.perf_counter()
    for k, (person, own) in enumerate(zip(who, device, strict=True)):
        found = [Identifier("device_id", f"{person}-{own}")]
        if k % 3 == 0:
            found.append(Identifier("user_id", str(person)))
        graph.add(str(k), found)
    each = n / (time.perf_counter() - started)
    return {"known_us": known, "joins_us": joins, "messages_a_second": each}


def _time_calls(call: Any, n: int = 50_000) -> float:
    started = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - started) / n * 1e6


def main() -> None:
    """Measure and write the page, or label in this process for a measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder of the results; without it none are")
    parser.add_argument("--label", metavar="HOW")
    given = parser.parse_args()
    if given.label:
        print(json.dumps(label_here(given.label)))
        return
    result = run()
    print(json.dumps(result, indent=2))
    if given.out:
        write_results(result, given.out)


if __name__ == "__main__":
    main()
