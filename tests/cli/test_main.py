"""The ``spatempo`` command: help, exit codes, one line on stderr, one document on stdout, and its imports."""

from __future__ import annotations

import errno
import importlib
import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import spatempo
from spatempo.cli import main as command
from spatempo.cli import output
from spatempo.cli import parse as command_parse
from spatempo.cli.main import COMMANDS, main
from spatempo.errors import SpatempoError

HEAVY = ("torch", "torchvision", "timm", "lightning", "pytorch_lightning", "av", "matplotlib", "numpy")


def spatempo_process(*words: str, **kwargs) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "spatempo", *words], capture_output=True, text=True, **kwargs)


def failure(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Runs a command line that must fail with exit code 2 and no stdout; returns the single line on stderr."""
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("spatempo: error: ")
    assert "Traceback" not in captured.err
    return captured.err


def loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('|' + ','.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("|", 1)[1].strip().split(","))


@pytest.mark.parametrize(
    "statement",
    [
        "import spatempo",
        "import spatempo; dir(spatempo); spatempo.__version__; spatempo.SpatempoError",
        "from spatempo.cli.main import main; main(['--help'])",
        "from spatempo.cli.main import main; main(['train', '--help'])",
        "from spatempo.cli.main import main; main(['predict', '--tpo', '5'])",
        *(f"import spatempo.cli.{name.replace(' ', '_')}" for name in COMMANDS),
    ],
)
def test_no_heavy_library_is_imported(statement):
    assert not loaded_after(statement) & set(HEAVY)


def test_help_answers_within_half_a_second():
    seconds = []
    for _ in range(3):  # the fastest of three, since other tests use the same cores
        start = time.perf_counter()
        done = spatempo_process("--help")
        seconds.append(time.perf_counter() - start)
        assert done.returncode == 0
        assert all(name in done.stdout for name in COMMANDS)
    assert min(seconds) < 0.5


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    captured = capsys.readouterr()
    assert f"usage: spatempo {name}" in captured.out
    assert COMMANDS[name] in " ".join(captured.out.split())
    assert "--json" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_options_run_and_show(name):
    module = importlib.import_module("spatempo.cli." + name.replace(" ", "_"))
    assert inspect.getdoc(module.Options).startswith(COMMANDS[name])
    assert callable(module.run)
    assert callable(module.show)


def test_version_is_the_one_of_the_package():
    assert spatempo.__version__ == importlib.metadata.version("spatempo")
    assert spatempo_process("--version").stdout == f"spatempo {spatempo.__version__}\n"


def test_public_names_all_exist():
    for name in spatempo.__all__:
        assert getattr(spatempo, name) is not None
    assert set(spatempo.__all__) <= set(dir(spatempo))
    with pytest.raises(AttributeError, match="no_such_thing"):
        spatempo.no_such_thing  # noqa: B018


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["trian"], ["unknown command 'trian'", "'train'"]),
        (["stirfry"], ["unknown command 'stirfry'", "predict", "data make"]),
        (["--frames", "8"], ["the command must come first", "--frames"]),
        (["data", "mkae"], ["'data mkae'", "'data make'"]),
        (["predict"], ["CHECKPOINT", "spatempo predict --help"]),
        (["predict", "ck", "a.mp4", "--tpo", "3"], ["--tpo", "(did you mean --top?)", "spatempo predict --help"]),
        (["predict", "ck", "a.mp4", "--top", "many"], ["--top", "many"]),
        (["predict", "ck", "a.mp4", "--top"], ["--top"]),
        (["predict", "ck", "a.mp4", "--top", "1.5"], ["--top", "1.5"]),
        (["test", "ck"], ["DATA"]),
        (["test", "ck", "data", "--no-such-flag"], ["--no-such-flag", "spatempo test --help"]),
        (["data", "make", "out", "--seed", "x"], ["--seed", "spatempo data make --help"]),
        (["models", "tsm_*", "tsn_*"], ["tsn_*"]),
    ],
)
@pytest.mark.parametrize("json_flag", [[], ["--json"]])
def test_usage_errors_are_one_line(words, parts, json_flag, capsys):
    error = failure(capsys, *words, *json_flag)
    for part in parts:
        assert part in error
    assert "│" not in error
    assert "─" not in error


class FakeCommand:
    """The module of a command, to test what `main` does for every command."""

    @dataclass
    class Options:
        json: bool = False
        max_unreadable: float = 0.0
        set: tuple[str, ...] = ()
        option: tuple[str, ...] = ()

    def __init__(self, run):
        self.run = run

    def show(self, document):
        print("shown", document)


@pytest.fixture
def fake(monkeypatch):
    """Replaces ``models`` by a command that calls the given function."""

    def put(run, json_flag=False):
        options = FakeCommand.Options()
        options.json = json_flag
        monkeypatch.setattr(command_parse, "parse", lambda *_: options)
        monkeypatch.setattr(command.importlib, "import_module", lambda _: FakeCommand(run))
        return main(["models"])

    return put


def test_line_breaks_in_error_messages_are_escaped(fake, capsys):
    def run(_):
        raise SpatempoError("a\nclip.mp4: no label; add one\n")

    assert fake(run) == 2
    assert capsys.readouterr() == ("", "spatempo: error: a\\nclip.mp4: no label; add one\n")


def test_settings_in_messages_become_flags(fake, capsys):
    def run(_):
        raise SpatempoError(
            "too many (`max_unreadable`); lower `lr`, or `precision=32`, `causal=True`, see `spatempo models`"
        )

    assert fake(run) == 2
    assert capsys.readouterr().err == (
        "spatempo: error: too many (--max-unreadable); lower --set lr=..., or --set precision=32, "
        "--option causal=true, see `spatempo models`\n"
    )


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EACCES, errno.ELOOP])
def test_system_errors_of_a_path_are_one_line(fake, capsys, number):
    def run(_):
        raise OSError(number, os.strerror(number), "some/path")

    assert fake(run) == 2
    captured = capsys.readouterr().err
    assert captured.startswith(f"spatempo: error: some/path: {os.strerror(number)}")
    assert captured.count("\n") == 1


def test_other_system_errors_keep_their_traceback(fake):
    def run(_):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    with pytest.raises(OSError, match="Bad file"):
        fake(run)


def test_a_bug_keeps_its_traceback(fake):
    def run(_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fake(run)


def test_interrupt_has_exit_code_130(fake, capsys):
    def run(_):
        raise KeyboardInterrupt

    assert fake(run) == 130
    assert capsys.readouterr().err == "spatempo: error: interrupted\n"


def test_incomplete_results_are_shown_with_exit_code_2(fake, capsys):
    def run(_):
        raise output.Incomplete([1], "1 of 2 videos cannot be read")

    assert fake(run) == 2
    captured = capsys.readouterr()
    assert captured.out == "shown [1]\n"
    assert captured.err == "spatempo: error: 1 of 2 videos cannot be read\n"


def test_stdout_contains_only_json(fake, capsys):
    def run(_):
        print("a library's chatter")
        return {"loss": float("nan"), "path": Path("a b")}

    assert fake(run, json_flag=True) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"loss": None, "path": "a b"}
    assert captured.err == "a library's chatter\n"


@pytest.mark.parametrize("rank", ["RANK", "LOCAL_RANK", "NODE_RANK"])
def test_only_the_first_process_prints_results(fake, capsys, monkeypatch, rank):
    monkeypatch.setenv(rank, "1")
    assert fake(lambda _: {}, json_flag=True) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(os.name == "nt", reason="pipes close differently on Windows")
def test_a_closed_pipe_is_not_an_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "spatempo", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait() == 141
    assert process.stderr.read() == ""
