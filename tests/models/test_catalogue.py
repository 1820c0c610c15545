"""The stored catalogue equals newly counted figures, and listing it imports no network."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from spatempo.models.catalogue import FILE, catalogue
from spatempo.models.design import DESIGNS, register_design
from spatempo.models.info import catalogue_row, describe
from spatempo.models.registry import list_models

UPDATE = "update the catalogue: python -m spatempo.models.catalogue"


def test_stored_rows_equal_counted_rows():
    stored = {row["name"]: row for row in json.loads(FILE.read_text("utf-8"))}
    assert stored == {name: catalogue_row(name) for name in list_models()}, UPDATE


def test_rows_by_name():
    (row,) = catalogue("tsm_resnet18")
    assert row["causal"] is True
    assert row["operator"] == "tsm"
    assert row["params"] == 11_176_512 + 512 * 400 + 400
    assert row["macs"] == describe("tsm_resnet18").macs
    (row,) = catalogue("*_nl")
    assert row["name"] == "tsm_resnet50_nl"
    assert row["params"] == 31_686_096


@pytest.fixture
def custom_design():
    @register_design("plain", source="a test", backbones=("smallresnet",))
    def plain(build): ...

    yield
    del DESIGNS["plain"]


@pytest.mark.usefixtures("custom_design")
def test_a_custom_design_is_counted_when_it_is_listed():
    (row,) = catalogue("plain_*")
    (tsn,) = catalogue("tsn_smallresnet")
    assert row["params"] == tsn["params"]
    assert row["source"] == "a test"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from spatempo.cli.main import main; main(['models', 'tsm_*'])", ("torch", "numpy")),
        ("import spatempo.models.video_model", ("torchvision", "timm", "torch._dynamo")),
        (
            "import spatempo.evaluation.scoring.predict; from spatempo.models.registry import create_model\n"
            "for name in ('tsm_smallresnet', 'gsm_bninception', 'r2plus1d_18'): create_model(name)",
            ("torchvision", "timm", "torch._dynamo"),
        ),
    ],
)
def test_commands_do_not_import_unneeded_libraries(code: str, absent: tuple[str, ...]):
    """Importing torchvision or timm takes longer than importing torch."""
    code = f"{code}\nimport sys\nprint('|', *(name for name in {absent} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rsplit("|", 1)[1].split() == []
