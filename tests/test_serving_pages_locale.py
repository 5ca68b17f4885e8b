"""Every text of every page: marked, translated, used, and with the same values in each language."""

import re
from gettext import c2py
from pathlib import Path

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

from serving.pages import layout, locale
from serving.pages.locale import FOLDER, LANGUAGES, SHELL, choose_language, load_texts
from serving.pages.overview import STRINGS as OVERVIEW

ROOM = Path(layout.__file__).parent
KEYWORDS = {"_": None, "N_": None, "NN_": (1, 2), "gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
PYTHON_OF_SHELL = {"layout", "assets", "session", "routes", "locale"}


def list_pages() -> list[str]:
    return sorted(path.stem for path in (ROOM / "templates").glob("*.html"))


def name_catalogue(path: Path) -> str:
    return SHELL if path.stem in PYTHON_OF_SHELL else path.stem


def extract_texts() -> dict[str, set[str | tuple[str, str]]]:
    """Return the texts of every catalogue."""
    found: dict[str, set] = {SHELL: set()}
    for path in sorted(ROOM.rglob("*.html")) + sorted(ROOM.glob("*.py")):
        method = "python" if path.suffix == ".py" else "jinja2.ext:babel_extract"
        with path.open("rb") as file:
            for _, text, _, _ in extract(method, file, keywords=KEYWORDS):
                found.setdefault(name_catalogue(path), set()).add(text)
    return {name: texts for name, texts in found.items() if texts}


TEXTS = extract_texts()
CATALOGUES = sorted(FOLDER.glob("*/*.po"))


def read_catalogue(path: Path):
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name)


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_every_text_has_its_arabic(name):
    paths = [FOLDER / "ar" / f"{one}.po" for one in (name, SHELL)]
    assert paths[0].is_file(), f"locales/ar/{name}.po is missing"
    there = {message.id for path in paths for message in read_catalogue(path) if message.string}
    missing = [text for text in sorted(TEXTS[name], key=str) if text not in there]
    assert missing == [], f"put them into locales/ar/{name}.po"


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_no_catalogue_has_a_text_that_nobody_uses(path):
    unused = [m.id for m in read_catalogue(path) if m.id and m.id not in TEXTS.get(path.stem, ())]
    assert unused == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_translations_take_the_same_values(path):
    for message in read_catalogue(path):
        if message.id:
            check_placeholders(message)


def check_placeholders(message) -> None:
    """Fail if a form lacks a value or has one more; "one" and "two" may be said without "n"."""
    is_plural = not isinstance(message.id, str)
    wanted = set(PLACEHOLDER.findall(message.id[1] if is_plural else message.id))
    least = wanted - {"n"} if is_plural else wanted
    for form in message.string if is_plural else [message.string]:
        assert form
        assert least <= set(PLACEHOLDER.findall(form)) <= wanted, message.id


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_catalogue_holds_every_plural_form_in_the_order_that_scripts_expect(path):
    """zero, one, two, few, many, other: Babel's own rule for Arabic has the last two swapped."""
    catalogue = read_catalogue(path)
    for message in catalogue:
        if message.id and not isinstance(message.id, str):
            assert len(message.string) == catalogue.num_plurals, message.id
    if path.parent.name == "ar":
        rule = c2py(catalogue.plural_expr)
        assert [rule(n) for n in (0, 1, 2, 3, 10, 11, 99, 100, 102, 103)] == [
            0, 1, 2, 3, 3, 4, 4, 5, 5, 3,
        ]  # fmt: skip


def test_every_page_has_a_name_in_the_navigation_and_a_text_is_english_without_a_catalogue():
    assert load_texts("overview", "fa").gettext("Overview") == "Overview"
    assert load_texts("overview", "fa").direction == "rtl"
    assert load_texts("overview", "ne").direction == "ltr"
    assert load_texts("overview", "en").ngettext("%(n)s day", "%(n)s days", 1) == "1 day"


def test_plural_forms_go_to_scripts_in_the_order_of_the_unicode_categories():
    arabic = load_texts("overview", "ar").pack({"watch": OVERVIEW["watch"]})["watch"]
    assert len(arabic) == 6
    english = load_texts("overview", "en").pack({"watch": OVERVIEW["watch"]})["watch"]
    assert english == list(OVERVIEW["watch"])


@pytest.mark.parametrize(
    ("chosen", "accepted", "expected"),
    [
        (None, "", "en"),
        (None, "ar-EG,ar;q=0.9,en;q=0.8", "ar"),
        (None, "de,fr;q=0.9", "en"),
        (None, "en;q=0.3, hy", "hy"),
        ("ne", "ar", "ne"),
        ("../../etc", "ar", "ar"),
        (None, "ar;q=0, en", "en"),
        (None, "x" * 500 + ";q=1, ,;;q=z", "en"),
    ],
)
def test_the_language_is_the_chosen_one_then_the_liked_one(chosen, accepted, expected):
    assert choose_language(chosen, accepted) == expected


def test_languages_are_named_in_themselves():
    assert set(layout.LANGUAGE_NAMES) == set(LANGUAGES)
    assert locale.LANGUAGES[0] == "en"
