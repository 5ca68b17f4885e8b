"""Requests to try, about customers and regions that the project really has."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pandas as pd

from features.project import Project
from serving.launch import address
from serving.settings import ServingSettings


def show_requests(project: Project) -> str:
    """Return curl commands for a send time and a forecast, and the service's addresses.

    Parameters
    ----------
    project : Project
        Its canonical tables `customers` and `sales` must have been built.
    """
    at = address(project.section("serving", ServingSettings))
    workspace = project.workspace
    customer = pd.read_parquet(workspace.table("customers"))["customer_id"].iloc[0]
    sales = pd.read_parquet(workspace.table("sales"), columns=["region_id", "product_id"])
    region, product = sales.iloc[0]
    body = json.dumps({"customers": [str(customer), "never-seen"], "channels": ["email"]})
    query = urlencode({"region": region, "product": product, "limit": 7})
    return (
        "When to write to a customer:\n"
        f"  curl -s {at}/v1/send-times -H 'content-type: application/json' -d '{body}'\n"
        "How much a region will want:\n"
        f"  curl -s '{at}/v1/forecasts?{query}'\n"
        f"  curl -s '{at}/v1/forecasts?{query}' -H 'accept: text/csv'\n"
        f"The service:  {at}   (its contract: {at}/openapi.json)"
    )
