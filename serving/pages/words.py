"""The names of things that several pages tell of: channels, and what the API says in sentences."""

from __future__ import annotations

from models.campaign.eligibility import SENTENCES
from serving.customers.view import NO_CONSENT, NO_MODEL
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
ELIGIBILITY: Strings = {f"said.{words}": words for words in SENTENCES.values()}
"""Sentences of the API are their own keys: one without a translation is shown as it came."""
NOTES: Strings = {f"said.{words}": words for words in (NO_CONSENT, NO_MODEL)}
