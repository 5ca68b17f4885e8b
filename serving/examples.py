"""Requests to try, about customers and regions that the project really has."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pandas as pd

from features.project import Project
from serving.launch import address
from serving.settings import read_settings


def show_requests(project: Project) -> str:
    """Return curl commands for send times, demand and stock, and the service's addresses.

    Parameters
    ----------
    project : Project
        Its canonical tables `customers` and `sales` must have been built.
    """
    at = address(read_settings(project))
    workspace = project.workspace
    customer = pd.read_parquet(workspace.table("customers"))["customer_id"].iloc[0]
    sales = pd.read_parquet(workspace.table("sales"), columns=["region_id", "product_id"])
    region, product = sales.iloc[0]
    body = json.dumps({"customers": [str(customer), "never-seen"], "channels": ["email"]})
    scenario = json.dumps({"region": str(region), "product": str(product), "promotion": False})
    query = urlencode({"region": region, "product": product, "limit": 7})
    bought = {"order_id": "till-1", "revenue": 12.5, "store_id": str(region)}
    told = {"messageId": "till-1", "userId": "new-customer", "event": "Order Completed"}
    till = json.dumps({**told, "properties": bought})
    json_type = "-H 'content-type: application/json'"
    return (
        "When to write to a customer:\n"
        f"  curl -s {at}/v1/send-times {json_type} -d '{body}'\n"
        "How much a region will want, and why:\n"
        f"  curl -s '{at}/v1/forecasts?{query}&reasons=true'\n"
        f"  curl -s '{at}/v1/forecasts?{query}' -H 'accept: text/csv'\n"
        "How much without promotions:\n"
        f"  curl -s {at}/v1/forecasts/what-if {json_type} -d '{scenario}'\n"
        "What to hold of it, and what the region wants more of than others:\n"
        f"  curl -s '{at}/v1/stock-advice?{query}'\n"
        f"  curl -s '{at}/v1/assortment?{urlencode({'region': region, 'limit': 7})}'\n"
        "A purchase at the till, as a customer-data platform tells it, and what is known then:\n"
        f"  curl -s {at}/v1/track {json_type} -d '{till}'\n"
        f"  curl -s {at}/v1/customers/new-customer\n"
        f"The history of everybody else comes in by: almanac ingest --history -p {project.path}\n"
        f"The service:  {at}   (its contract: {at}/openapi.json)"
    )
