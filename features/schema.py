"""The words of Almanac: canonical tables, their columns, and what each column may hold.

Timestamps are stored in UTC, without a zone in the type; time zones are IANA names, currencies
ISO 4217. Every table is checked once, at the door (`features.door.tables`), then trusted.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum

SLOTS_PER_WEEK = 168
ALL = "all"
"""Id and level name of the root of every hierarchy of regions and of products."""


class Kind(StrEnum):
    """What a column holds, whatever engine stores it."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    SIGNAL = "number or flag"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"
    DATE = "date"
    ZONE = "time zone"


class Events:
    """Something a customer did."""

    EVENT_ID = "event_id"
    CUSTOMER_ID = "customer_id"
    OCCURRED_AT = "occurred_at"
    CHANNEL = "channel"
    TYPE = "type"
    REGION_ID = "region_id"
    PRODUCT_ID = "product_id"
    ORDER_ID = "order_id"
    PROMOTION_ID = "promotion_id"
    MESSAGE_ID = "message_id"
    QUANTITY = "quantity"
    VALUE = "value"
    CURRENCY = "currency"
    DEVICE_TIME_ZONE = "device_time_zone"


class Touches:
    """A message we sent."""

    MESSAGE_ID = "message_id"
    CUSTOMER_ID = "customer_id"
    CHANNEL = "channel"
    SENT_AT = "sent_at"
    PROMOTION_ID = "promotion_id"
    ARM = "arm"
    PROPENSITY = "propensity"
    OPENED_AT = "opened_at"
    CLICKED_AT = "clicked_at"
    ORDERED_AT = "ordered_at"
    IS_MACHINE_OPEN = "is_machine_open"
    OPEN_AGENT = "open_agent"
    LINKS = "links"
    CLICKED_LINKS = "clicked_links"


class Customers:
    """A person after identity resolution."""

    CUSTOMER_ID = "customer_id"
    TIME_ZONE = "time_zone"
    TIME_ZONE_SOURCE = "time_zone_source"
    REGION_ID = "region_id"
    CONSENT = "consent"
    CREATED_AT = "created_at"


class Promotions:
    """An offer, with its discount, window, channels, regions and products."""

    PROMOTION_ID = "promotion_id"
    STARTS_AT = "starts_at"
    ENDS_AT = "ends_at"
    DISCOUNT = "discount"
    CHANNELS = "channels"
    REGIONS = "regions"
    PRODUCTS = "products"
    KNOWN_SINCE = "known_since"
    MARGIN = "margin"


HOLDOUT = "holdout"
"""The arm that is never contacted, whatever was planned for it."""


class Decisions:
    """What was decided for a customer: a message, or on purpose none; the log of campaigns."""

    DECISION_ID = "decision_id"
    CUSTOMER_ID = "customer_id"
    DECIDED_AT = "decided_at"
    CAMPAIGN_ID = "campaign_id"
    PROMOTION_ID = "promotion_id"
    CHANNEL = "channel"
    SEND_AT = "send_at"
    ARM = "arm"
    PROPENSITY = "propensity"
    MESSAGE_ID = "message_id"
    MODEL_VERSION = "model_version"


class Sales:
    """Units sold per region, product and period; after the origin an empty `units` is the plan."""

    REGION_ID = "region_id"
    PRODUCT_ID = "product_id"
    DATE = "date"
    UNITS = "units"
    REVENUE = "revenue"
    PRICE = "price"
    BASE_PRICE = "base_price"
    IS_PROMOTED = "is_promoted"
    DISPLAY = "display"
    MAILER = "mailer"
    ON_HAND = "on_hand"
    IS_STOCK_OUT = "is_stock_out"
    RETURNED_UNITS = "returned_units"
    KNOWN_SINCE = "known_since"


class Regions:
    """A node of a geography."""

    REGION_ID = "region_id"
    PARENT_ID = "parent_id"
    LEVEL = "level"
    NAME = "name"
    COUNTRY = "country"
    TIME_ZONE = "time_zone"
    SUBDIVISION = "subdivision"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    CLOSED_AT = "closed_at"


class Products:
    """A node of an assortment."""

    PRODUCT_ID = "product_id"
    PARENT_ID = "parent_id"
    LEVEL = "level"
    NAME = "name"
    DELISTED_AT = "delisted_at"


class Stock:
    """What lies where, and what is on its way."""

    LOCATION_ID = "location_id"
    PRODUCT_ID = "product_id"
    AS_OF = "as_of"
    ON_HAND = "on_hand"
    RESERVED = "reserved"
    INCOMING = "incoming"
    EXPECTED_AT = "expected_at"
    LEAD_TIME_DAYS = "lead_time_days"


CHANNELS = ("web", "app", "store", "email", "sms", "push", "social", "service", "mail")


class EventType:
    """The event types that features read; a source may hold others, which are kept."""

    ORDER = "order"
    ITEM = "item"
    REDEMPTION = "redemption"
    TOUCH = "touch"
    OPEN = "open"
    CLICK = "click"


@dataclass(frozen=True)
class Column:
    """One column of a canonical table.

    Attributes
    ----------
    name, kind : str, Kind
        What it is called and holds.
    is_required : bool
        Whether a source must have it; an absent optional column is filled with `default`.
    is_nullable : bool
        Whether single values may be empty.
    minimum, maximum : float or None
        Inclusive bounds of a number.
    choices : tuple of str
        The values allowed in a text column; empty means any.
    default : str, float or None
        What an absent column or an empty value becomes.
    synonyms : tuple of str
        Lower-case names under which `almanac init` recognises it in a stranger's file.
    """

    name: str
    kind: Kind
    is_required: bool = False
    is_nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    default: str | float | None = None
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One canonical table: its name, its key and its columns in order."""

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    references: tuple[tuple[str, str], ...] = ()
    """Pairs (column, table): where both tables are given, the id must exist there."""

    def column(self, name: str) -> Column:
        """Return the column called `name`; KeyError if there is none."""
        return {column.name: column for column in self.columns}[name]


def _id(name: str, *synonyms: str) -> Column:
    return Column(name, Kind.TEXT, is_required=True, is_nullable=False, synonyms=synonyms)


_CUSTOMER_NAMES = (
    "customer",
    "customer_id",
    "customerid",
    "user_id",
    "client_id",
    "household_id",
    "member_id",
)
_PRODUCT_NAMES = (
    "product",
    "product_id",
    "sku",
    "item",
    "item_id",
    "upc",
    "upc_id",
    "article",
    "stockcode",
)
_REGION_NAMES = (
    "store",
    "store_id",
    "region",
    "region_id",
    "shop",
    "location",
    "location_id",
    "branch",
    "site",
)

EVENTS = Table(
    "events",
    (Events.EVENT_ID,),
    (
        Column(Events.EVENT_ID, Kind.TEXT, is_nullable=False, synonyms=("event_id", "messageid")),
        _id(Events.CUSTOMER_ID, *_CUSTOMER_NAMES),
        Column(
            Events.OCCURRED_AT,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=(
                "timestamp",
                "occurred_at",
                "time",
                "datetime",
                "order_time",
                "invoicedate",
                "date",
                "created_at",
            ),
        ),
        Column(Events.CHANNEL, Kind.TEXT, choices=CHANNELS, default="store", synonyms=("channel",)),
        Column(
            Events.TYPE,
            Kind.TEXT,
            is_nullable=False,
            default=EventType.ORDER,
            synonyms=("type", "event"),
        ),
        Column(Events.REGION_ID, Kind.TEXT, synonyms=_REGION_NAMES),
        Column(Events.PRODUCT_ID, Kind.TEXT, synonyms=_PRODUCT_NAMES),
        Column(
            Events.ORDER_ID, Kind.TEXT, synonyms=("order", "order_id", "invoiceno", "basket_id")
        ),
        Column(Events.PROMOTION_ID, Kind.TEXT, synonyms=("promotion_id", "campaign_id")),
        Column(Events.MESSAGE_ID, Kind.TEXT, synonyms=("message_id",)),
        Column(Events.QUANTITY, Kind.NUMBER, synonyms=("quantity", "qty")),
        Column(
            Events.VALUE,
            Kind.NUMBER,
            synonyms=("value", "amount", "total", "revenue", "sales_value"),
        ),
        Column(Events.CURRENCY, Kind.TEXT, synonyms=("currency",)),
        Column(Events.DEVICE_TIME_ZONE, Kind.ZONE, synonyms=("device_time_zone",)),
    ),
    references=(
        (Events.CUSTOMER_ID, "customers"),
        (Events.REGION_ID, "regions"),
        (Events.PRODUCT_ID, "products"),
    ),
)

TOUCHES = Table(
    "touches",
    (Touches.MESSAGE_ID,),
    (
        _id(Touches.MESSAGE_ID, "message_id", "email_id"),
        _id(Touches.CUSTOMER_ID, *_CUSTOMER_NAMES),
        Column(
            Touches.CHANNEL,
            Kind.TEXT,
            is_required=True,
            is_nullable=False,
            choices=CHANNELS,
            synonyms=("channel",),
        ),
        Column(
            Touches.SENT_AT,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=("sent_at", "sent"),
        ),
        Column(Touches.PROMOTION_ID, Kind.TEXT, synonyms=("promotion_id", "campaign_id")),
        Column(Touches.ARM, Kind.TEXT, synonyms=("arm", "variant")),
        Column(Touches.PROPENSITY, Kind.NUMBER, minimum=0.0, maximum=1.0, synonyms=("propensity",)),
        Column(Touches.OPENED_AT, Kind.TIMESTAMP, synonyms=("opened_at",)),
        Column(Touches.CLICKED_AT, Kind.TIMESTAMP, synonyms=("clicked_at",)),
        Column(Touches.ORDERED_AT, Kind.TIMESTAMP, synonyms=("ordered_at",)),
        Column(Touches.IS_MACHINE_OPEN, Kind.BOOLEAN, synonyms=("is_machine_open",)),
        Column(Touches.OPEN_AGENT, Kind.TEXT, synonyms=("open_agent", "user_agent")),
        Column(Touches.LINKS, Kind.NUMBER, minimum=0.0, synonyms=("links",)),
        Column(Touches.CLICKED_LINKS, Kind.NUMBER, minimum=0.0, synonyms=("clicked_links",)),
    ),
    references=((Touches.CUSTOMER_ID, "customers"),),
)

CUSTOMERS = Table(
    "customers",
    (Customers.CUSTOMER_ID,),
    (
        _id(Customers.CUSTOMER_ID, *_CUSTOMER_NAMES),
        Column(Customers.TIME_ZONE, Kind.ZONE, synonyms=("time_zone", "timezone", "tz")),
        Column(Customers.TIME_ZONE_SOURCE, Kind.TEXT),
        Column(Customers.REGION_ID, Kind.TEXT, synonyms=_REGION_NAMES),
        Column(Customers.CONSENT, Kind.TEXT, synonyms=("consent",)),
        Column(Customers.CREATED_AT, Kind.TIMESTAMP, synonyms=("created_at", "signup_date")),
    ),
    references=((Customers.REGION_ID, "regions"),),
)

PROMOTIONS = Table(
    "promotions",
    (Promotions.PROMOTION_ID,),
    (
        _id(Promotions.PROMOTION_ID, "promotion_id", "campaign_id"),
        Column(
            Promotions.STARTS_AT,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=("start_date",),
        ),
        Column(
            Promotions.ENDS_AT,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=("end_date",),
        ),
        Column(Promotions.DISCOUNT, Kind.NUMBER, minimum=0.0, maximum=1.0, synonyms=("discount",)),
        Column(Promotions.CHANNELS, Kind.TEXT),
        Column(Promotions.REGIONS, Kind.TEXT),
        Column(Promotions.PRODUCTS, Kind.TEXT),
        Column(Promotions.KNOWN_SINCE, Kind.TIMESTAMP),
        Column(Promotions.MARGIN, Kind.NUMBER, minimum=0.0, maximum=1.0, synonyms=("margin",)),
    ),
)

DECISIONS = Table(
    "decisions",
    (Decisions.DECISION_ID,),
    (
        _id(Decisions.DECISION_ID, "decision_id"),
        _id(Decisions.CUSTOMER_ID, *_CUSTOMER_NAMES),
        Column(
            Decisions.DECIDED_AT,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=("decided_at", "assigned_at"),
        ),
        Column(Decisions.CAMPAIGN_ID, Kind.TEXT, synonyms=("campaign_id", "experiment_id")),
        Column(Decisions.PROMOTION_ID, Kind.TEXT, synonyms=("promotion_id",)),
        Column(Decisions.CHANNEL, Kind.TEXT, choices=CHANNELS, synonyms=("channel",)),
        Column(Decisions.SEND_AT, Kind.TIMESTAMP, synonyms=("send_at",)),
        Column(Decisions.ARM, Kind.TEXT, synonyms=("arm", "variant")),
        Column(
            Decisions.PROPENSITY, Kind.NUMBER, minimum=0.0, maximum=1.0, synonyms=("propensity",)
        ),
        Column(Decisions.MESSAGE_ID, Kind.TEXT, synonyms=("message_id",)),
        Column(Decisions.MODEL_VERSION, Kind.TEXT, synonyms=("model_version",)),
    ),
    references=((Decisions.CUSTOMER_ID, "customers"),),
)

SALES = Table(
    "sales",
    (Sales.REGION_ID, Sales.PRODUCT_ID, Sales.DATE),
    (
        _id(Sales.REGION_ID, *_REGION_NAMES),
        _id(Sales.PRODUCT_ID, *_PRODUCT_NAMES),
        Column(
            Sales.DATE,
            Kind.DATE,
            is_required=True,
            is_nullable=False,
            synonyms=("date", "day", "ds", "week_end_date", "week", "month", "quarter", "period"),
        ),
        Column(
            Sales.UNITS,
            Kind.NUMBER,
            is_required=True,
            minimum=0.0,
            synonyms=("units", "quantity", "qty", "sales", "demand", "value", "y", "volume"),
        ),
        Column(
            Sales.REVENUE, Kind.NUMBER, synonyms=("revenue", "spend", "turnover", "sales_value")
        ),
        Column(
            Sales.PRICE, Kind.NUMBER, minimum=0.0, synonyms=("price", "sell_price", "unit_price")
        ),
        Column(
            Sales.BASE_PRICE,
            Kind.NUMBER,
            minimum=0.0,
            synonyms=("base_price", "regular_price", "list_price"),
        ),
        Column(
            Sales.IS_PROMOTED,
            Kind.BOOLEAN,
            synonyms=("is_promoted", "promo", "promotion", "on_promotion", "deal"),
        ),
        Column(Sales.DISPLAY, Kind.NUMBER, minimum=0.0, synonyms=("display",)),
        Column(Sales.MAILER, Kind.NUMBER, minimum=0.0, synonyms=("mailer", "feature", "feat")),
        Column(Sales.ON_HAND, Kind.NUMBER, synonyms=("on_hand", "stock", "inventory")),
        Column(
            Sales.IS_STOCK_OUT, Kind.BOOLEAN, synonyms=("is_stock_out", "stock_out", "stockout")
        ),
        Column(
            Sales.RETURNED_UNITS, Kind.NUMBER, minimum=0.0, synonyms=("returned_units", "returns")
        ),
        Column(Sales.KNOWN_SINCE, Kind.DATE, synonyms=("known_since", "planned_at")),
    ),
    references=((Sales.REGION_ID, "regions"), (Sales.PRODUCT_ID, "products")),
)

REGIONS = Table(
    "regions",
    (Regions.REGION_ID,),
    (
        _id(Regions.REGION_ID, *_REGION_NAMES),
        Column(Regions.PARENT_ID, Kind.TEXT, default=ALL, synonyms=("parent", "parent_id")),
        Column(Regions.LEVEL, Kind.TEXT, is_nullable=False, default="region", synonyms=("level",)),
        Column(Regions.NAME, Kind.TEXT, synonyms=("name", "store_name", "region_name")),
        Column(Regions.COUNTRY, Kind.TEXT, synonyms=("country",)),
        Column(Regions.TIME_ZONE, Kind.ZONE, synonyms=("time_zone", "timezone")),
        Column(
            Regions.SUBDIVISION,
            Kind.TEXT,
            synonyms=("subdivision", "state", "address_state_prov_code"),
        ),
        Column(
            Regions.LATITUDE, Kind.NUMBER, minimum=-90.0, maximum=90.0, synonyms=("latitude", "lat")
        ),
        Column(
            Regions.LONGITUDE,
            Kind.NUMBER,
            minimum=-180.0,
            maximum=180.0,
            synonyms=("longitude", "lon", "lng"),
        ),
        Column(Regions.CLOSED_AT, Kind.DATE, synonyms=("closed_at", "closing_date")),
    ),
)

PRODUCTS = Table(
    "products",
    (Products.PRODUCT_ID,),
    (
        _id(Products.PRODUCT_ID, *_PRODUCT_NAMES),
        Column(Products.PARENT_ID, Kind.TEXT, default=ALL, synonyms=("parent", "parent_id")),
        Column(
            Products.LEVEL, Kind.TEXT, is_nullable=False, default="product", synonyms=("level",)
        ),
        Column(Products.NAME, Kind.TEXT, synonyms=("name", "description", "product_name")),
        Column(Products.DELISTED_AT, Kind.DATE, synonyms=("delisted_at", "discontinued_at")),
    ),
)

STOCK = Table(
    "stock",
    (Stock.LOCATION_ID, Stock.PRODUCT_ID, Stock.AS_OF),
    (
        _id(Stock.LOCATION_ID, *_REGION_NAMES),
        _id(Stock.PRODUCT_ID, *_PRODUCT_NAMES),
        Column(
            Stock.AS_OF,
            Kind.TIMESTAMP,
            is_required=True,
            is_nullable=False,
            synonyms=("as_of", "date"),
        ),
        Column(
            Stock.ON_HAND, Kind.NUMBER, is_required=True, synonyms=("on_hand", "stock", "quantity")
        ),
        Column(Stock.RESERVED, Kind.NUMBER, minimum=0.0, default=0.0, synonyms=("reserved",)),
        Column(Stock.INCOMING, Kind.NUMBER, minimum=0.0, default=0.0, synonyms=("incoming",)),
        Column(Stock.EXPECTED_AT, Kind.TIMESTAMP, synonyms=("expected_at",)),
        Column(
            Stock.LEAD_TIME_DAYS, Kind.NUMBER, minimum=0.0, synonyms=("lead_time_days", "lead_time")
        ),
    ),
)

TABLES = {
    table.name: table
    for table in (
        REGIONS,
        PRODUCTS,
        CUSTOMERS,
        PROMOTIONS,
        EVENTS,
        TOUCHES,
        DECISIONS,
        SALES,
        STOCK,
    )
}
"""Canonical tables by name, referenced tables first."""


def schema_hash() -> str:
    """Return a short hash of every table, column and bound: what a model was built against.

    Synonyms are left out: they help to read a stranger's file, and change nothing once it is read.
    """
    tables = [asdict(table) for table in TABLES.values()]
    for column in (column for table in tables for column in table["columns"]):
        del column["synonyms"]
    text = json.dumps(tables, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
