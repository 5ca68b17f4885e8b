"""Languages of the pages: which one a reader gets, and its texts, from the .po files themselves.

English is the key of every text, and what is shown where a catalogue has nothing. There is no
compile step: catalogues are small, and are read once when the service starts.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path

from babel.core import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from serving.bodies import read_qualities

FOLDER = Path(__file__).parent / "locales"
LANGUAGES = ("en", "ar", "fa", "hy", "ne")
"""Dates and numbers are written as in these; texts in those that have catalogues."""
SHELL = "shell"
COOKIE = "almanac_language"


def N_(message: str) -> str:  # noqa: N802
    """Mark a text for translation, where it is not shown yet.

    Examples
    --------
    >>> N_("Overview")
    'Overview'
    """
    return message


def NN_(one: str, many: str) -> tuple[str, str]:  # noqa: N802
    """Mark a text that counts something.

    Examples
    --------
    >>> NN_("%(n)s day", "%(n)s days")
    ('%(n)s day', '%(n)s days')
    """
    return one, many


Strings = Mapping[str, str | tuple[str, str]]
"""Texts that a script needs, by the name it calls them; pairs count something."""


@dataclass(frozen=True)
class Texts:
    """The texts of one page in one language.

    Attributes
    ----------
    language : str
        One of `LANGUAGES`.
    catalogues : tuple of GNUTranslations
        The page's own first, then the layout's.
    """

    language: str
    catalogues: tuple[gettext.GNUTranslations, ...]

    @property
    def direction(self) -> str:
        """`rtl` where lines run from right to left."""
        return Locale.parse(self.language).text_direction

    def gettext(self, message: str, **values: object) -> str:
        """Return a text with its values filled in."""
        found = self._find(message)
        return found % values if values else found

    def ngettext(self, one: str, many: str, n: int, **values: object) -> str:
        """Return the text for `n`, which is also the value `n` of it."""
        for catalogue in self.catalogues:
            found = catalogue.ngettext(one, many, n)
            if found not in (one, many):
                return found % {"n": n, **values}
        return (one if n == 1 else many) % {"n": n, **values}

    def pack(self, strings: Strings) -> dict[str, str | list[str]]:
        """Return the texts that a script needs; of those that count, every plural form in order."""
        return {
            name: self._find(text) if isinstance(text, str) else self._list_forms(*text)
            for name, text in strings.items()
        }

    def _find(self, message: str) -> str:
        for catalogue in self.catalogues:
            found = catalogue.gettext(message)
            if found != message:
                return found
        return message

    def _list_forms(self, one: str, many: str) -> list[str]:
        for catalogue in self.catalogues:
            forms = list(_list_plurals(catalogue, one))
            if forms:
                return forms
        return [one, many]


def _list_plurals(catalogue: gettext.GNUTranslations, one: str) -> Iterator[str]:
    # what gettext reads; there is no public way to more than one form at a time
    known: dict[object, str] = catalogue._catalog  # type: ignore[attr-defined]
    form = 0
    while (one, form) in known:
        yield known[one, form]
        form += 1


@cache
def load_texts(page: str, language: str) -> Texts:
    """Return the texts of a page, which fall back on those of the layout, then on English."""
    found = (_load_catalogue(name, language) for name in dict.fromkeys((page, SHELL)))
    return Texts(language, tuple(one for one in found if one is not None))


@cache
def _load_catalogue(name: str, language: str) -> gettext.GNUTranslations | None:
    path = FOLDER / language / f"{name}.po"
    if not path.is_file():
        return None
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def choose_language(chosen: str | None, accepted: str) -> str:
    """Return the language of an answer.

    Parameters
    ----------
    chosen : str or None
        What the reader chose on a page before.
    accepted : str
        The header Accept-Language.

    Examples
    --------
    >>> choose_language("ar", "en"), choose_language(None, "de, fa-IR;q=0.8, en;q=0.5")
    ('ar', 'fa')
    >>> choose_language("xx", ""), choose_language(None, "en;q=0, *")
    ('en', 'en')
    """
    if chosen in LANGUAGES:
        return chosen
    qualities = {name: value for name, value in read_qualities(accepted).items() if value > 0.0}
    liked = sorted(qualities, key=lambda name: -qualities[name])
    try:
        found = negotiate_locale([name for name in liked if name != "*"], LANGUAGES, sep="-")
    except ValueError:
        return LANGUAGES[0]
    return found or LANGUAGES[0]
