"""A tiny generated data set and an untrained checkpoint, made once; and how the tests call the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatempo.cli.main import main


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated data set, preset ``tiny``: 18 clips to train, 6 to validate, 12 to test, 6 classes."""
    from spatempo.data.generated.make import make_data

    folder = tmp_path_factory.mktemp("generated") / "data set ü"
    make_data(folder, preset="tiny", workers=1)
    return folder


@pytest.fixture(scope="session")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that has learnt nothing, with the classes of `data`: all that the frame of the verbs needs."""
    import torch

    from spatempo.data.manifest import load_manifest
    from spatempo.models.checkpoint import save_checkpoint
    from spatempo.models.registry import create_model

    classes = load_manifest(data / "train.csv").classes
    torch.manual_seed(0)
    model = create_model("tsm_smallresnet", num_classes=len(classes), frames=4, size=32)
    model.classes = list(classes)
    return save_checkpoint(model, tmp_path_factory.mktemp("run") / "best")


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command line with ``--json`` that must exit with `code`; returns the one document on stdout."""

    def run(*words: object, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def failure(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command line that must fail: exit code 2, nothing on stdout, one line on stderr, which is returned."""

    def run(*words: object) -> str:
        capsys.readouterr()
        code = main([*map(str, words)])
        captured = capsys.readouterr()
        assert code == 2, captured
        assert captured.out == ""
        assert captured.err.startswith("spatempo: error: ")
        assert captured.err.count("\n") == 1, captured.err
        return captured.err

    return run
