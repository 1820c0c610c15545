"""Detection of a weight file's layout: first among the layouts of the design, then among those of all designs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from spatempo import SpatempoError
from spatempo.models import DESIGNS, WeightLayout, create_model, register_design

STATISTICS = {"mean": (0.5,) * 3, "std": (0.5,) * 3}


def layout(name: str, prefix: str) -> WeightLayout:
    """A layout of files whose keys start with a prefix."""
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
def test_a_file_that_matches_two_layouts_is_refused(tmp_path):
    file = write(tmp_path / "w.pth", "net.", without="head.")
    with pytest.raises(SpatempoError, match=r"w\.pth: its keys match two layouts.*'lab A' and 'lab B'"):
        create_model("own_smallresnet", num_classes=3, pretrained=file, **STATISTICS)
    create_model(
        "own_smallresnet", num_classes=3, pretrained=write(tmp_path / "w.pth", "net."), **STATISTICS
    )  # matches only lab A


@pytest.mark.usefixtures("two_layouts")
def test_a_layout_of_another_design_is_recognised(tmp_path):
    model = create_model("tsm_smallresnet", num_classes=3, pretrained=write(tmp_path / "w.pth", "net."), **STATISTICS)
    assert model.weights == str(tmp_path / "w.pth")


@pytest.mark.parametrize("name", sorted(DESIGNS))
def test_a_file_matches_at_most_one_layout_of_a_design(name):
    """Checked on typical keys of all registered layouts."""
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
