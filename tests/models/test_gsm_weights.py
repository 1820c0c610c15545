"""GSM and GSF with image weights and with the authors' released weights."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import FILE, describe_checkpoint, load, save_checkpoint
from spatempo.models.layouts import gsm as gsm_layout
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel


def test_image_weights_do_not_change_the_gates(tmp_path):
    """All 2D weights are required, but no weights of gates."""
    with torch.device("cpu"):
        image = create_model("tsn_bninception", num_classes=3).backbone.state_dict()
    save_file(image, tmp_path / "w.safetensors")
    given = {"mean": (0.5,) * 3, "std": (0.5,) * 3}
    model = create_model("gsm_bninception", num_classes=3, pretrained=str(tmp_path / "w.safetensors"), **given)
    gate = model.backbone.inception_5b_1x1.temporal
    assert not gate.conv3D.weight.any()
    assert torch.equal(model.backbone.inception_5b_1x1.weight, image["inception_5b_1x1.weight"])


def official(model: VideoModel, design: str) -> dict[str, torch.Tensor]:
    """The model's weights with the key names of the authors' code."""
    keys = {}
    for key, value in model.state_dict().items():
        key = key.replace("backbone.", "module.base_model.").replace("head.fc.", "module.new_fc.")
        key = re.sub(r"base_model\.((?:inception|mixed)\w*)\.temporal\.", rf"base_model.{design}_\1.", key)
        keys[re.sub(r"(layer\d\.\d+)\.conv3\.temporal\.", rf"\1.{design}.", key)] = value.clone()
    return keys


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        (
            "gsm_bninception",
            (
                "module.base_model.gsm_inception_3c_3x3_reduce.conv3D.bias",
                "module.base_model.inception_3c_3x3_reduce.bias",
            ),
        ),
        (
            "gsm_inception_v3",
            ("module.base_model.gsm_mixed_conv_Conv2D.bn.running_var", "module.base_model.mixed_conv_batchnorm.weight"),
        ),
        (
            "gsf_bninception",
            ("module.base_model.gsf_inception_5b_1x1.channel_conv2.weight", "module.new_fc.weight"),
        ),
        (
            "gsf_inception_v3",
            ("module.base_model.gsf_mixed_3_conv_Conv2D.channel_conv1.bias", "module.base_model.conv_Conv2D.weight"),
        ),
        (
            "gsf_resnet50",
            ("module.base_model.layer1.0.gsf.conv3D.weight", "module.base_model.layer4.2.gsf.channel_conv1.bias"),
        ),
    ],
)
def test_released_key_names_are_converted(name, keys):
    with torch.device("meta"):
        model = create_model(name, num_classes=5)
    weights = official(model, name.partition("_")[0])
    assert all(key in weights for key in keys)
    assert not any("temporal" in key or "head" in key for key in weights)
    assert gsm_layout.LAYOUT.matches(weights)
    got = {key: value.shape for key, value in gsm_layout.LAYOUT.convert(weights, model).items()}
    assert got == {key: value.shape for key, value in model.state_dict().items()}


def test_the_classifier_of_a_network_trained_without_dropout():
    keys = ("fc.weight", "top_cls_fc.bias")
    with torch.device("meta"):
        model = create_model("gsm_bninception")
    got = gsm_layout.LAYOUT.convert({f"module.base_model.{key}": torch.ones(1) for key in keys}, model)
    assert list(got) == ["head.fc.weight", "head.fc.bias"]


@pytest.mark.parametrize("name", ["gsm_bninception", "gsf_resnet50"])
def test_released_checkpoints_load(tmp_path, name):
    model = create_model(name, num_classes=5)
    generator = torch.Generator().manual_seed(0)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.uniform_(0.1, 1, generator=generator)
    weights = official(model, name.partition("_")[0])
    first = "module.base_model.conv1_7x7_s2.weight"
    if first in weights:
        weights[first] = weights[first].flip(1).contiguous()  # released weights expect BGR
    file = tmp_path / "m.pth.tar"
    torch.save({"epoch": 60, "state_dict": weights, "best_prec1": 49.0}, file)
    with pytest.warns(UserWarning, match="no mean and std") as warned:
        loaded = create_model(name, num_classes=5, shuffle=True, pretrained=str(file))
    assert len(warned) == 1
    assert all(torch.equal(loaded.state_dict()[k], v) for k, v in model.state_dict().items())
    with pytest.warns(UserWarning, match="shuffle=True"):
        create_model(name, num_classes=5, pretrained=str(file))
    with pytest.raises(SpatempoError, match=f"; create {name}$"):
        create_model(f"tsn_{name.partition('_')[2]}", num_classes=5, pretrained=str(file))
    removed = next(key for key in weights if key.endswith("conv3D.bias"))
    torch.save({k: v for k, v in weights.items() if k != removed}, file)
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(.*temporal\.conv3D\.bias\)"):
        create_model(name, num_classes=5, shuffle=True, pretrained=str(file))


def test_older_checkpoints_without_the_option_every_have_a_gate_in_every_block(tmp_path, monkeypatch):
    monkeypatch.setattr("spatempo.models.designs.tsm.EVERY_SECOND_BLOCK", ("smallresnet",))
    save_checkpoint(create_model("gsm_smallresnet", num_classes=2, every=1), tmp_path)
    facts = asdict(describe_checkpoint(tmp_path))
    del facts["options"]["every"]
    save_file(load_file(tmp_path / FILE), tmp_path / FILE, {"spatempo": json.dumps(facts)})
    assert len(load(tmp_path).plugged) == 5
    assert len(create_model("gsm_smallresnet").plugged) == 3
