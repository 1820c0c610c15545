"""Weights of other code: strict checks, clear errors, and no pickle that runs code."""

from __future__ import annotations

import json
import os
import warnings

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model


@pytest.mark.parametrize(
    "backbone", ["resnet18", "mobilenet_v3_small", "convnext_tiny", "timm/test_resnet", "timm/regnety_002"]
)
def test_image_weights_load_strictly_and_unchanged(tmp_path, backbone):
    """On one frame the image network and the video network give the same output."""
    import timm

    library, _, name = backbone.rpartition("/")
    image = timm.create_model(name) if library else torchvision.models.get_model(name, weights=None)
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.25] * 3}))
    model = create_model("tsm", backbone=backbone, num_classes=5, pretrained=str(tmp_path / "w.safetensors"))
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    assert model.preprocess.std == (0.25, 0.25, 0.25)
    kept = model.backbone.state_dict()
    not_loaded = [k for k in image.state_dict() if k not in kept]
    assert len(not_loaded) == 2, not_loaded
    assert all(torch.equal(kept[k], v) for k, v in image.state_dict().items() if k in kept)
    if not library:
        tsn = create_model(
            "tsn", backbone=backbone, num_classes=1000, pretrained=str(tmp_path / "w.safetensors")
        ).eval()
        tsn.head.fc.load_state_dict({k.rpartition(".")[2]: image.state_dict()[k] for k in not_loaded})
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(tsn(x.unsqueeze(2)), image.eval()(x))


def test_mean_and_std_given_or_default(tmp_path):
    save_file(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "w.safetensors")
    path = str(tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="ImageNet's are used"):
        assert create_model("tsm_resnet18", pretrained=path).preprocess.mean == (0.485, 0.456, 0.406)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = create_model("tsm_resnet18", pretrained=path, mean=(0.1, 0.2, 0.3), std=(1, 1, 1))
    assert model.preprocess.mean == (0.1, 0.2, 0.3)


def test_the_error_names_weights_that_do_not_fit(tmp_path):
    weights = torchvision.models.resnet18(weights=None).state_dict()
    missing = {k: v for k, v in weights.items() if k != "layer1.0.conv1.weight"}
    save_file(missing, tmp_path / "missing.safetensors")
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer1.0.conv1.weight\)"):
        create_model("tsm_resnet18", pretrained=str(tmp_path / "missing.safetensors"))
    save_file({**weights, "layer9.weight": torch.ones(1)}, tmp_path / "more.safetensors")
    with pytest.raises(SpatempoError, match=r"1 unknown weight \(layer9.weight\)"):
        create_model("tsm_resnet18", pretrained=str(tmp_path / "more.safetensors"))
    with pytest.raises(SpatempoError, match="no such weight file"):
        create_model("tsm_resnet18", pretrained="nowhere/w.pth")
    with pytest.raises(SpatempoError, match="no weight set 'NONE'"):
        create_model("tsm_resnet18", pretrained="NONE")


class _Code:
    def __init__(self, flag: str) -> None:
        self.flag = flag

    def __reduce__(self):
        return os.mkdir, (self.flag,)


def test_code_in_a_pickle_is_not_run(tmp_path):
    flag = tmp_path / "ran"
    torch.save({"state_dict": {}, "extra": _Code(str(flag))}, tmp_path / "evil.pth")
    with pytest.raises(SpatempoError, match="would run code"):
        create_model("tsm_resnet18", pretrained=str(tmp_path / "evil.pth"))
    assert not flag.exists()
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(SpatempoError, match=r"text\.pth"):
        create_model("tsm_resnet18", pretrained=str(tmp_path / "text.pth"))


def test_real_image_weights(shared):
    model = create_model(
        "tsm_mobilenet_v2", num_classes=10, pretrained=str(shared / "weights/mobilenet_v2_imagenet.pth")
    )
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    assert float(model.backbone.features[0][0].weight.detach().abs().max()) > 0.5  # random weights would be about 0.05
