"""What pages call by names of their own is what the API can say."""

from features.schema import CHANNELS
from models.campaign.eligibility import SENTENCES
from serving.customers.view import NO_CONSENT, NO_MODEL
from serving.pages import words
from serving.pages.locale import load_texts


def test_every_channel_has_a_name():
    assert tuple(words.CHANNELS) == tuple(f"channel.{channel}" for channel in CHANNELS)


def test_every_sentence_is_known_word_for_word():
    assert set(words.SAID.values()) == {*SENTENCES.values(), NO_CONSENT, NO_MODEL}


def test_shared_words_are_translated_on_every_page():
    texts = load_texts("customer", "ar")
    assert texts.gettext("web") == "الويب"
