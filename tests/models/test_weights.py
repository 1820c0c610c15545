"""Foreign weights: strict, loud, and never a pickle that runs code."""

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


def official_tsm_keys(layers: tuple[int, ...], every: int, classes: int) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the official TSM ResNet-50/101 checkpoints, written out as their module tree names them."""
    keys: dict[str, tuple[int, ...]] = {}

    def conv(name: str, *shape: int) -> None:
        keys[f"{name}.weight"] = shape

    def norm(name: str, width: int) -> None:
        keys.update({f"{name}.{k}": (width,) for k in ("weight", "bias", "running_mean", "running_var")})
        keys[f"{name}.num_batches_tracked"] = ()

    root = "module.base_model"
    conv(f"{root}.conv1", 64, 3, 7, 7)
    norm(f"{root}.bn1", 64)
    width_in = 64
    for stage, blocks in enumerate(layers):
        width = 64 * 2**stage
        for b in range(blocks):
            at = f"{root}.layer{stage + 1}.{b}"
            conv(f"{at}.conv1.net" if b % every == 0 else f"{at}.conv1", width, width_in, 1, 1)
            norm(f"{at}.bn1", width)
            conv(f"{at}.conv2", width, width, 3, 3)
            norm(f"{at}.bn2", width)
            conv(f"{at}.conv3", 4 * width, width, 1, 1)
            norm(f"{at}.bn3", 4 * width)
            if b == 0:
                conv(f"{at}.downsample.0", 4 * width, width_in, 1, 1)
                norm(f"{at}.downsample.1", 4 * width)
            width_in = 4 * width
    keys["module.new_fc.weight"] = (classes, 2048)
    keys["module.new_fc.bias"] = (classes,)
    return keys


def fake(keys: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return {k: torch.rand(s, generator=draw) if s else torch.tensor(1) for k, s in keys.items()}


@pytest.mark.parametrize(
    ("name", "layers", "every"), [("tsm_resnet50", (3, 4, 6, 3), 1), ("tsm_resnet101", (3, 4, 23, 3), 2)]
)
def test_official_tsm_resnet(tmp_path, name, layers, every):
    weights = fake(official_tsm_keys(layers, every, 174))
    torch.save({"epoch": 45, "arch": "resnet50", "state_dict": weights, "best_prec1": 47.2}, tmp_path / "ckpt.pth.tar")
    with pytest.warns(UserWarning, match="ImageNet"):
        model = create_model(name, num_classes=174, pretrained=str(tmp_path / "ckpt.pth.tar"))
    last = f"layer3.{layers[2] - 1}.conv2.weight"
    assert torch.equal(model.state_dict()[f"backbone.{last}"], weights[f"module.base_model.{last}"])
    assert torch.equal(model.backbone.layer1[0].conv1.weight, weights["module.base_model.layer1.0.conv1.net.weight"])
    assert torch.equal(model.head.fc.weight, weights["module.new_fc.weight"])


def test_official_tsm_mobilenet_v2(tmp_path):
    """Its blocks are flat: 0 expand, 1 norm, 3 depthwise, 4 norm, 6 project, 7 norm; the first has no expansion."""
    plain = torchvision.models.mobilenet_v2(weights=None)
    own = randomise_plain(plain.state_dict())
    flat = {"0.0": "0", "0.1": "1", "1.0": "3", "1.1": "4", "2": "6", "3": "7"}
    first = {"0.0": "0", "0.1": "1", "1": "3", "2": "4"}
    shifted = {3, 5, 6, 8, 9, 10, 12, 13, 15, 16}
    official: dict[str, torch.Tensor] = {}
    for key, value in own.items():
        parts = key.split(".")
        if key.startswith("classifier"):
            continue
        if parts[2] == "conv":
            inner, table = ".".join(parts[3:-1]), first if parts[1] == "1" else flat
            at = table[inner] + (".net" if inner == "0.0" and int(parts[1]) in shifted else "")
            key = f"features.{parts[1]}.conv.{at}.{parts[-1]}"
        official[f"module.base_model.{key}"] = value
    official["module.new_fc.weight"], official["module.new_fc.bias"] = torch.rand(400, 1280), torch.rand(400)
    assert "module.base_model.features.3.conv.0.net.weight" in official
    assert "module.base_model.features.1.conv.3.weight" in official
    torch.save({"state_dict": official}, tmp_path / "m.pth")
    with pytest.warns(UserWarning, match="ImageNet"):
        model = create_model("tsm_mobilenet_v2", num_classes=400, pretrained=str(tmp_path / "m.pth"))
    for key, value in model.backbone.state_dict().items():
        assert torch.equal(value, own[key]), key
    assert torch.equal(model.head.fc.bias, official["module.new_fc.bias"])


def randomise_plain(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {k: torch.rand(v.shape) if v.is_floating_point() else v for k, v in weights.items()}


@pytest.mark.parametrize(
    "backbone", ["resnet18", "mobilenet_v3_small", "convnext_tiny", "timm/test_resnet", "timm/regnety_002"]
)
def test_image_weights_load_strictly_and_unchanged(tmp_path, backbone):
    """The image network and the video network of one still frame have the same features."""
    import timm

    library, _, name = backbone.rpartition("/")
    image = timm.create_model(name) if library else torchvision.models.get_model(name, weights=None)
    save_file(image.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.25] * 3}))
    model = create_model("tsm", backbone=backbone, num_classes=5, pretrained=str(tmp_path / "w.safetensors"))
    assert model.preprocess.mean == (0.5, 0.5, 0.5)
    assert model.preprocess.std == (0.25, 0.25, 0.25)
    kept = model.backbone.state_dict()
    left_out = [k for k in image.state_dict() if k not in kept]
    assert len(left_out) == 2, left_out
    assert all(torch.equal(kept[k], v) for k, v in image.state_dict().items() if k in kept)
    if not library:
        tsn = create_model(
            "tsn", backbone=backbone, num_classes=1000, pretrained=str(tmp_path / "w.safetensors")
        ).eval()
        tsn.head.fc.load_state_dict({k.rpartition(".")[2]: image.state_dict()[k] for k in left_out})
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(tsn(x.unsqueeze(2)), image.eval()(x))


def test_given_normalisation_wins_and_none_warns(tmp_path):
    save_file(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "w.safetensors")
    path = str(tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="ImageNet's are used"):
        assert create_model("tsm_resnet18", pretrained=path).preprocess.mean == (0.485, 0.456, 0.406)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = create_model("tsm_resnet18", pretrained=path, mean=(0.1, 0.2, 0.3), std=(1, 1, 1))
    assert model.preprocess.mean == (0.1, 0.2, 0.3)


def test_names_what_does_not_fit(tmp_path):
    weights = torchvision.models.resnet18(weights=None).state_dict()
    missing = {k: v for k, v in weights.items() if k != "layer1.0.conv1.weight"}
    save_file(missing, tmp_path / "missing.safetensors")
    with pytest.raises(SpatempoError, match=r"lacks 1 of its weights \(layer1.0.conv1.weight\)"):
        create_model("tsm_resnet18", pretrained=str(tmp_path / "missing.safetensors"))
    save_file({**weights, "layer9.weight": torch.ones(1)}, tmp_path / "more.safetensors")
    with pytest.raises(SpatempoError, match=r"unknown 1 of its weights \(layer9.weight\)"):
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


def test_a_pickle_with_code_is_not_run(tmp_path):
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
    assert (
        float(model.backbone.features[0][0].weight.detach().abs().max()) > 0.5
    )  # not the random start's few hundredths
