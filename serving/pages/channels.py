"""The page `/channels`: what several channels are worth, journeys between them, and friction."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.pages import words
from serving.pages.layout import render
from serving.pages.locale import N_, NN_, Strings

STRINGS: Strings = {
    **words.CHANNELS,
    "notMade": N_("Channels were not looked at yet."),
    "notMadeHint": N_("Run this where the project file is, and load the page again:"),
    "about": N_(
        "%(events)s events of %(customers)s customers, %(first)s to %(last)s. "
        "Worked out on %(made)s."
    ),
    "unknownChannel": N_("channel not known"),
    "mix.several": N_("several channels"),
    "mix.only": N_("%(channel)s only"),
    "outcome.spend": N_("Spend of a customer"),
    "outcome.orders": N_("Orders of a customer"),
    "outcome.order value": N_("Value of an order"),
    "headline": N_(
        "Customers of several channels spend %(raw)s; among like customers it is %(adjusted)s "
        "(between %(low)s and %(high)s)."
    ),
    "more": N_("%(percent)s more"),
    "less": N_("%(percent)s less"),
    "selection.most": N_(
        "Most of the raw difference is selection: keen customers use several channels."
    ),
    "selection.part": N_("%(percent)s of the raw difference is selection."),
    "selection.little": N_("Little of the raw difference is explained by what is known of them."),
    "noLift": N_("What several channels are worth cannot be told from this data."),
    "outcome": N_("After the baseline window"),
    "basis": N_("Compared"),
    "raw": N_("as they are"),
    "adjusted": N_("among like customers"),
    "difference": N_("Difference, and its 95 %% interval"),
    "drawn": N_("Drawn; the dashed line is no difference"),
    "interval": N_("95 %% interval"),
    "range": N_("%(low)s to %(high)s"),
    "picture": N_("Several channels against one"),
    "eValue": N_("E-value"),
    "windows": N_(
        "Channels are those of the orders of %(baseline)s days from %(from)s; orders and spend "
        "are counted in the %(outcome)s days after those, of customers with two orders or more "
        "before."
    ),
    "grounds": N_(
        "Like customers had the same orders, spend and events before, recency, tenure and region. "
        "%(left)s of %(all)s customers are left out, as nobody of the other group is like them. "
        "The largest difference left after weighting is %(balance)s; below 0.1 is good balance."
    ),
    "eWords": N_(
        "Something unknown that goes with both several channels and spend by a factor of "
        "%(value)s each would explain the adjusted difference away. Only a trial can rule that out."
    ),
    "mix": N_("Channels"),
    "customers": N_("Customers"),
    "baselineOrders": N_("Orders before"),
    "orders": N_("Orders after"),
    "spend": N_("Spend after"),
    "orderValue": N_("Value of an order"),
    "visits.about": N_(
        "A visit is what a customer does in one channel without a pause of more than %(minutes)s "
        "minutes. Intervals take visits as independent."
    ),
    "visits.crossing": N_(
        "%(percent)s of the visits that follow another are in another channel than the one before."
    ),
    "visits.none": N_("No customer came twice, so there is no journey to show."),
    "visits.label": N_("Next visit, of those that follow one in the channel of the row"),
    "orders.crossing": N_(
        "%(percent)s of %(orders)s orders were made in another channel than their journey began in."
    ),
    "orders.none": N_("There are no orders in these days."),
    "orders.label": N_("Channel of the order, by the channel in which the journey began"),
    "from": N_("From"),
    "to": N_("To"),
    "count.visits": N_("Visits"),
    "count.orders": N_("Orders"),
    "share": N_("Share"),
    "hours": N_("Median hours"),
    "oneChannel": N_("Every event is in one channel: there is no journey between any."),
    "cell": N_("%(from)s to %(to)s: %(share)s, between %(low)s and %(high)s"),
    "noFunnels": N_(
        "There is no funnel: name its steps under funnels in the section insight of the project "
        "file, or send events such as product_viewed, product_added, checkout_started."
    ),
    "funnel": N_("Funnel: %(name)s"),
    "funnel.order.ordered": N_("in this order"),
    "funnel.order.strict": N_("with nothing between"),
    "funnel.order.any": N_("in any order"),
    "funnel.about": N_("%(steps)s, %(order)s, within %(hours)s hours of the first step."),
    "funnel.begun": N_("%(begun)s attempts began; %(ordered)s (%(percent)s) reached the end."),
    "funnel.label": N_("Who goes on from each step"),
    "allChannels": N_("all channels"),
    "step": N_("Step"),
    "channel": N_("Channel"),
    "reached": N_("Stood there"),
    "wentOn": N_("Went on"),
    "conversion": N_("Conversion"),
    "lost": N_("Customers lost"),
    "minutes": N_("Median minutes"),
    "friction.about": NN_(
        "%(n)s test was made; of what is reported, at most %(rate)s is expected to be chance.",
        "%(n)s tests were made; of what is reported, at most %(rate)s is expected to be chance.",
    ),
    "friction.none": N_("Nothing stands out beyond what chance explains."),
    "friction.value": N_(
        "At stake is what was lost against other days or groups, at %(value)s an order."
    ),
    "friction.orders": N_("No order value is known, so what is at stake is counted in orders."),
    "rank": N_("Rank"),
    "what": N_("What happened"),
    "when": N_("When"),
    "at": N_("At"),
    "share.ordered": N_("Ordered"),
    "share.wentOn": N_("Went on"),
    "elsewhere": N_("Elsewhere"),
    "lostOrders": N_("Orders lost"),
    "stake": N_("At stake"),
    "incidents": N_("Days on which something broke"),
    "groups": N_("Groups that go on less often"),
    "groups.about": N_(
        "Groups may differ in who they are: a difference that lasts is a question, an incident is "
        "nearer to a cause."
    ),
    "surge": N_("%(event)s surged: %(group)s"),
    "drop": N_("%(step)s fell: %(group)s"),
    "everybody": N_("everybody"),
    "group.channel": N_("channel %(value)s"),
    "group.period": N_("month %(value)s"),
    "group.region_id": N_("region %(value)s"),
}


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "channels.html", strings=STRINGS)
