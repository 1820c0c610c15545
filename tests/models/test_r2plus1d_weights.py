"""Weight files of torchvision and VMZ, and spatempo checkpoints, in the networks of the R(2+1)D paper."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from networks import assert_same_scores, clips, randomise
from safetensors.torch import save_file
from torch import nn
from torchvision.models import video
from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model

KINETICS = {"mean": (0.43216, 0.394666, 0.37645), "std": (0.22803, 0.22145, 0.216989)}


@pytest.mark.parametrize(
    ("name", "options"), [("r3d_18", {}), ("mc3_18", {}), ("r2plus1d_18", {"midplanes": "torchvision"})]
)
def test_equals_torchvision_on_the_same_weights(tmp_path, name, options):
    net = randomise(getattr(video, name)(weights=None), size=32)
    torch.save(net.state_dict(), tmp_path / "w.pth")
    with pytest.warns(UserWarning, match=f"those of {name.partition('_')[0]} are used"):
        ours = create_model(name, pretrained=str(tmp_path / "w.pth"), **options)
    assert {k.removeprefix("backbone.").removeprefix("head.") for k in ours.state_dict()} == set(net.state_dict())
    assert ours.preprocess.mean == KINETICS["mean"]
    assert_same_scores(ours, net, clips(8, size=48))


def test_names_of_published_weight_sets(tmp_path, monkeypatch):
    with pytest.raises(SpatempoError, match="KINETICS400_V1"):
        create_model("r3d_18", pretrained="IMAGENET1K_V1", width=4)
    with pytest.raises(SpatempoError, match="no published weights"):
        create_model("rmc2_18", pretrained=True, width=4)
    net = video.mc3_18(weights=None)
    monkeypatch.setattr(video.MC3_18_Weights, "get_state_dict", lambda self, *_, **__: net.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = create_model("mc3_18", pretrained=True)
    assert ours.preprocess.mean == KINETICS["mean"]
    assert torch.equal(ours.head.fc.weight, net.fc.weight)


def ig65m_34(classes: int) -> VideoResNet:
    """R(2+1)D-34 as ig65m-pytorch builds it on torchvision's class: mid channels per convolution, eps 1e-3."""
    net = VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [3, 4, 6, 3], R2Plus1dStem, num_classes=classes)
    for layer, width, mid in ((net.layer2, 128, 288), (net.layer3, 256, 576), (net.layer4, 512, 1152)):
        layer[0].conv2[0] = Conv2Plus1D(width, width, mid)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-3
    return net


def test_ig65m_34(tmp_path):
    net = randomise(ig65m_34(359), size=32)
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm3d)):
        norm.running_var.mul_(1e-2)  # so that eps has an effect
        norm.weight.data.mul_(0.1)
    save_file(net.state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps(KINETICS))
    path = str(tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match=r"eps is set to 0\.001"):
        ours = create_model("r2plus1d_34", num_classes=359, pretrained=path)
    assert_same_scores(ours, net, clips(8))


def as_file(model: nn.Module, path: Path) -> str:
    """Weights of one of our networks under the names of torchvision and VMZ."""
    weights = {k.removeprefix("backbone.").replace("head.fc", "fc"): v for k, v in model.state_dict().items()}
    save_file(weights, path)
    path.with_suffix(".json").write_text(json.dumps(KINETICS))
    return str(path)


def epsilons(model: nn.Module) -> set[float]:
    return {m.eps for m in model.modules() if isinstance(m, nn.BatchNorm3d)}


def test_the_epsilon_of_vmz_is_stored_and_can_be_overridden(tmp_path):
    path = as_file(create_model("r2plus1d_18", width=4, num_classes=3), tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match=r"eps is set to 0\.001"):
        model = create_model("r2plus1d_18", width=4, num_classes=3, pretrained=path)
    save_checkpoint(model, tmp_path / "own")
    assert epsilons(load(tmp_path / "own")) == {1e-3}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = create_model("r2plus1d_18", width=4, num_classes=5, pretrained=str(tmp_path / "own"))
        chosen = create_model("r2plus1d_18", width=4, num_classes=5, pretrained=path, bn_eps=1e-5)
    assert epsilons(again) == {1e-3}
    assert epsilons(chosen) == {1e-5}
    assert epsilons(create_model("r3d_18", width=4, bn_eps=1e-3)) == {1e-3}


def test_the_max_pool_of_vmz_after_the_stem_of_bottleneck_networks(tmp_path):
    """The keys do not show it, so weights of this layout give a warning unless the option is set."""

    def warned(size: str, **options: bool) -> list[str]:
        path = as_file(create_model(f"r2plus1d_{size}", width=4, num_classes=3), tmp_path / "b.safetensors")
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            create_model(f"r2plus1d_{size}", width=4, num_classes=3, pretrained=path, **options)  # pyright: ignore
        return [str(w.message) for w in found]

    assert len(warned("34")) == 1  # about eps only; the port has no max-pool in this network
    assert len(warned("50", stem_pool=True)) == 1
    eps, pool = warned("50")
    assert "eps is set to 0.001" in eps
    assert "max-pool after the stem" in pool
    assert "stem_pool=True" in pool


def test_the_error_names_the_rule_of_mid_channels(tmp_path):
    save_file(video.r2plus1d_18(weights=None).state_dict(), tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match="give midplanes='torchvision'"):
        create_model("r2plus1d_18", pretrained=str(tmp_path / "w.safetensors"))
    for size in ("34", "50"):
        path = as_file(create_model(f"r2plus1d_{size}", width=4), tmp_path / "v.safetensors")
        with pytest.raises(SpatempoError, match="give midplanes='paper'"):
            create_model(f"r2plus1d_{size}", width=4, midplanes="torchvision", pretrained=path)


def test_the_error_names_missing_and_unknown_weights(tmp_path):
    weights = dict(create_model("mc2_18", width=4, num_classes=3).state_dict())
    weights = {k.removeprefix("backbone.").replace("head.fc", "fc"): v for k, v in weights.items()}
    path = str(tmp_path / "w.safetensors")
    save_file({k: v for k, v in weights.items() if k != "layer1.0.conv1.0.weight"}, path)
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer1.0.conv1.0.weight\)"):
        create_model("mc2_18", width=4, num_classes=3, pretrained=path)
    save_file({**weights, "layer5.0.weight": torch.ones(1)}, path)
    with pytest.raises(SpatempoError, match=r"1 unknown weight \(layer5.0.weight\)"):
        create_model("mc2_18", width=4, num_classes=3, pretrained=path)
    save_file(weights, path)
    with pytest.raises(SpatempoError, match="with a wrong shape"):
        create_model("mc3_18", width=4, num_classes=3, pretrained=path)


def test_weights_of_short_clips_for_long_clips(tmp_path):
    """A checkpoint for 8 frames as initial weights of a network for 32 frames, with other classes."""
    short = randomise(create_model("r2plus1d_18", width=4, num_classes=3, frames=8), size=32)
    short.preprocess = short.preprocess.__class__(frames=8, size=32, mean=(0.1, 0.2, 0.3), std=(1, 2, 3))
    save_checkpoint(short, tmp_path / "run" / "best")
    for source in ("run", "run/best", "run/best/model.safetensors"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            long = create_model(
                "r2plus1d_18", width=4, num_classes=5, frames=32, pretrained=str(tmp_path / source)
            ).eval()
        assert long.preprocess.frames == 32
        assert long.preprocess.mean == (0.1, 0.2, 0.3)
        x = clips(32)
        assert torch.equal(long.forward_features(x), short.forward_features(x))
        assert long(x).shape == (2, 5)
    same = create_model("r2plus1d_18", width=4, num_classes=3, pretrained=str(tmp_path / "run")).eval()
    assert torch.equal(same(x), short(x))
    r2d = create_model("r2d_18", width=4, num_classes=3, frames=8)
    save_checkpoint(r2d, tmp_path / "r2d")
    with pytest.raises(SpatempoError, match="with a wrong shape"):
        create_model("r2d_18", width=4, num_classes=3, frames=4, pretrained=str(tmp_path / "r2d"))
