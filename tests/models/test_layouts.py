"""How the layout of a weight file is found: by the design's own layouts, then by those of all others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from spatempo import SpatempoError
from spatempo.models import DESIGNS, WeightLayout, create_model, register_design

FED = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def layout(name: str, prefix: str) -> WeightLayout:
    """Files whose keys begin with a prefix."""
    return WeightLayout(
        name,
        lambda weights: all(key.startswith(prefix) for key in weights),
        lambda weights, model: {key.removeprefix(prefix): value for key, value in weights.items()},
    )


@pytest.fixture
def two_layouts() -> Iterator[None]:
    @register_design("own", source="a test", layouts=(layout("lab A", "net."), layout("lab B", "net.backbone.")))
    def own(build) -> None: ...

    yield
    del DESIGNS["own"]


def write(path, prefix: str, without: str = "") -> str:
    weights = create_model("tsn_smallresnet", num_classes=3).state_dict()
    kept = {f"{prefix}{key}": value for key, value in weights.items() if not (without and key.startswith(without))}
    torch.save(kept, path)
    return str(path)


@pytest.mark.usefixtures("two_layouts")
def test_a_file_that_matches_two_layouts_is_refused_by_both_names(tmp_path):
    file = write(tmp_path / "w.pth", "net.", without="head.")
    with pytest.raises(SpatempoError, match=r"w\.pth: its keys match two layouts.*'lab A' and 'lab B'"):
        create_model("own_smallresnet", num_classes=3, pretrained=file, **FED)
    create_model("own_smallresnet", num_classes=3, pretrained=write(tmp_path / "w.pth", "net."), **FED)  # lab A's alone


@pytest.mark.usefixtures("two_layouts")
def test_another_designs_layout_is_known_too(tmp_path):
    model = create_model("tsm_smallresnet", num_classes=3, pretrained=write(tmp_path / "w.pth", "net."), **FED)
    assert model.weights == str(tmp_path / "w.pth")


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_no_two_layouts_of_a_design_match_the_files_of_the_others(name):
    """The designs' own layouts exclude each other on the keys of every layout that is registered."""
    keys = {
        "mit-han-lab": ["module.base_model.conv1.weight", "module.base_model.layer1.0.conv1.net.weight"],
        "gsm": ["module.base_model.conv1.weight", "module.base_model.layer1.0.gsf.conv3D.weight"],
        "mmaction": ["backbone.conv1.conv.weight", "cls_head.fc_cls.weight"],
        "mmaction r2plus1d": ["backbone.conv1.conv.conv_s.weight", "cls_head.fc_cls.weight"],
        "spot": ["_features.conv1.weight", "_pred_fine._fc_out.weight"],
        "online": ["features.1.conv.7.weight", "classifier.weight"],
        "spatempo": ["backbone.conv1.weight", "head.fc.weight"],
        "torchvision video": ["stem.0.weight", "layer1.0.conv1.0.weight", "fc.weight"],
        "image": ["conv1.weight", "layer1.0.conv1.weight", "fc.weight"],
    }
    for file in keys.values():
        weights = {key: torch.empty((1,) * (5 if key == "stem.0.weight" else 4)) for key in file}
        assert sum(layout.matches(weights) for layout in DESIGNS[name].layouts) <= 1
