"""E2E-Spot's checkpoints: key names, and the same scores as the original network."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from networks import assert_close
from released_networks import randomise
from released_spot import Spot
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.models.registry import create_model
from spatempo.models.video_model import VideoModel

FRAMES = 4
GIVEN = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "num_classes": 3, "dropout": 0.0}
KEYS = {
    "resnet18": ("layer1.0.conv1.gsm.conv3D.weight", "layer4.1.conv1.gsm.bn.running_var", "layer4.1.conv1.net.weight"),
    "regnety_002": ("s1.b1.conv1.gsm.conv3D.bias", "s1.b1.conv1.net.conv.weight", "s4.b7.conv1.net.bn.running_mean"),
}


def clips() -> Tensor:
    return torch.randn(2, 3, FRAMES, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def images() -> Tensor:
    return clips().transpose(1, 2).flatten(0, 1)


def reference(name: str, operator: str, **options: bool) -> Spot:
    net = Spot(3, FRAMES, name, operator, **options)
    for key, value in net.named_parameters():
        if "conv3D" in key:
            torch.nn.init.normal_(value, std=0.1, generator=torch.Generator().manual_seed(2))
    net.double()
    randomise(net._features, images())
    return net.float().eval()


def loaded(weights: dict[str, Tensor], folder: Path, name: str, **options: object) -> VideoModel:
    torch.save(weights, folder / "checkpoint_042.pt")
    return create_model(name, pretrained=str(folder / "checkpoint_042.pt"), **GIVEN, **options)  # pyright: ignore


@pytest.mark.parametrize(
    ("name", "backbone", "operator", "options"),
    [
        ("gsm", "resnet18", "gsm", {"shuffle": True}),
        ("gsm", "regnety_002", "gsm", {"shuffle": True}),
        # its shift modifies its input in place, so the shortcut has shifted frames too
        ("tsm", "resnet18", "tsm", {"placement": "inplace"}),
        ("tsm", "regnety_002", "tsm", {"placement": "inplace"}),
    ],
)
def test_same_scores_as_the_original_network(tmp_path, name, backbone, operator, options):
    net = reference(backbone, operator)
    weights = net.state_dict()
    assert {f"_features.{k}" for k in KEYS[backbone] if operator == "gsm" or "gsm" not in k} <= set(weights)
    assert {"_pred_fine._fc_out.weight", "_pred_fine._fc_out.bias"} <= set(weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = loaded(weights, tmp_path, f"{name}_{backbone}", **options).double().eval()
    with torch.no_grad():
        want = net.double()(images()).unflatten(0, (2, -1))
        got, backwards = model.forward_frames(clips()), model.forward_frames(clips().flip(2)).flip(1)
    assert (backwards - want).abs().max() > 1e-3 * want.abs().max(), "order has no effect, so this proves nothing"
    torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9 * float(want.abs().max()))


def test_every_second_block_of_resnet_101(tmp_path):
    with torch.device("meta"):
        weights = Spot(3, FRAMES, "resnet101", "gsm").state_dict()
        gates = {k for k in weights if k.endswith("conv3D.weight")}
        assert len(gates) == 2 + 2 + 12 + 2
        assert "_features.layer3.22.conv1.gsm.conv3D.weight" in gates
        loaded(weights, tmp_path, "gsm_resnet101", shuffle=True)
        with pytest.raises(SpatempoError, match=r"at layer1.1.conv1 the file has none, .* give every=2$"):
            loaded(weights, tmp_path, "gsm_resnet101", every=1)
        with pytest.raises(SpatempoError, match=r"give placement='conv1'$"):
            loaded(weights, tmp_path, "gsm_resnet101", placement="conv3")
        with pytest.raises(SpatempoError, match=r"create gsm_resnet101$"):
            loaded(weights, tmp_path, "tsm_resnet101")


def test_warnings(tmp_path):
    """Warnings about the shuffle, which the keys do not show, and about an unsupported temporal head."""
    weights = reference("resnet18", "gsm").state_dict()
    with pytest.warns(UserWarning, match="shuffle=True"):
        loaded(weights, tmp_path, "gsm_resnet18")
    weights = reference("resnet18", "tsm", gru=True).state_dict()
    assert "_pred_fine._fc_out._fc_out.weight" in weights
    with pytest.warns(UserWarning, match=r"temporal head of the file \(GRU"):
        model = loaded(weights, tmp_path, "tsm_resnet18", placement="inplace")
    with pytest.raises(SpatempoError, match=r"give placement='inplace'$"):
        loaded(weights, tmp_path, "tsm_resnet18")
    assert model.head.fc.weight.abs().max() < 0.01
    assert_close(model.backbone.conv1.weight, weights["_features.conv1.weight"])  # pyright: ignore[reportArgumentType]
    del weights["_features.layer2.0.conv1.net.weight"]
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(layer2\.0\.conv1\.weight\)"):
        loaded(weights, tmp_path, "tsm_resnet18", placement="inplace")
