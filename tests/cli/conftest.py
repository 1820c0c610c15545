"""Fixtures: a tiny generated data set, an untrained checkpoint, and functions that run the command."""

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
    """An untrained model with the classes of `data`, which is enough to test the commands."""
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
    """Runs a command line with ``--json`` that must exit with `code`; returns the JSON document on stdout."""

    def run(*words: object, code: int = 0) -> Any:
        capsys.readouterr()
        assert main([*map(str, words), "--json"]) == code, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def failure(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command line that must fail with exit code 2 and no stdout; returns the single line on stderr."""

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
