"""The page `/timing`: when customers are receptive, and a campaign that is seen before it goes."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from features.schema import CHANNELS
from serving.pages.layout import render
from serving.pages.locale import N_, NN_, Strings

STRINGS: Strings = {
    "everyone": N_("Everyone"),
    "region": N_("Region %(name)s"),
    "rhythm": N_("Busiest %(slot)s"),
    "customer": N_("One customer"),
    "channel.web": N_("Web"),
    "channel.app": N_("App"),
    "channel.store": N_("Store"),
    "channel.email": N_("E-mail"),
    "channel.sms": N_("SMS"),
    "channel.push": N_("Push"),
    "channel.social": N_("Social"),
    "channel.service": N_("Service"),
    "channel.mail": N_("Letter"),
    "measure.response": N_("Probability that a message sent in the hour is answered, in percent"),
    "measure.reach": N_(
        "Probability that the customer is active within three hours of the start of the hour, "
        "in percent"
    ),
    "measure.activity": N_("Probability that the customer is active in the hour, in percent"),
    "localHours": N_("Hours are those of the customers' own time zones."),
    "zoneHours": N_("Hours are those of %(zone)s."),
    "slot": N_("%(day)s %(hour)s"),
    "cell": N_("%(slot)s: %(value)s, %(lift)s times the average, %(low)s to %(high)s"),
    "cellSegment": N_(
        "%(slot)s: %(value)s, %(lift)s times the average, single customers %(low)s to %(high)s"
    ),
    "cellPlain": N_("%(slot)s: %(value)s, %(lift)s times the average"),
    "cellMessages": NN_("%(slot)s: %(n)s message", "%(slot)s: %(n)s messages"),
    "hours": N_("Hour"),
    "day": N_("Day"),
    "legend": N_("Times the average hour"),
    "legendUnder": N_("under %(x)s"),
    "legendFrom": N_("%(x)s and more"),
    "best": N_("Best hour"),
    "bestLift": N_("%(lift)s times the average hour (%(low)s to %(high)s)"),
    "bestLiftSegment": N_(
        "%(lift)s times the average hour (single customers %(low)s to %(high)s)"
    ),
    "bestLiftPlain": N_("%(lift)s times the average hour"),
    "bestDetail": N_("%(value)s, %(lift)s"),
    "nextDetail": N_("%(value)s; then %(slot)s, %(other)s"),
    "average": N_("Average hour"),
    "nextBest": N_("Next best"),
    "basedOn": NN_("Based on %(n)s customer", "Based on %(n)s customers"),
    "sampled": N_("%(scored)s drawn from %(customers)s customers"),
    "evidence.own history": NN_(
        "%(n)s mostly on their own history", "%(n)s mostly on their own history"
    ),
    "evidence.segment": NN_("%(n)s mostly on their region", "%(n)s mostly on their region"),
    "evidence.global": NN_("%(n)s mostly on all customers", "%(n)s mostly on all customers"),
    "asOf": N_("As known on %(date)s, model version %(version)s."),
    "unknown": N_("Nothing is known of this customer, so everybody's hours are shown."),
    "noConsent": N_("The customer has not agreed to this channel: nothing would be sent over it."),
    "needsCustomer": N_("Enter a customer id."),
    "copied": N_("The link is copied."),
    "copyHere": N_("Copy the address of this page."),
    "noPromotions": N_(
        "This project knows no promotions. Describe [tables.promotions] in almanac.toml with "
        "promotion_id, starts_at and ends_at, and train again."
    ),
    "promotion": N_("%(name)s, %(from)s to %(to)s"),
    "promotionOff": N_("%(name)s, %(discount)s off, %(from)s to %(to)s"),
    "allEnded": N_(
        "Every promotion has ended. The draft is therefore made as of %(date)s, when the profiles "
        "end; change that under More rules."
    ),
    "audienceShown": N_("As shown above: %(name)s"),
    "choosePromotion": N_("Choose a promotion."),
    "chooseChannel": N_("Choose a channel."),
    "planning": N_("Planning …"),
    "planned": NN_("The draft is ready: %(n)s message.", "The draft is ready: %(n)s messages."),
    "messages": N_("Messages"),
    "ofAudience": NN_("to an audience of %(n)s customer", "to an audience of %(n)s customers"),
    "expected.response": N_("Expected answers"),
    "expected.reach": N_("Expected customers active within three hours"),
    "expected.activity": N_("Expected customers active in the hour"),
    "expectedOf": N_("of %(messages)s messages of the optimised arm; 90 %%: %(low)s to %(high)s"),
    "widest": N_("If all probabilities were wrong alike: %(low)s to %(high)s."),
    "lift": N_("Against hours drawn evenly"),
    "liftTimes": N_("%(lift)s times"),
    "liftDetail": N_("%(evenly)s expected there; 90 %%: %(low)s to %(high)s times"),
    "bestSingle": N_("All at the best single hour"),
    "bestSingleDetail": N_("%(slot)s, had it room for them"),
    "cost": N_("Cost of all messages"),
    "arm": N_("Arm"),
    "customers": N_("Customers"),
    "arm.optimised": N_("Optimised: at the moment worth most"),
    "arm.random": N_("Random: at a permitted moment drawn evenly"),
    "arm.holdout": N_("Holdout: never written to"),
    "reason": N_("Why not"),
    "reason.not-started": N_("the promotion starts after the window"),
    "reason.ended": N_("the promotion ends before the window"),
    "reason.other-channel": N_("the promotion is for other channels"),
    "reason.unknown-region": N_("their region is not known, and the promotion is for some"),
    "reason.other-region": N_("the promotion is for other regions"),
    "reason.out-of-stock": N_("nothing of the promotion can be had in their region"),
    "reason.holdout": N_("they are in the holdout arm"),
    "reason.no-consent": N_("they have not agreed to the channel"),
    "reason.frequency-cap": N_("they have had as many messages as the rules allow"),
    "reason.nothing-permitted": N_("no permitted hour is left for them"),
    "reason.no-gain": N_("no permitted message is worth its cost within the limits"),
    "nobodyLeftOut": N_("Nobody is left out."),
    "start": N_("Hour (%(zone)s)"),
    "channel": N_("Channel"),
    "optimised": N_("Optimised"),
    "random": N_("Random"),
    "scheduleCaption": N_("Messages by hour of the customers' own week"),
    "decided": N_("Put down in the log of decisions: it can be judged later."),
    "decidedBefore": N_("It is in the log of decisions already."),
    "failed": N_("The campaign could not be planned."),
    "draftFor": N_(
        "Draft “%(name)s”, decided as of %(at)s, sent from %(from)s to %(to)s (%(zone)s)."
    ),
    "dataAsOf": N_("Past messages, which caps count, as read in on %(date)s."),
}  # fmt: skip


async def show(request: Request) -> Response:
    """Answer the page."""
    return render(request, "timing.html", strings=STRINGS, channels=list(CHANNELS), names=STRINGS)
