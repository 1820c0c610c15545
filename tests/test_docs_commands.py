"""Commands in the README and in docs/: all of them are valid, and those that take seconds run as written."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import get_model_weights

from spatempo.cli.fields import recipe_fields
from spatempo.cli.main import COMMANDS, main
from spatempo.cli.parse import parse
from spatempo.cli.values import parse_options
from spatempo.data.generated.presets import PRESETS
from spatempo.data.manifest import load_manifest
from spatempo.evaluation.scoring.protocols import PROTOCOLS
from spatempo.learning.recipes import RECIPES
from spatempo.models.checkpoint import save_checkpoint
from spatempo.models.registry import create_model, parse_name
from spatempo.studies.comparing.budget import parse_budget
from spatempo.video.writer import write_video

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PROGRAMS = ("spatempo ", "python -m spatempo", "python benchmarks/", "make ")
ERROR = "spatempo: error: "

# commands that take seconds, and text of those that do not run
FAST = ("--help", "models", "info", "data make", "data scan", "predict", "test", "doctor")
NOT_RUN = {
    "runs/flow/best": "needs optical flow",
    "runs/tsm_mobilenet_v2/best": "needs ImageNet weights",
    "model.onnx": "needs an exported file",
    "model_openvino": "needs an exported file",
}


@dataclass(frozen=True)
class Example:
    """A command in the documentation."""

    page: str
    line: int
    text: str
    output: str
    """the first line of the output that the page shows; empty if it shows none."""
    inline: bool = False
    """in backticks within a sentence, where words in capitals may stand for values."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def words(self) -> list[str]:
        """The words after ``spatempo``, without a comment or a redirection."""
        words = shlex.split(self.text, comments=True)
        words = words[words.index("spatempo") + 1 :]
        return words[: words.index(">")] if ">" in words else words

    @property
    def runs(self) -> bool:
        """Whether the command takes seconds and needs nothing that the tests do not have."""
        if any(word.isalpha() and word.isupper() for word in self.words) or any(text in self.text for text in NOT_RUN):
            return False
        trains_tiny = "runs/tiny" in self.text  # the quick start of README.md
        return split(self.words)[0] in FAST or trains_tiny or self.output.startswith(ERROR)


def examples() -> Iterator[Example]:
    for page in PAGES:
        text, name = page.read_text("utf-8"), page.relative_to(ROOT).as_posix()
        lines = text.splitlines()
        fenced = session = False  # a session is a block with prompts and outputs
        for number, line in enumerate(lines, 1):
            if line.startswith("```"):
                fenced, session = not fenced, not fenced and lines[number].startswith("$ ")
            command = line.strip().removeprefix("$ ")
            if session and line.startswith("$ "):
                yield Example(name, number, command, lines[number])
            elif (fenced or line.startswith("    ")) and not session and command.startswith(PROGRAMS):
                yield Example(name, number, command, "")
        prose = re.sub(r"^```.*?^```", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
        for span in re.finditer(r"`((?:spatempo|python -m spatempo\.\w+)\s[^`]+)`", prose):
            command = " ".join(span[1].split())
            if "..." not in command and not command.startswith("spatempo COMMAND"):
                yield Example(name, prose.count("\n", 0, span.start()) + 1, command, "", inline=True)


def split(words: list[str]) -> tuple[str, list[str]]:
    """The command, of one or two words, and its arguments."""
    count = 2 if words[0] == "data" else 1
    return " ".join(words[:count]), words[count:]


EXAMPLES = list(examples())
OWN = [example for example in EXAMPLES if re.match(r"(python -m )?spatempo ", example.text)]
OTHER = [example for example in EXAMPLES if example not in OWN]
BLOCKS = [example for example in OWN if not example.inline]


def test_examples_are_found() -> None:
    found = {split(example.words)[0] for example in BLOCKS}
    assert found >= {*COMMANDS, "--help"}
    assert {example.page for example in EXAMPLES} >= {"README.md", "docs/cli.md", "docs/training.md"}
    assert any(example.inline for example in OWN)
    assert {split(example.words)[0] for example in BLOCKS if example.runs} >= {*FAST, "train"}
    assert all(any(text in example.text for example in BLOCKS) for text in NOT_RUN)


@pytest.mark.parametrize("example", OWN, ids=lambda example: f"{example.place} {example.text}")
def test_command_is_valid(example: Example) -> None:
    command, arguments = split(example.words)
    if command in ("--help", "--version") or example.output.startswith(ERROR):
        return
    assert command in COMMANDS, f"{example.place}: unknown command {command!r}"
    if example.inline and not arguments:  # only the name of the command
        return
    module = importlib.import_module("spatempo.cli." + command.replace(" ", "_"))
    options = parse(module.Options, f"spatempo {command}", arguments)
    if options is not None:
        check_values(command, options)


def check_values(command: str, options: Any) -> None:
    """Checks names and values that the parser accepts as any text."""
    for name, known in (("recipe", RECIPES), ("protocol", PROTOCOLS), ("preset", PRESETS)):
        value = getattr(options, name, None)
        assert value is None or value.isupper() or value in known, f"unknown {name} {value!r}"
    if command == "train":
        recipe_fields({}, options.set)
        check_model(options.model, parse_options(options.option), options.weights)
    elif command == "compare":
        recipe_fields({}, options.set)
        parse_budget(options.budget)
        for model in options.models.split(","):
            name, *own = model.split(":")
            check_model(name, parse_options(own), options.weights)
    elif command == "info":
        check_model(options.name, parse_options(options.option), None)


def check_model(name: str, options: dict[str, Any], weights: str | None) -> None:
    with torch.device("meta"):
        create_model(name, **options)
    if weights is not None and "/" not in weights and "." not in weights:
        assert weights in get_model_weights(parse_name(name)[1]).__members__, f"{name} has no weight set {weights!r}"


@pytest.mark.parametrize("example", OTHER, ids=lambda example: f"{example.place} {example.text}")
def test_program_exists(example: Example) -> None:
    words = shlex.split(example.text, comments=True)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.M), (
            f"{example.place}: no such target"
        )
    elif words[1] == "-m":
        assert importlib.util.find_spec(words[2]) is not None, f"{example.place}: no such module"
    else:
        assert (ROOT / words[1]).is_file(), f"{example.place}: no such file"


def test_page_lists_the_commands_of_the_help() -> None:
    page = (ROOT / "docs/cli.md").read_text("utf-8")
    listed = page[page.index("commands:\n") : page.index("  --json ")]
    assert re.findall(r"^  (data \w+|\w+)  ", listed, re.M) == list(COMMANDS)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data and the checkpoints that the documentation names, all of them tiny."""
    folder, before = tmp_path_factory.mktemp("workspace"), Path.cwd()
    os.chdir(folder)
    try:
        assert main(["data", "make", "tiny", "--preset", "tiny", "--workers", "1"]) == 0  # as in README.md
        classes = list(load_manifest("tiny/train.csv").classes)
        for name, labels in (("runs/demo/tsm", classes), ("runs/demo/tsn", classes), ("run", [*classes[1:], "still"])):
            torch.manual_seed(0)
            model = create_model(f"{name[-3:].replace('run', 'tsm')}_smallresnet", num_classes=6, frames=2, size=32)
            model.classes = labels
            save_checkpoint(model, Path(name) / "best")
        shutil.copytree("runs/demo/tsm", "runs/rgb")
        Path("runs/demo/data").symlink_to(folder / "tiny")
        shutil.copytree("tiny/videos/train", "my_videos")
        shutil.copy("tiny/test.csv", "data.csv")
        Path("data.csv").write_text(Path("data.csv").read_text("utf-8").replace("videos/", "tiny/videos/"), "utf-8")
        clip = next(Path("my_videos/move_left").glob("*.mp4"))
        for copy in ("clips/a.mp4", "clips/b.mp4", "clip.mp4"):
            Path(copy).parent.mkdir(exist_ok=True)
            shutil.copy(clip, copy)
        Path("clips/note.mp4").write_text("this is not a video", "utf-8")
        draw = np.random.default_rng(0)
        write_video("film.mp4", draw.integers(0, 255, (48, 32, 32, 3), dtype=np.uint8), 12)
        Path("lists").mkdir()
        Path("lists/outside.csv").write_text("path,label\n../elsewhere/a.mp4,move_left\n", "utf-8")
    finally:
        os.chdir(before)
    return folder


RUN = {
    page: [e for e in BLOCKS if e.runs and e.page == page] for page in dict.fromkeys(e.page for e in BLOCKS if e.runs)
}


@pytest.mark.parametrize("page", RUN)
def test_commands_of_a_page_run(
    page: str, workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(workspace)
    for example in RUN[page]:
        if "--scores" in example.words and importlib.util.find_spec("pyarrow") is None:
            continue
        extra = ["--workers", "0"] if split(example.words)[0] in ("test", "train") else []
        fails = example.output.startswith(ERROR) or "clips/note.mp4" in example.text
        code, captured = main([*example.words, *extra]), capsys.readouterr()
        assert code == (2 if fails else 0), f"{example.place}: {example.text}\n{captured.err}"
        if example.output.startswith(ERROR):
            assert captured.err.strip().replace(f"{workspace}/", "") == example.output, example.place


def test_python_blocks_of_docs_import_names_that_exist() -> None:
    for page in PAGES[2:]:
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.S):
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(str(node.module))
                    missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                    assert not missing, f"{page.name}: {node.module} has no {missing}"
