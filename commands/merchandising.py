"""How much, why, what if, what to order: forecast, why, what-if, stock."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from commands.completion import complete_level, complete_product, complete_region
from commands.options import DEFAULT_PROJECT, ProductName, ProjectFile, RegionName, TableFile
from commands.steps import build_tables, open_project, open_terminal, write_table


class Switch(StrEnum):
    """On or off."""

    on = "on"
    off = "off"


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
        str,
        typer.Option(
            help="Such as store/category; 'all' for every level; else the finest.",
            autocompletion=complete_level,
        ),
    ] = "",
    project: ProjectFile = DEFAULT_PROJECT,
) -> None:
    """Write demand per region, product and date, with its mean and quantiles."""
    from training.demand.forecasts import make_forecasts, select_level
    from training.recipes import RECIPES

    terminal, loaded = open_terminal(), open_project(project)
    fingerprints = build_tables(loaded, terminal, RECIPES["demand"].tables(loaded))
    table = make_forecasts(
        loaded, fingerprints, terminal, origin=origin and origin.date(), horizon_days=horizon
    )
    write_table(select_level(table, level), out, terminal)


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

    open_terminal().say(tell_why(open_project(project), region, product, date and date.date()))


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
    open_terminal().say(
        describe_scenario(ask_scenario(open_project(project), region, product, change))
    )


def stock(
    out: TableFile,
    region: Annotated[
        str | None,
        typer.Option(help="Only below this region.", autocompletion=complete_region),
    ] = None,
    product: Annotated[
        str | None,
        typer.Option(help="Only below this product.", autocompletion=complete_product),
    ] = None,
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

    terminal, loaded = open_terminal(), open_project(project)
    build_tables(loaded, terminal, RECIPES["demand"].tables(loaded))
    if allocate is not None and product is not None:
        table = make_allocation(loaded, allocate, product, region=region)
    else:
        table = make_advice(loaded, region=region, product=product)
    write_table(table, out, terminal)
