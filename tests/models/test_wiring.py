"""Weights of other code in models with other operators: loaded, loaded with a warning, or refused with a fix."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from networks import small
from released_mobilenets import MmactionMobileNet, OfficialMobileNet
from released_networks import MmactionResNet, OfficialTsm

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import save_checkpoint
from spatempo.models.registry import create_model

GIVEN = {"num_classes": 5, "mean": (0.5,) * 3, "std": (0.5,) * 3}
LOADS, NOTE = "loads", "note"

# files as arguments of OfficialTsm (and of MmactionResNet), and models as design and options
RESNET_FILES = {
    "tsn": {"place": ""},
    "residual": {},
    "inplace": {"place": "block"},
    "every": {"every": 2},
    "pool": {"pool": True},
    "inplace, pool": {"place": "block", "pool": True},
    "non-local": {"nl": True},
    "non-local, pool": {"nl": True, "pool": True},
}
RESNET_MODELS = {
    "tsn": ("tsn", {}),
    "tsm": ("tsm", {}),
    "inplace": ("tsm", {"placement": "inplace"}),
    "every": ("tsm", {"every": 2}),
    "pool": ("tsm", {"temporal_pool": True}),
    "non-local": ("tsm", {"non_local": True}),
    "vsn": ("vsn", {}),
    "gsm": ("gsm", {}),
    "sth": ("sth", {}),
}
# One row per file: the outcome for each of the models above, or the fix in the error message.
TSM = "create tsm_resnet50"
RESNET_50 = {
    "tsn": (LOADS, NOTE, NOTE, NOTE, NOTE, *["create tsn_resnet50"] * 4),
    "residual": (
        *(TSM, LOADS, "give placement='residual'", "give every=1", "give temporal_pool=False", "give non_local=False"),
        *[TSM] * 3,
    ),
    "inplace": (
        f"{TSM} with placement='inplace'",
        *("give placement='inplace'", LOADS, "give placement='inplace', every=1"),
        "give placement='inplace', temporal_pool=False",
        "give placement='inplace', non_local=False",
        *[f"{TSM} with placement='inplace'"] * 3,
    ),
    "every": (
        f"{TSM} with every=2",
        *("give every=2", "give placement='residual', every=2", LOADS, "give every=2, temporal_pool=False"),
        "give every=2, non_local=False",
        *[f"{TSM} with every=2"] * 3,
    ),
    "pool": (
        f"{TSM} with temporal_pool=True",
        *("give temporal_pool=True", "give placement='residual', temporal_pool=True"),
        *("give every=1, temporal_pool=True", LOADS, "give non_local=False, temporal_pool=True"),
        *[f"{TSM} with temporal_pool=True"] * 3,
    ),
    "inplace, pool": (
        f"{TSM} with placement='inplace', temporal_pool=True",
        *("give placement='inplace', temporal_pool=True", "give temporal_pool=True"),
        "give placement='inplace', every=1, temporal_pool=True",
        "give placement='inplace'",
        "give placement='inplace', non_local=False, temporal_pool=True",
        *[f"{TSM} with placement='inplace', temporal_pool=True"] * 3,
    ),
    "non-local": (
        f"{TSM} with non_local=True",
        *("give non_local=True", "give placement='residual', non_local=True", "give every=1, non_local=True"),
        *("give non_local=True, temporal_pool=False", LOADS),
        *[f"{TSM} with non_local=True"] * 3,
    ),
    "non-local, pool": (
        f"{TSM} with non_local=True, temporal_pool=True",
        *("give non_local=True, temporal_pool=True", "give placement='residual', non_local=True, temporal_pool=True"),
        *("give every=1, non_local=True, temporal_pool=True", "give non_local=True", "give temporal_pool=True"),
        *[f"{TSM} with non_local=True, temporal_pool=True"] * 3,
    ),
}
MOBILE = "create tsm_mobilenet_v2"
MOBILENET_MODELS = {name: RESNET_MODELS[name] for name in ("tsn", "tsm", "inplace", "every", "vsn", "gsm")}
MOBILENET = {
    "tsn": (LOADS, NOTE, NOTE, NOTE, "create tsn_mobilenet_v2", "create tsn_mobilenet_v2"),
    "residual": (MOBILE, LOADS, "give placement='residual'", "give every=1", MOBILE, MOBILE),
}


def write(folder: Path, code: str, backbone: str, file: str) -> str:
    """Writes a file with names and shapes only, without data, which is fast."""
    frames = None if file == "tsn" else 4
    with torch.device("meta"):
        if backbone == "mobilenet_v2":
            net = (OfficialMobileNet if code == "official" else MmactionMobileNet)(5, frames)
        elif code == "official":
            net = OfficialTsm(5, 4, backbone, **RESNET_FILES[file])  # pyright: ignore[reportArgumentType]
        else:
            net = MmactionResNet(5, backbone, frames, **RESNET_FILES[file])  # pyright: ignore[reportArgumentType]
    torch.save({"state_dict": net.state_dict()}, folder / "w.pth")
    return str(folder / "w.pth")


def load_on_meta(file: str, name: str, options: dict[str, object]) -> None:
    with torch.device("meta"):
        create_model(name, pretrained=file, **GIVEN, **options)  # pyright: ignore[reportArgumentType]


def outcome(file: str, name: str, options: dict[str, object]) -> str:
    """``"loads"``, ``"note"``, or the fix in the error message."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            load_on_meta(file, name, options)
        except SpatempoError as error:
            return str(error).rpartition("; ")[2]
    notes = [str(w.message) for w in warned if w.category is UserWarning]
    assert all("no temporal shift" in note for note in notes)
    return NOTE if notes else LOADS


@pytest.mark.parametrize("code", ["official", "mmaction"])
@pytest.mark.parametrize("file", RESNET_FILES)
def test_resnet_50(tmp_path, code, file):
    if code == "mmaction" and "non-local" in file:
        pytest.skip("files with mmaction2's non-local blocks are not supported")
    path = write(tmp_path, code, "resnet50", file)
    got = {name: outcome(path, f"{design}_resnet50", options) for name, (design, options) in RESNET_MODELS.items()}
    assert got == dict(zip(RESNET_MODELS, RESNET_50[file], strict=True))


@pytest.mark.parametrize("code", ["official", "mmaction"])
@pytest.mark.parametrize("file", MOBILENET)
def test_mobilenet_v2(tmp_path, code, file):
    path = write(tmp_path, code, "mobilenet_v2", file)
    models = MOBILENET_MODELS.items()
    got = {name: outcome(path, f"{design}_mobilenet_v2", options) for name, (design, options) in models}
    assert got == dict(zip(MOBILENET_MODELS, MOBILENET[file], strict=True))


@pytest.mark.parametrize("code", ["official", "mmaction"])
@pytest.mark.parametrize(
    ("file", "design", "options", "want"),
    [
        ("every", "tsm", {}, LOADS),  # the rule of the released code for this depth
        ("every", "tsm", {"every": 1}, "give every=2"),
        ("every", "tsn", {}, "create tsm_resnet101"),
        ("residual", "tsm", {}, "give every=1"),
        ("residual", "tsm", {"every": 1}, LOADS),
        ("residual", "tsn", {}, "create tsm_resnet101 with every=1"),
        ("inplace", "tsm", {}, "give placement='inplace', every=1"),
        ("inplace", "tsm", {"placement": "inplace", "every": 1}, LOADS),
        ("tsn", "tsn", {}, LOADS),
        ("tsn", "tsm", {}, NOTE),
    ],
)
def test_resnet_101(tmp_path, code, file, design, options, want):
    assert outcome(write(tmp_path, code, "resnet101", file), f"{design}_resnet101", options) == want


def test_the_error_names_the_file_the_model_and_the_first_difference(tmp_path):
    path = write(tmp_path, "official", "resnet50", "inplace")
    with pytest.raises(SpatempoError) as error:
        load_on_meta(path, "tsm_resnet50", {})
    assert str(error.value) == (
        f"{path}: does not fit this tsm_resnet50: its temporal operators differ (at layer1.0.conv1 the file "
        "has none, the model TemporalShift); give placement='inplace'"
    )


def test_a_file_of_another_image_network_is_refused(tmp_path):
    with pytest.raises(SpatempoError, match=r"\d+ unknown weights \(layer3\.6\..*of another network"):
        load_on_meta(write(tmp_path, "official", "resnet101", "every"), "tsm_resnet50", {})


def test_a_warning_for_bidirectional_weights_in_a_causal_model(tmp_path):
    with pytest.warns(UserWarning, match="shifts in both directions"):
        load_on_meta(write(tmp_path, "official", "resnet50", "residual"), "tsm_resnet50", {"causal": True})


@pytest.mark.parametrize(
    ("name", "options", "want"),
    [
        ("tsm_smallresnet", {"shift_div": 4}, None),
        ("tsm_smallresnet", {}, "trained with shift_div=4, but this model has shift_div=8"),
        ("tsn_smallresnet", {}, "trained in tsm_smallresnet, but this model is tsn_smallresnet"),
    ],
)
def test_a_warning_for_checkpoints_of_other_models(tmp_path, name, options, want):
    save_checkpoint(small("tsm_smallresnet", shift_div=4), tmp_path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        create_model(name, num_classes=3, pretrained=str(tmp_path), **options)
    assert [want in str(w.message) for w in warned] == ([True] if want else [])
