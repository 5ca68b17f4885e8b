"""The page `/demand`: what was sold and what will be, how sure that is, why, and what if."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from serving.pages.layout import render
from serving.pages.locale import N_, NN_, Strings

_NAMES: Strings = {
    "allRegions": N_("All regions"),
    "allProducts": N_("All products"),
    "pair": N_("%(region)s, %(product)s"),
    "found": NN_("%(n)s found", "%(n)s found"),
    "foundMore": N_("The first %(n)s; type more words to find fewer."),
    "foundNone": N_("Nothing is forecast by these words."),
    "sumOf": NN_("one series", "the sum of %(n)s series"),
}
_CHART: Strings = {
    "sold": N_("Sold"),
    "forecast": N_("Forecast"),
    "scenario": N_("What if"),
    "inside80": N_("80 % interval"),
    "inside95": N_("95 % interval"),
    "units": N_("units"),
    "promotion": N_("Promotion"),
    "holiday": N_("Public holiday"),
    "stockOut": N_("Out of stock"),
    "chartOf": N_("Units of %(name)s"),
    "copied": N_("The link is copied."),
    "copyThis": N_("Copy this link: %(link)s"),
}
_WHY: Strings = {
    "reason.base": N_("Mean of all sales so far"),
    "reason.trend": N_("Recent sales against that"),
    "reason.season": N_("Time of week and year"),
    "reason.price": N_("Price"),
    "reason.promotion": N_("Promotion, display, mailer"),
    "reason.holiday": N_("Holidays"),
    "reason.regressors": N_("The project's own columns"),
    "reason.other_models": N_("Other models, agreement of levels"),
    "reason.mean": N_("Forecast"),
    "whyPast": N_("%(units)s units were sold."),
    "whyPastUnknown": N_("What was sold then is not known."),
    "whyPrice": N_("Price: %(price)s."),
    "whyPromoted": N_("Promoted: %(share)s of the series."),
    "whyOut": N_("Out of stock: %(share)s of the series; more may have been wanted."),
    "whyNone": N_("The published model holds no reasons; ask “almanac why” on the command line."),
    "part": N_("Part"),
    "unitsColumn": N_("Units"),
}
_ACCURACY: Strings = {
    "judgedNone": N_("This selection was not judged: nothing of it was sold in the backtest."),
    "judged": NN_(
        "Judged on %(n)s date between %(first)s and %(last)s, forecast without knowing it.",
        "Judged on %(n)s dates between %(first)s and %(last)s, forecast without knowing them.",
    ),
    "offBy": N_("The errors add up to %(wape)s of what was sold."),
    "naive": N_("Repeating the last season would have been off by %(wape)s."),
    "better": N_("That is better than repeating the last season, which was off by %(wape)s."),
    "worse": N_("Repeating the last season was no worse: off by %(wape)s."),
    "tooMuch": N_("On the whole it forecast %(bias)s too much."),
    "tooLittle": N_("On the whole it forecast %(bias)s too little."),
    "unbiased": N_("On the whole it forecast neither too much nor too little."),
    "inside": N_("%(share80)s of the dates lay inside the 80 % interval, %(share95)s inside 95 %."),
}
_WHAT_IF: Strings = {
    "priceIs": N_("%(price)s (%(change)s)"),
    "depthIs": N_("%(depth)s off"),
    "priceMany": N_("A price is asked of one product: choose one below."),
    "priceUnknown": N_("No price of this product is known."),
    "plan": N_("As planned"),
    "difference": N_("Difference"),
    "side": N_("All dates together"),
    "interval": N_("80 % of cases"),
    "whatIfNone": N_("Move a slider to see what would change."),
    "tooMany": N_("This holds too many series to ask; choose a finer region or product."),
    "range": N_("%(low)s to %(high)s"),
}
_STOCK: Strings = {
    "stockNone": N_("No stock is known here, so only what to hold can be advised."),
    "region": N_("Region"),
    "product": N_("Product"),
    "onHand": N_("On hand"),
    "orderNow": N_("Order now"),
    "orderUpTo": N_("Order up to"),
    "outRisk": N_("Chance to run out"),
    "reasonColumn": N_("Why"),
    "more": N_("Show more"),
}
_REGIONS: Strings = {
    "growth": N_("Growth"),
    "ahead": N_("Units ahead"),
    "before": N_("Units before"),
    "comparedWith": N_("Compared with"),
    "last year": N_("last year"),
    "recent weeks": N_("recent weeks"),
    "aheadFrom": N_("Forecast from %(first)s to %(last)s, beside what was sold before."),
    "shownFirst": N_("The first %(n)s are shown."),
    "noneBelow": N_("This is the finest level."),
    "notKnown": N_("not known"),
    "growthOf": N_("%(name)s: %(growth)s"),
}
STRINGS: Strings = {
    **_NAMES, **_CHART, **_WHY, **_ACCURACY, **_WHAT_IF, **_STOCK, **_REGIONS,
}  # fmt: skip


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "demand.html", strings=STRINGS)
