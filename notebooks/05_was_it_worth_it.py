# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Was it worth it?
#
# Two questions that a plain average answers wrongly. *Would other send times have earned more?* and
# *do customers of several channels spend more because of the channels?* Both are asked here of made
# data whose truth is known, so that you can see which answer to believe, and then of your own.
#
# **Needs** nothing; what `ALMANAC_PROJECT` names, else the demo (`make demo` makes it), is looked
# at in the last part where it is there. **Takes** about a minute. Open it in Jupyter through
# jupytext, or run it as a script.

# %%
import os
from datetime import timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from features.door.tables import build_tables
from features.engine import open_engine
from features.errors import NotEnoughData
from features.journeys.mixes import build_mixes
from features.progress import Silent
from features.project import load_project
from training.lifecycle import read_evidence
from training.omnichannel.lift import estimate_lift
from training.omnichannel.plots import draw_lift
from training.omnichannel.value_chapter import write_lift
from training.proof.logged import BLOCK_NAMES, LoggedSends
from training.proof.plots import draw_policy_gains, draw_policy_values
from training.proof.policies import choose_best, choose_randomly, follow_histogram
from training.proof.proof import prove
from training.proof.tables import tabulate_proof

rng = np.random.default_rng(7)

# %% [markdown]
# ## A log of messages, and what is true of it
#
# 4,000 customers with a block of three hours in which they answer most, told by what they do by
# themselves. The sender wrote to keen customers in the evening and to others in the morning, and
# drew one message of five at a permitted moment by chance: the random arm that `almanac
# plan-campaign` keeps, with the probability of each send logged.

# %%
n_customers, sends, n_blocks = 4000, 10, len(BLOCK_NAMES)
favourite = rng.integers(2, n_blocks, n_customers)
keen = np.exp(rng.normal(0, 0.6, n_customers))
away = np.abs(np.arange(n_blocks) - favourite[:, None])
away = np.minimum(away, n_blocks - away)
answer_rate = np.minimum(0.12 * keen[:, None] * np.exp(-0.3 * away**2) + 0.03, 0.9)
activity = rng.poisson(5 * np.exp(-0.5 * away**2) + 0.3)
usual = np.where(keen > 1.2, 6, np.where(keen > 0.8, 4, 3))
chance = np.full((n_customers, n_blocks), 0.2 / n_blocks)
chance[np.arange(n_customers), usual] += 0.8

customer = np.repeat(np.arange(n_customers), sends)
row = np.arange(len(customer))
drawn = rng.random(len(row))[:, None]
block = (chance[customer].cumsum(axis=1) > drawn).argmax(axis=1)
answered = (rng.random(len(row)) < answer_rate[customer, block]).astype(float)
context = np.column_stack([keen[customer], activity[customer]])
log = LoggedSends(
    customer=customer,
    action=block,
    reward=answered,
    propensity=chance[customer, block],
    context=context,
    allowed=np.ones((len(row), n_blocks), dtype=bool),
    per_action=activity[customer][:, :, None].astype(float),
)
print(f"{len(log):,} messages to {log.n_customers} customers, {answered.mean():.1%} answered")

# %% [markdown]
# ## What a plain average says
#
# Answers by block of the day, as a dashboard shows them, beside the truth: what everybody would
# answer there. The evening looks best because the keen were written to in the evening.

# %%
averages = pd.Series(answered).groupby(block).mean()
truth = answer_rate.mean(axis=0)
figure, axes = plt.subplots(figsize=(10, 3.2), layout="constrained")
axes.bar(
    np.arange(n_blocks) - 0.2, averages, width=0.4, color="#E69F00", label="average of the log"
)
axes.bar(np.arange(n_blocks) + 0.2, truth, width=0.4, color="#0072B2", label="truth")
axes.set_xticks(range(n_blocks), BLOCK_NAMES)
axes.set(title="Answers by block of the day", xlabel="local time", ylabel="share answered")
axes.legend(frameon=False)
plt.show()
best_by_average = int(averages.idxmax())
print(f"the average names {BLOCK_NAMES[best_by_average]}, where the truth is "
      f"{truth[best_by_average]:.1%}; best for everybody is {BLOCK_NAMES[int(truth.argmax())]} "
      f"with {truth.max():.1%}")  # fmt: skip

# %% [markdown]
# ## What policies would have earned, from the same log
#
# A policy says with which probability it would have sent each message in each block. `prove` values
# them doubly robustly: a model of the answers, corrected by the sends that the policy would have
# made too, weighed by how unlikely they were in the log. Customers are resampled whole.
#
# The target sends in a customer's own busiest block, its neighbours counted by half. Policies must
# be fixed before the messages that they are valued on: `activity` was known before.

# %%
near = activity + 0.5 * (np.roll(activity, 1, axis=1) + np.roll(activity, -1, axis=1))
policies = {
    "response": choose_best(near[customer], log.allowed),
    "best_global_hour": choose_best(np.eye(n_blocks)[best_by_average], log.allowed),
    "customer_histogram": follow_histogram(activity[customer], activity.sum(axis=0), log.allowed),
    "random": choose_randomly(log.allowed),
}
proof = prove(log, policies, target="response", rng=np.random.default_rng(1), n_resamples=1000)
found = tabulate_proof(proof)
true_values = {name: float((p * answer_rate[customer]).sum(axis=1).mean())
               for name, p in policies.items()}  # fmt: skip
robust = found["policy_values"].query("estimator == 'doubly robust'").set_index("policy")
comparison = robust.loc[list(policies), ["value", "low", "high", "ess"]].assign(
    truth=pd.Series(true_values)
)
comparison.round(4)

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 4), layout="constrained")
draw_policy_values(left, found["policy_values"], target="response")
for place, name in enumerate(dict.fromkeys(found["policy_values"]["policy"])):
    if name in true_values:
        left.plot([true_values[name]], [place], "k|", ms=22, label="truth" if place == 0 else None)
left.legend(fontsize=8, frameon=False)
draw_policy_gains(right, found["policy_gains"])
plt.show()
for verdict in proof.verdicts:
    print(f"over {verdict.baseline}: {verdict.words}")

# %% [markdown]
# Each truth should lie within its interval (19 of 20 do). A claim needs more: the 99 % interval on
# one side of zero, enough effective sends, and a log that holds what would be sent. Otherwise the
# verdict is that there is not enough evidence, and about how many more sends it would take. So it
# is with a fifth of these customers: the gain is as great, and nothing may be claimed of it.

# %%
few = customer < n_customers // 5
early_log = LoggedSends(
    customer=customer[few], action=block[few], reward=answered[few],
    propensity=log.propensity[few], context=context[few], allowed=log.allowed[few],
)  # fmt: skip
early_policies = {name: policy[few] for name, policy in policies.items()}
early = prove(early_log, early_policies, target="response", rng=np.random.default_rng(1))
for verdict in early.verdicts:
    print(f"over {verdict.baseline}: {verdict.words}")

# %% [markdown]
# ## Without a random arm nothing can be proven
#
# The same customers, every message at the sender's usual block. The answer is no number.

# %%
fixed = usual[customer]
fixed_answers = (rng.random(len(row)) < answer_rate[customer, fixed]).astype(float)
silent_log = LoggedSends(
    customer=customer, action=fixed, reward=fixed_answers, propensity=np.ones(len(row)),
    context=log.context, allowed=log.allowed, per_action=log.per_action,
)  # fmt: skip
silent = prove(silent_log, policies, target="response", rng=np.random.default_rng(1))
for verdict in silent.verdicts:
    print(f"over {verdict.baseline}: {verdict.words}")

# %% [markdown]
# That is what the random arm and the exploration of `[campaign]` are for: a few messages at drawn
# moments are the price of knowing.
#
# ## What several channels are worth
#
# 4,000 customers. Who bought more before uses several channels more often; the channels themselves
# add 10 % to orders. Raw, those customers spend far more: most of it they would have spent anyway.

# %%
n, true_lift = 4000, 0.10
earlier = rng.poisson(rng.gamma(2.0, 2.0, n))
baseline = 2 + rng.poisson(0.5 + 0.6 * earlier)
log_odds = -2.0 + 1.2 * np.log1p(earlier) + 0.4 * np.log1p(baseline)
is_several = rng.random(n) < 1 / (1 + np.exp(-log_odds))
rate = (0.5 + 0.3 * earlier + 0.3 * baseline) * np.where(is_several, 1 + true_lift, 1.0)
orders = rng.poisson(rate)
mixes = pd.DataFrame(
    {
        "customer_id": [f"c{number}" for number in range(n)],
        "mix": np.where(is_several, "several", "web only"),
        "region_id": rng.choice(["north", "south"], n),
        "earlier_orders": earlier, "earlier_spend": 40.0 * earlier, "earlier_events": 3 * earlier,
        "baseline_orders": baseline, "baseline_spend": 40.0 * baseline,
        "baseline_events": 3 * baseline,
        "recency_days": rng.uniform(0, 90, n), "tenure_days": rng.uniform(90, 400, n),
        "orders": orders, "spend": rng.gamma(4.0 * np.maximum(orders, 0.01), 10.0),
    }
)  # fmt: skip
lift = estimate_lift(mixes, rng)
print(write_lift(lift))
print(f"the truth: {true_lift:.0%} more orders")
lift.effects.set_index("outcome").round(3)

# %%
draw_lift(lift)

# %% [markdown]
# Read it from left to right: grey is raw, blue is among like customers, and the truth is at 10 %.
# On the right, who could have been in either group: where the two do not overlap nobody can be
# compared, and those customers are left out.
#
# The E-value says how strong something unknown would have to be, beyond all that was adjusted for,
# to explain the adjusted difference away. Near 1, a little would do.

# %%
lift.balance.assign(change=lift.balance["before"].abs() - lift.balance["after"].abs()).round(3)

# %% [markdown]
# ## Your own
#
# What the last training of the project proved of its send times, and what its channels are worth;
# or, in a sentence, why that cannot be told. `almanac report` and `almanac report omnichannel` say
# it with pictures.

# %%
demo = "demo/almanac.toml" if Path("demo").exists() else "../demo/almanac.toml"
path = Path(os.environ.get("ALMANAC_PROJECT", demo))
project = load_project(path) if path.exists() else None
runs = project.workspace.runs / "promotion" if project else None
if runs is None or not any(runs.glob("*.csv")):
    print("no promotion model was trained there: almanac train promotion")
else:
    evidence = read_evidence(runs)
    if "policy_gains" in evidence:
        print(evidence["policy_gains"][["baseline", "verdict", "words"]].to_string(index=False))
    else:
        print("nothing was proven of its send times:")
        for note in evidence["notes"]["note"]:
            print(f"- {note}")

# %%
if project is not None:
    build_tables(project, Silent(), ["events"])
    moments = pd.read_parquet(project.workspace.table("events"), columns=["occurred_at"])
    first = moments["occurred_at"].min().to_pydatetime()
    half = int((moments["occurred_at"].max() - moments["occurred_at"].min()) / timedelta(days=2))
    with open_engine(project.settings.threads, project.settings.memory_limit) as engine:
        own = build_mixes(engine, project.workspace, first, baseline_days=half, outcome_days=half)
    print(own["mix"].value_counts().to_string())
    try:
        print(write_lift(estimate_lift(own, rng)))
    except NotEnoughData as reason:
        print(f"cannot be told: {reason}")
