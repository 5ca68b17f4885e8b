"""The front door: one command line over all of Almanac.

Exit codes: 0 done, 1 refused with a reason, 2 wrong usage, 3 the monitor alerts. Rooms are imported
inside the commands, so that `almanac --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from features.errors import AlmanacError
from serving.access.commands import keys_app
from serving.customers import commands as customer_commands
from serving.decisions import commands as decision_commands
from training import release_commands

if TYPE_CHECKING:
    import pandas as pd

    from features.progress import Terminal
    from features.project import Project

os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

app = typer.Typer(
    help="The right moment for each customer, and how much each region will want.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


class Kind(StrEnum):
    """What a model answers: `demand` how much, `promotion` when."""

    demand = "demand"
    promotion = "promotion"


class Report(StrEnum):
    """What a page is about."""

    training = "training"
    omnichannel = "omnichannel"


class Switch(StrEnum):
    """On or off."""

    on = "on"
    off = "off"


def check_suffix(out: Path) -> Path:
    """Refuse a file that is neither CSV nor Parquet, before any work."""
    if out.suffix not in (".csv", ".parquet"):
        raise typer.BadParameter(f"--out: expected FILE.csv or FILE.parquet, got {out.name}")
    return out


ProjectFile = Annotated[
    Path, typer.Option("--project", "-p", help="The project file.", show_default="almanac.toml")
]
TableFile = Annotated[
    Path, typer.Option("--out", help="FILE.csv or FILE.parquet.", callback=check_suffix)
]
RegionName = Annotated[str, typer.Option(help="Id of a region of any level; 'all' is the whole.")]
ProductName = Annotated[str, typer.Option(help="Id of a product of any level; 'all' is the whole.")]
KindName = Annotated[Kind, typer.Argument(help="demand: how much; promotion: when.")]
DEFAULT_PROJECT = Path("almanac.toml")
ALERTED = 3
DATA_SCIENCE, CAMPAIGNS, MERCHANDISING, OPERATIONS = (
    "Data science",
    "Campaigns",
    "Merchandising",
    "Operations",
)


@app.command(rich_help_panel=DATA_SCIENCE)
def init(
    sales: Annotated[Path | None, typer.Option(help="A CSV or Parquet file of sales.")] = None,
    orders: Annotated[Path | None, typer.Option(help="A CSV or Parquet file of orders.")] = None,
    project: ProjectFile = DEFAULT_PROJECT,
    force: Annotated[bool, typer.Option(help="Replace a project file that is there.")] = False,
) -> None:
    """Write a commented project file by looking at your files."""
    from features.door.draft import write_draft

    if sales is None and orders is None:
        raise typer.BadParameter("name at least one file with --sales or --orders")
    _terminal().say(write_draft(project, sales=sales, orders=orders, is_replaced=force))


@app.command(rich_help_panel=DATA_SCIENCE)
def check(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Read every table, refuse what is wrong in it, and say what is there."""
    _build_tables(_load(project), _terminal())


@app.command(rich_help_panel=DATA_SCIENCE)
def features(
    project: ProjectFile = DEFAULT_PROJECT,
    as_of: Annotated[
        datetime | None, typer.Option(help="Cut-off, UTC; the end of the data when not given.")
    ] = None,
) -> None:
    """Build the per-customer and the per-region dataset as of a cut-off."""
    from training.datasets import build_datasets

    terminal, loaded = _terminal(), _load(project)
    _build_tables(loaded, terminal)
    for path, rows in build_datasets(loaded, as_of):
        terminal.say(f"{rows:>12,} rows  {path}")


@app.command(rich_help_panel=DATA_SCIENCE)
def backtest(
    kind: KindName,
    out: Annotated[Path, typer.Option(help="Folder for scores.csv and forecasts.parquet.")],
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Score the method and its baselines on rolling origins, without registering a model."""
    from training.lifecycle import describe_scores, write_evidence
    from training.recipes import RECIPES

    terminal, loaded = _terminal(), _load(project)
    recipe = RECIPES[kind]
    _build_tables(loaded, terminal, recipe.tables(loaded))
    tables = recipe.backtest(loaded, recipe.settings(loaded), terminal)
    write_evidence(tables, out)
    terminal.say(describe_scores(tables["scores"]))
    terminal.say(f"wrote {', '.join(sorted(path.name for path in out.iterdir()))} to {out}")


@app.command(rich_help_panel=DATA_SCIENCE)
def train(kind: KindName, project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Backtest, fit, record the run in MLflow and register the model as challenger."""
    from training.lifecycle import train as train_model
    from training.recipes import RECIPES

    terminal, loaded = _terminal(), _load(project)
    recipe = RECIPES[kind]
    fingerprints = _build_tables(loaded, terminal, recipe.tables(loaded))
    train_model(loaded, recipe, fingerprints, terminal)
    terminal.say(f"next: almanac promote {kind} --project {project}")


@app.command(rich_help_panel=DATA_SCIENCE)
def promote(
    kind: KindName,
    project: ProjectFile = DEFAULT_PROJECT,
    force: Annotated[bool, typer.Option(help="Promote although a gate refuses.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is forced; logged with the run.")] = "",
) -> None:
    """Make the challenger champion if it passes the gates, and publish it to serving."""
    if force and not reason.strip():
        raise typer.BadParameter("--force needs --reason, which is logged with the verdict")
    from training.lifecycle import promote as promote_model
    from training.recipes import RECIPES

    because = reason if force else None
    promote_model(_load(project), RECIPES[kind], _terminal(), forced_because=because)


@app.command(rich_help_panel=MERCHANDISING)
def forecast(
    out: TableFile,
    origin: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last date it may know; else the last sale."),
    ] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Days ahead; else what the project file says.")
    ] = None,
    level: Annotated[
        str, typer.Option(help="Such as store/category; 'all' for every level; else the finest.")
    ] = "",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write demand per region, product and date, with its mean and quantiles."""
    from training.demand.forecasts import make_forecasts, select_level
    from training.recipes import RECIPES

    terminal, loaded = _terminal(), _load(project)
    fingerprints = _build_tables(loaded, terminal, RECIPES["demand"].tables(loaded))
    table = make_forecasts(
        loaded, fingerprints, terminal, origin=origin and origin.date(), horizon_days=horizon
    )
    _write(select_level(table, level), out)


@app.command(rich_help_panel=MERCHANDISING)
def why(
    region: RegionName,
    product: ProductName = "all",
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="One date; else all.")
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Say what a forecast is made of: base, trend, season, price, promotion, holiday."""
    from training.demand.why import tell_why

    _terminal().say(tell_why(_load(project), region, product, date and date.date()))


@app.command("what-if", rich_help_panel=MERCHANDISING)
def what_if(
    region: RegionName,
    product: ProductName,
    price: Annotated[float | None, typer.Option(help="Price per unit.")] = None,
    promotion: Annotated[Switch | None, typer.Option(help="A promotion: on or off.")] = None,
    depth: Annotated[
        float | None, typer.Option(help="Discount off the list price: 0.2 for 20 %.")
    ] = None,
    display: Annotated[float | None, typer.Option(help="As in the sales.")] = None,
    mailer: Annotated[float | None, typer.Option(help="As in the sales.")] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First date.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last date, inclusive.")
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Set another price or promotion beside the plan: both with intervals, and the difference."""
    if all(value is None for value in (price, promotion, depth, display, mailer)):
        raise typer.BadParameter("set --price, --promotion, --depth, --display or --mailer")
    from models.demand.plan_changes import Change
    from training.demand.what_if import ask_scenario, describe_scenario

    change = Change(
        price=price,
        is_promoted=None if promotion is None else promotion is Switch.on,
        depth=depth,
        display=display,
        mailer=mailer,
        first_date=start and start.date(),
        last_date=end and end.date(),
    )
    _terminal().say(describe_scenario(ask_scenario(_load(project), region, product, change)))


@app.command(rich_help_panel=MERCHANDISING)
def stock(
    out: TableFile,
    region: Annotated[str | None, typer.Option(help="Only below this region.")] = None,
    product: Annotated[str | None, typer.Option(help="Only below this product.")] = None,
    allocate: Annotated[
        float | None, typer.Option(help="Units of --product to share out over regions instead.")
    ] = None,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write what to hold and order of each product in each region, or share out scarce units."""
    if allocate is not None and product is None:
        raise typer.BadParameter("--allocate needs --product, which the units are of")
    from training.demand.stock_answers import make_advice, make_allocation
    from training.recipes import RECIPES

    terminal, loaded = _terminal(), _load(project)
    _build_tables(loaded, terminal, RECIPES["demand"].tables(loaded))
    if allocate is not None and product is not None:
        table = make_allocation(loaded, allocate, product, region=region)
    else:
        table = make_advice(loaded, region=region, product=product)
    _write(table, out)


@app.command("send-times", rich_help_panel=CAMPAIGNS)
def send_times(
    audience: Annotated[Path, typer.Option(help="CSV with a column customer_id.")],
    out: TableFile,
    start: Annotated[
        str, typer.Option(help="Window start with offset, as 2026-01-31T00:00:00Z; else now.")
    ] = "",
    days: Annotated[int, typer.Option(min=1, max=28, help="Length of the window.")] = 7,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel, repeatable, in order of preference.")
    ] = None,
    quiet_hours: Annotated[
        str, typer.Option(help="Local hours not to send in; empty for none.")
    ] = "21:00-08:00",
    top: Annotated[int, typer.Option(min=1, max=168, help="Slots per customer.")] = 3,
    all_slots: Annotated[
        bool, typer.Option("--all-slots", help="Write all 168 probabilities instead.")
    ] = False,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write the best moments to reach each customer of an audience."""
    import pandas as pd

    from serving.batch import build_query, load_predictor, read_audience, schedule_audience
    from serving.customers.hiding import hide_customers
    from training.promotion.ready import find_champion

    terminal, loaded = _terminal(), _load(project)
    query = build_query(
        read_audience(audience),
        start=start or datetime.now(UTC).isoformat(timespec="minutes"),
        days=days,
        channels=tuple(channel or ("email",)),
        quiet_hours=quiet_hours,
        top_k=top,
        has_all_slots=all_slots,
    )
    predictor = load_predictor(find_champion(loaded, terminal)[1])
    hide_customers(predictor, loaded)
    _write(pd.concat(schedule_audience(predictor, query), ignore_index=True), out)


@app.command("plan-campaign", rich_help_panel=CAMPAIGNS)
def plan_campaign(
    audience: Annotated[Path, typer.Option(help="CSV with a column customer_id.")],
    promotion: Annotated[list[str], typer.Option(help="Promotion, repeatable, the dearest first.")],
    out: TableFile,
    name: Annotated[str, typer.Option(help="What the log calls it; else the promotions.")] = "",
    start: Annotated[
        str, typer.Option(help="Window start with offset, as 2026-01-31T00:00:00Z; else now.")
    ] = "",
    days: Annotated[int, typer.Option(min=1, max=28, help="Length of the window.")] = 7,
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel it may use, repeatable.")
    ] = None,
    now: Annotated[
        str, typer.Option(help="Decide as of this moment, with offset; else the clock's.")
    ] = "",
    budget: Annotated[
        float | None, typer.Option(min=0.0, help="Money for all messages; else [campaign].")
    ] = None,
    log: Annotated[bool, typer.Option(help="Keep the decisions in the workspace.")] = True,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Decide who gets which offer, when and over which channel; with arms and propensities."""
    from serving.batch import read_audience
    from serving.campaigns.expectations import describe_plan
    from serving.campaigns.log import log_decisions
    from serving.campaigns.query import ask_campaign
    from serving.campaigns.run import run_campaign
    from serving.campaigns.tables import list_tables
    from training.promotion.ready import find_champion

    terminal, loaded = _terminal(), _load(project)
    query = ask_campaign(
        loaded,
        read_audience(audience),
        name=name or "-".join(promotion),
        promotions=tuple(promotion),
        channels=tuple(channel or ("email",)),
        start=start,
        days=days,
        budget=budget,
        now=now or datetime.now(UTC).isoformat(timespec="seconds"),
    )
    _build_tables(loaded, terminal, list_tables(loaded))
    version, files = find_champion(loaded, terminal)
    planned = run_campaign(loaded, files, version, query)
    for line in describe_plan(planned.plan, planned.schedule):
        terminal.say(line)
    if log:
        path = log_decisions(planned.schedule, query, loaded.workspace.root)
        terminal.say(f"logged every decision to {path}")
    _write(planned.schedule, out)


@app.command(rich_help_panel=DATA_SCIENCE)
def report(
    out: Annotated[Path, typer.Option(help="Folder for the page.")],
    about: Annotated[
        Report, typer.Argument(help="training: what was found; omnichannel: customers' journeys.")
    ] = Report.training,
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write one HTML page with plots: of the last training, or of customers across channels."""
    terminal, loaded = _terminal(), _load(project)
    if about is Report.omnichannel:
        from training.omnichannel.page import write_omnichannel_report

        _build_tables(loaded, terminal, ["events"])
        page = write_omnichannel_report(loaded, out)
    else:
        from training.report import write_report

        page = write_report(loaded, out)
    terminal.say(f"wrote {page}")
    if about is Report.omnichannel:
        terminal.say("the service shows the same at /channels")


app.command("challenge", rich_help_panel=OPERATIONS)(release_commands.challenge)
app.command("rollback", rich_help_panel=OPERATIONS)(release_commands.rollback)
app.command("ingest", rich_help_panel=OPERATIONS)(customer_commands.ingest)
app.command("dead-letters", rich_help_panel=OPERATIONS)(customer_commands.dead_letters)
app.command("erase", rich_help_panel=OPERATIONS)(customer_commands.erase)
app.add_typer(customer_commands.identity_app, name="identity", rich_help_panel=OPERATIONS)
app.add_typer(keys_app, name="keys", rich_help_panel=OPERATIONS)
app.add_typer(decision_commands.decisions_app, name="decisions", rich_help_panel=OPERATIONS)


@app.command(rich_help_panel=OPERATIONS)
def purge(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Remove what is past its retention, and the erased from every file of the workspace."""
    from serving.campaigns.drafts import DraftShelf
    from serving.customers.purge import finish_purge, list_erased, purge_store
    from serving.customers.store import CustomerStore
    from serving.decisions.retention import purge_decisions
    from training.erasure.workspace import erase_from_workspace

    terminal, loaded, now = _terminal(), _load(project), datetime.now(UTC)
    DraftShelf(loaded.workspace.root).prune(now)
    terminal.say(f"removed {purge_decisions(loaded, now):,} old files of the decision log")
    store = CustomerStore.open(loaded)
    purged = purge_store(store, now)
    terminal.say(f"removed {purged.events:,} events and {purged.dead_letters:,} dead letters")
    if not purged.is_folded:
        terminal.say(
            "a service reads the store: what was erased is gone from it, but not yet overwritten "
            "in its log; run purge again when no request is under way"
        )
    erased = list_erased(store)
    if erased:
        report = erase_from_workspace(loaded, list(erased.values()), terminal, now=now)
        models = [model.words for model in report.affected_models]
        for line in (*models, *report.notes, *map(str, report.unread)):
            terminal.say(line)
        terminal.say(f"removed {report.rows:,} rows of {len(erased):,} erased ids from files")
        if report.is_complete and purged.is_folded:
            finish_purge(store, list(erased), now, models)
    store.close()


@app.command(rich_help_panel=OPERATIONS)
def monitor(
    out: Annotated[Path | None, typer.Option(help="Folder for a copy of both files.")] = None,
    now: Annotated[
        str, typer.Option(help="Judge as of this moment, with offset; else the clock's.")
    ] = "",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Look for drift, miscalibration, forecast error and age; exit code 3 when something alerts."""
    from training.monitor.command import run_monitor

    terminal, loaded = _terminal(), _load(project)
    _build_tables(loaded, terminal)
    if run_monitor(loaded, terminal, out=out, now=now or datetime.now(UTC).isoformat()):
        raise typer.Exit(ALERTED)


@app.command(rich_help_panel=OPERATIONS)
def serve(project: ProjectFile = DEFAULT_PROJECT) -> None:
    """Serve the published champions over HTTP."""
    from serving.launch import serve as serve_project

    raise typer.Exit(serve_project(_load(project), _say_address))


@app.command(rich_help_panel=OPERATIONS)
def demo(
    project: Annotated[
        Path,
        typer.Option("--project", "-p", help="Its project file; all it makes lies beside it."),
    ] = Path("demo/almanac.toml"),
    serve: Annotated[bool, typer.Option(help="Serve it when it is ready.")] = True,
) -> None:
    """Go the whole way on the sample: data, models, gates, report, service."""
    from serving.examples import show_requests
    from serving.launch import serve as serve_project
    from training.sample import prepare_sample
    from training.tracking import PAGE_ADDRESS, local_uri, open_page

    terminal = _terminal()
    loaded = prepare_sample(project, terminal)
    terminal.say(
        f"\n{show_requests(loaded)}\n"
        f"The report:   {project.parent / 'report' / 'report.html'}\n"
        f"MLflow:       {PAGE_ADDRESS}   (its runs: {local_uri(loaded)})"
    )
    if not serve:
        terminal.say(f"to serve it: almanac serve --project {project}")
        return
    with open_page(loaded):
        serve_project(loaded, _say_address)


def main() -> None:
    """Run the command line; a refusal is one sentence and exit code 1."""
    try:
        app()
    except AlmanacError as error:
        Console(stderr=True).print(f"refused: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def _terminal() -> Terminal:
    from features.progress import Terminal

    return Terminal(Console())


def _load(path: Path) -> Project:
    from features.project import load_project

    return load_project(path)


def _build_tables(
    project: Project, terminal: Terminal, only: Collection[str] | None = None
) -> dict[str, str]:
    """Build the canonical tables and return their fingerprints."""
    from features.door.tables import build_tables

    built = build_tables(project, terminal, only)
    return {name: summary.fingerprint for name, summary in built.items()}


def _write(table: pd.DataFrame, out: Path) -> None:
    from training.written import write_result

    write_result(table, out)
    _terminal().say(f"wrote {len(table):,} rows to {out}")


def _say_address(address: str) -> None:
    _terminal().say(f"serving at {address}; stop with Ctrl+C")


if __name__ == "__main__":
    main()
