"""Frames and files of the pages: headers, languages, addresses, and what is not ours."""

import hashlib
import json
import re
from pathlib import Path

import pytest

from serving.pages import assets, routes
from serving.pages.layout import NAVIGATION, POLICY, load_templates

HTML = {"accept": "text/html"}
VENDOR = Path(assets.FOLDER) / "vendor"


@pytest.mark.parametrize("path", routes.PAGES)
def test_a_page_has_a_language_a_strict_policy_and_no_script_or_style_of_its_own(call, path):
    answer = call("GET", path, headers=HTML)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers.get_list("content-security-policy") == [POLICY]
    assert "unsafe" not in POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert '<html lang="en" dir="ltr" data-theme="auto">' in answer.text
    assert " style=" not in answer.text
    assert not re.search(r"<style|\son[a-z]+=", answer.text)
    inline = re.findall(r"<script(?![^>]*\ssrc=)([^>]*)>", answer.text)
    assert inline == [' type="application/json" id="strings"']
    assert f'<a href="{path}" aria-current="page">' in answer.text


@pytest.mark.parametrize("path", routes.PAGES)
def test_every_file_that_a_page_names_is_there(call, path):
    text = call("GET", path, headers=HTML).text
    named = re.findall(r'"(/assets/[^"]+)"', text)
    assert named
    for address in named:
        assert call("GET", address).status_code == 200, address


def test_modules_import_what_is_there():
    files = assets.load_assets().files
    for name, asset in files.items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            for target in re.findall(r'from "\./([^"]+)"', asset.content.decode()):
                assert target in files, f"{name} imports {target}"


def test_every_page_has_its_name_in_the_navigation():
    assert set(routes.PAGES) <= set(NAVIGATION)


def test_language_and_colours_are_the_readers(call):
    chosen = call("GET", "/models", headers={"cookie": "almanac_language=ar; almanac_theme=dark"})
    assert '<html lang="ar" dir="rtl" data-theme="dark">' in chosen.text
    assert "النماذج" in chosen.text
    assert chosen.headers["content-language"] == "ar"
    liked = call("GET", "/models", headers={"accept-language": "fa"})
    assert '<html lang="fa" dir="rtl"' in liked.text
    odd = call("GET", "/models", headers={"cookie": 'almanac_theme="><script>; almanac_language=x'})
    assert '<html lang="en" dir="ltr" data-theme="auto">' in odd.text


def test_the_front_is_json_for_machines_and_a_page_for_browsers(call):
    assert call("GET", "/").json()["name"] == "Almanac"
    assert call("GET", "/", headers={"accept": "*/*"}).json()["name"] == "Almanac"
    browser = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
    assert call("GET", "/", headers=browser).text.startswith("<!doctype html>")


def test_what_is_no_page_is_a_problem(call):
    assert call("GET", "/nowhere").json()["type"] == "urn:almanac:problem:not-found"
    assert call("POST", "/models").status_code == 405
    for path in ("x/../../routes.py", "..%2f..%2froutes.py", "no.js"):
        assert call("GET", f"/assets/0/{path}").status_code == 404


def test_who_reads_is_led_on_from_an_address_that_is_none(call):
    answer = call("GET", "/demnad", headers=HTML)
    assert answer.status_code == 404
    assert 'href="/models"' in answer.text
    assert "demnad" not in answer.text.replace('value="/demnad"', "")


@pytest.mark.parametrize("path", routes.PAGES)
def test_scripts_ask_for_texts_that_the_page_holds(call, path):
    text = call("GET", path, headers=HTML).text
    held = json.loads(re.search(r'id="strings">(.*?)</script>', text, re.DOTALL)[1])
    files = assets.load_assets().files
    waiting = re.findall(r'<script type="module" src="/assets/\w+/([^"]+)"', text)
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen or name.startswith("vendor/"):
            continue
        seen.add(name)
        source = files[name].content.decode()
        waiting += re.findall(r'from "\./([^"]+)"', source)
        asked = set(re.findall(r'\bt\("([^"]+)"', source))
        assert asked <= set(held), name
        for start in re.findall(r"\bt\(`([^`$]*)\$\{", source):
            assert any(key.startswith(start) for key in held), f"{name}: {start}"


def test_files_are_kept_under_their_hash_and_asked_for_again_under_another(call):
    address = assets.load_assets().address("api.js")
    first = call("GET", address, headers={"accept-encoding": "identity"})
    assert first.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    tag = {"if-none-match": first.headers["etag"], "accept-encoding": "identity"}
    assert call("GET", address, headers=tag).status_code == 304
    old = call("GET", "/assets/0000/api.js")
    assert old.headers["cache-control"] == "no-cache"
    zipped = call("GET", address, headers={"accept-encoding": "gzip"})
    assert zipped.headers["content-encoding"] == "gzip"
    assert zipped.content == first.content
    assert zipped.headers["etag"] != first.headers["etag"]


def test_a_template_that_names_what_is_not_there_fails_at_once():
    with pytest.raises(KeyError, match=r"no\.js"):
        load_templates().from_string("{{ asset('no.js') }}").render()


def test_what_is_not_ours_is_what_was_taken_from_npm_with_its_licence():
    rows = re.findall(
        r"^\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| \S+ \| ([0-9a-f]{64}) \|$",
        (VENDOR / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    found = {file: digest for *_, file, digest in rows}
    there = {
        path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert found == there
    assert {package for package, *_ in rows} <= {Path(file).parent.as_posix() for file in found}
    for package in {package for package, *_ in rows}:
        assert f"{package}/LICENSE" in found


def test_a_wheel_would_hold_every_file_of_the_pages():
    """As setuptools reads `package-data`: globs from the package's folder."""
    import tomllib

    root = Path(routes.__file__).parent
    project = tomllib.loads((root.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
    globs = project["tool"]["setuptools"]["package-data"]["serving.pages"]
    taken = {path for pattern in globs for path in root.glob(pattern) if path.is_file()}
    there = {
        path for path in root.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }  # fmt: skip
    assert there - taken == set()
