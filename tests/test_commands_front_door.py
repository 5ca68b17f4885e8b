"""How the command line ends: groups of help, exit codes, errors in words, Ctrl+C, completion."""

from __future__ import annotations

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import almanac
from commands import front_door
from commands.completion import complete_product, list_published
from commands.failures import explain, find_workspace, write_log
from commands.front_door import COMMANDS
from commands.options import CAMPAIGNS, DATA_SCIENCE, MERCHANDISING, OPERATIONS

ROOT = Path(__file__).parents[1]


def run(*words: str, code: int, patch: pytest.MonkeyPatch | None = None) -> str:
    """Run the command line in this process; return all that it printed."""
    printed = io.StringIO()
    with (
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
        pytest.MonkeyPatch.context() as argv,
    ):
        argv.setattr(sys, "argv", ["almanac", *words])
        argv.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ended:
            almanac.main()
    assert (ended.value.code or 0) == code, printed.getvalue()
    return printed.getvalue()


def read_panels(text: str) -> dict[str, str]:
    """Return what stands in each panel of a help text, by its title."""
    parts = re.split(r"╭─ (.*?) ─*╮", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_in_the_panel_of_its_person():
    panels = read_panels(run("--help", code=0))
    assert list(panels)[1:] == [DATA_SCIENCE, CAMPAIGNS, MERCHANDISING, OPERATIONS]
    for person, commands in COMMANDS.items():
        for name in commands:
            assert re.search(rf"│ {name}  ", panels[person]), name
    within = {"identity show": OPERATIONS, "keys create": OPERATIONS, "keys audit": OPERATIONS}
    within |= {"decisions compact": OPERATIONS, "decisions show": CAMPAIGNS}
    within |= {"decisions export": DATA_SCIENCE}
    for name, person in within.items():
        assert re.search(rf"│ {name}  ", panels[person]), name


def list_commands() -> dict[str, TyperCommand]:
    """Return every command and subcommand by how it is called."""
    found = {}
    for name, command in get_command(almanac.app).commands.items():
        inner = command.commands if isinstance(command, TyperGroup) else {"": command}
        found |= {f"{name} {key}".strip(): one for key, one in inner.items()}
    return found


def test_no_command_is_left_out_and_every_option_says_what_it_is():
    shown = "".join(read_panels(run("--help", code=0)).values())
    commands = list_commands()
    assert {"train", "identity split", "keys rotate", "decisions export"} <= set(commands)
    for name, command in commands.items():
        assert f"│ {name}  " in shown
        for option in command.params:
            assert re.fullmatch(r"[A-Z\d\w].*\.", option.help or ""), f"{name}: {option.name}"


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("train",),
        ("train", "nonsense"),
        ("serve", "--port", "7"),
        ("forecast", "--out", "x.csv", "--horizon", "0"),
        ("stock", "--out", "x.xlsx"),
        ("decisions", "export", "--out", "x.csv"),
        ("report", "--out", __file__),
        ("backtest", "demand", "--out", __file__),
        ("forecast", "--out", f"{__file__}/x.csv"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_with_the_usage(words):
    said = run(*words, code=2)
    assert "Usage: almanac" in said
    assert "--help" in said


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A project whose file makes the command fail as nobody foresaw."""

    def break_down(*_: object) -> None:
        raise ZeroDivisionError("by a number of the user's")

    monkeypatch.setattr("features.project.load_project", break_down)
    file = tmp_path / "almanac.toml"
    file.write_text('[project]\nworkspace = "mine"\n')
    return file


def test_a_foreign_error_is_one_sentence_and_its_traceback_is_in_a_log(broken):
    said = run("check", "--project", str(broken), code=1)
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert "ZeroDivisionError" in said
    assert "almanac doctor" in said
    (log,) = (broken.parent / "mine" / "logs").iterdir()
    assert str(log) in said
    assert "break_down" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("words", [("--debug", "check"), ("check", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(broken, words):
    said = run(*words, "--project", str(broken), code=1)
    assert "Traceback" in said
    assert "break_down" in said
    assert not (broken.parent / "mine").exists()


def test_debug_by_the_environment(broken, monkeypatch):
    monkeypatch.setenv("ALMANAC_DEBUG", "1")
    assert "Traceback" in run("check", "--project", str(broken), code=1)
    monkeypatch.setenv("ALMANAC_DEBUG", "0")
    assert "Traceback" not in run("check", "--project", str(broken), code=1)


def test_debug_shows_the_traceback_of_a_refusal_too(tmp_path):
    refused = run("check", "--project", str(tmp_path / "no.toml"), "--debug", code=1)
    assert "Traceback" in refused
    assert "refused: " in refused


def test_what_cannot_be_written_is_no_traceback(tmp_path):
    (tmp_path / "sales.csv").write_text("date,store,product,quantity\n2025-01-01,N,tea,3\n")
    said = run(
        "init", "--sales", str(tmp_path / "sales.csv"), "--project", "/proc/x/almanac.toml", code=1
    )
    assert "Traceback" not in said
    assert "/proc/x" in said


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(28, "No space left on device", "out.csv"), "out.csv: the disk is full"),
        (PermissionError(13, "Permission denied", "a.db"), "a.db: you may not"),
        (MemoryError(), "memory_limit"),
        (ModuleNotFoundError("no", name="duckdb"), "'duckdb' is missing"),
        (ValueError("odd\nmore"), "this should not have happened: ValueError: odd."),
        (RuntimeError(), "happened: RuntimeError."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_is_raised_elsewhere_is_explained(error, words):
    assert words in explain(error)
    assert "more" not in explain(error)


def test_the_log_goes_elsewhere_where_the_workspace_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    at = datetime(2026, 1, 31, tzinfo=UTC)
    log = write_log(ValueError("x"), ["check", "-p", "/proc/none/almanac.toml"], at)
    assert log is not None
    assert log.parent == tmp_path
    assert "20260131T000000Z" in log.name


@pytest.mark.parametrize(
    "words", [("erase", "ann@x.org", "--yes"), ("identity", "show", "ann@x.org")]
)
def test_a_log_names_nobody(tmp_path, monkeypatch, words):
    def break_down(*_: object) -> None:
        raise LookupError(words)

    monkeypatch.setattr("features.project.load_project", break_down)
    project = tmp_path / "almanac.toml"
    run(*words, "--project", str(project), code=1)
    (log,) = (tmp_path / ".almanac" / "logs").iterdir()
    text = log.read_text()
    assert "ann" not in text
    assert "LookupError" in text
    assert text.startswith(f"almanac {words[0]}\n")


@pytest.mark.parametrize(
    ("words", "workspace"),
    [
        (["check", "--project", "{}/a.toml"], "{}/w"),
        (["check", "--project={}/a.toml"], "{}/w"),
        (["check", "-p", "{}/none.toml"], "{}/.almanac"),
        (["check", "-p", "{}/plain.toml"], "{}/.almanac"),
        (["check", "-p", "{}/odd.toml"], "{}/.almanac"),
        (["check"], ".almanac"),
        (["demo"], "demo/.almanac"),
    ],
)
def test_the_workspace_is_that_of_the_command_line(tmp_path, words, workspace):
    (tmp_path / "a.toml").write_text('[project]\nworkspace = "w"\n')
    (tmp_path / "plain.toml").write_text("[project]\n")
    (tmp_path / "odd.toml").write_text("project = 3\n")
    found = find_workspace([word.format(tmp_path) for word in words])
    assert found == Path(workspace.format(tmp_path))


def test_ctrl_c_says_what_stays(tmp_path, monkeypatch):
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("features.project.load_project", stop)
    said = run("train", "demand", "--project", str(tmp_path / "almanac.toml"), code=130)
    assert "stopped by Ctrl+C. No model was registered, and the champion serves on." in said
    assert "Nothing half-made" in run("why", "--region", "all", code=130)


def test_every_command_that_is_said_to_keep_something_is_there():
    from commands.interruptions import _KEPT

    assert set(_KEPT) <= {name for commands in COMMANDS.values() for name in commands}


CTRL_C = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
import features.project
def wait(*_):
    print("working", flush=True)
    time.sleep(30)
features.project.load_project = wait
import almanac
sys.argv = ["almanac", "check"]
almanac.main()
"""


def test_ctrl_c_ends_a_process_in_words(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", CTRL_C],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "working\n"
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "A table that was not finished is as it was before." in said


def complete(line: str) -> list[str]:
    """Return what bash would offer after `line`."""
    done = subprocess.run(
        [sys.executable, "-c", "import almanac; almanac.main()"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "_ALMANAC_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        },
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_the_shell_offers_commands_kinds_and_regions(champion):
    assert "plan-campaign" in complete("almanac pl")
    assert complete("almanac train ") == ["demand", "promotion"]
    project = str(champion.project.path)
    assert complete(f"almanac why --project {project} --region n") == ["north"]
    assert complete("almanac why --project /nowhere.toml --region n") == []


@pytest.mark.parametrize(
    ("shell", "offered"), [("complete_bash", r"SOFT\ DRINKS"), ("complete_zsh", "SOFT DRINKS")]
)
def test_a_name_of_two_words_stays_one(monkeypatch, shell, offered):
    monkeypatch.setenv("_ALMANAC_COMPLETE", shell)
    monkeypatch.setattr("commands.completion.list_published", lambda *_: ["SOFT DRINKS", "SOUP"])
    context = SimpleNamespace(params={})
    assert complete_product(context, "SOFT") == [offered]


def test_levels_regions_and_products_of_the_published_forecasts(champion):
    path = champion.project.path
    assert list_published(path, "region_id") == ["all", "north", "south"]
    assert "region/product" in list_published(path, "level")
    assert set(list_published(path, "product_id")) == {"all", "new", "tea"}


def test_large_forecasts_are_not_read_while_somebody_types(champion, monkeypatch):
    monkeypatch.setattr("commands.completion.MOST_BYTES", 10)
    assert list_published(champion.project.path, "region_id") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed(tmp_path, monkeypatch, shell):
    monkeypatch.setenv("HOME", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", "import almanac; almanac.main()", "--install-completion", shell],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert done.returncode == 0, done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("_ALMANAC_COMPLETE" in path.read_text() for path in written)


def test_the_help_needs_no_room(monkeypatch):
    """`almanac --help` must answer at once: nothing heavy is imported for it."""
    heavy = "('pandas', 'mlflow', 'duckdb', 'lightgbm', 'bentoml', 'pyarrow')"
    code = f"import sys, almanac; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
    assert front_door.app.info.no_args_is_help
