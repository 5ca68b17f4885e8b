"""The names of things that several pages tell of: channels, and what the API says in sentences."""

from __future__ import annotations

from serving.pages.locale import N_, Strings

CHANNELS: Strings = {
    "channel.web": N_("web"),
    "channel.app": N_("app"),
    "channel.store": N_("store"),
    "channel.email": N_("e-mail"),
    "channel.sms": N_("SMS"),
    "channel.push": N_("push message"),
    "channel.social": N_("social media"),
    "channel.service": N_("customer service"),
    "channel.mail": N_("letter"),
}
"""By `features.schema.CHANNELS`."""
_OFFERS = (
    N_("there is no such promotion in the table of promotions"),
    N_("the promotion starts after the send window"),
    N_("the promotion ends before the send window"),
    N_("the promotion is for other channels"),
    N_("the promotion is for some regions, and the customer's is not known"),
    N_("the promotion is for other regions than the customer's"),
    N_("nothing of the promotion can be had in the customer's region"),
    N_("the customer is in the holdout arm, which is never written to"),
    N_("the customer has stated consent, and not for this channel"),
    N_("the customer has had as many messages as the frequency rules allow"),
    N_("quiet hours cover the whole window in the customer's time zone"),
)
_NOTES = (
    N_("the customer has not agreed to personalisation"),
    N_("no send-time model is published: almanac train promotion, almanac promote promotion"),
)
SAID: Strings = {f"said.{sentence}": sentence for sentence in (*_OFFERS, *_NOTES)}
"""Sentences of the API are their own keys: one without a translation is shown as it came."""
