"""Published weights of the two Inceptions of Caffe's layout: their input, and their conversion."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
import torch
from networks import small
from safetensors.torch import save_file
from torch import Tensor, nn

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model

CASES = [
    ("bninception", 64, "conv1_7x7_s2", "fc", "inception_3a_1x1"),
    ("inception_v3", 72, "conv_Conv2D", "top_cls_fc", "mixed_conv_Conv2D"),
]


@pytest.mark.parametrize(("name", "side", "first", "classifier", "other"), CASES)
@pytest.mark.parametrize("library", ["", "module.base_model."])
def test_published_weights_for_bgr_in_0_to_255_are_converted(
    inceptions, tmp_path, library, name, side, first, classifier, other
):
    """The model on preprocessed RGB frames gives the values of the published network on Caffe's input."""
    net = inceptions[name]
    weights = {k: v[None].clone() if v.ndim == 1 and "_b" in k else v for k, v in net.state_dict().items()}  # [1, C]
    weights[f"{classifier}.weight"] = torch.randn(1000, net.num_features)
    weights[f"{classifier}.bias"] = torch.randn(1000)
    if library:  # the layout of TSN's and TSM's checkpoints, which have a separate classifier
        weights = {f"{library}{k}": v for k, v in weights.items() if not k.startswith(classifier)}
    save_file({k: v.contiguous() for k, v in weights.items()}, tmp_path / "w.safetensors")
    with pytest.warns(UserWarning, match="no mean and std"):
        model = create_model(f"tsn_{name}", num_classes=3, size=side, pretrained=str(tmp_path / "w.safetensors"))
    frames = torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    caffe = frames.permute(0, 3, 1, 2).float().flip(1) - torch.tensor([104.0, 117, 128])[:, None, None]
    with torch.no_grad():
        maps = model.eval().forward_features(model.preprocess.normalize(frames)[None])[0].transpose(0, 1)
        want = net(caffe)
    torch.testing.assert_close(maps, want, rtol=1e-3, atol=1e-3 * float(want.abs().max()))
    assert (net(caffe.flip(1)) - want).abs().max() > 0.01 * want.abs().max()
    kept = model.backbone.state_dict()
    assert torch.equal(kept[f"{first}.weight"], net.state_dict()[f"{first}.weight"].flip(1))
    assert torch.equal(kept[f"{other}.weight"], net.state_dict()[f"{other}.weight"])


def authors_clip(frames: Tensor, modality: str) -> Tensor:
    """Preprocessing of TSN's, TSM's and GSM's code: uint8 ``[T * span, H, W, c]`` to ``[T, C, H, W]``.

    Images are reversed to BGR (``Stack(roll=True)``) and stay in 0..255; differences are computed between six
    consecutive images. Five flow fields give x1 y1 ... x5 y5, minus 128.
    """
    if modality == "flow":
        return (frames.double() - 128).unflatten(0, (-1, 5)).permute(0, 1, 4, 2, 3).flatten(1, 2)
    images = frames.double().flip(3).unflatten(0, (-1, 6)).permute(0, 1, 4, 2, 3)
    return (images[:, 1:] - images[:, :-1]).flatten(1, 2)


@pytest.mark.parametrize(("modality", "channels", "read"), [("flow", 10, 10), ("rgbdiff", 15, 12)])
@pytest.mark.parametrize(("name", "side", "first", "classifier", "other"), CASES)
@pytest.mark.parametrize("dropout", [True, False])
def test_weights_for_flow_and_differences_give_the_logits_of_the_authors_code(
    inceptions, tmp_path, dropout, name, side, first, classifier, other, modality, channels, read
):
    """A network of another modality, saved in the layout of TSN's and TSM's code."""
    torch.manual_seed(0)
    net = deepcopy(inceptions[name])
    conv = net.get_submodule(first)
    assert isinstance(conv, nn.Conv2d)
    # a first kernel with more channels, of a similar total norm as that for RGB
    conv.weight = nn.Parameter(torch.randn(conv.out_channels, channels, *conv.kernel_size) * conv.weight.std() / 2)
    fc = nn.Linear(net.num_features, 3)
    net, fc = net.double(), fc.double()
    classifier = "module.new_fc" if dropout else f"module.base_model.{classifier}"
    weights = {f"module.base_model.{k}": v.float() for k, v in net.state_dict().items()}
    weights |= {f"{classifier}.{k}": v.float() for k, v in fc.state_dict().items()}
    torch.save({"state_dict": weights}, tmp_path / "w.pth")
    with pytest.warns(UserWarning, match="no mean and std"):
        model = create_model(
            f"tsn_{name}", num_classes=3, modality=modality, size=side, dropout=0.0, pretrained=str(tmp_path / "w.pth")
        )
    frames = torch.randint(0, 256, (read, side, side, model.preprocess.read_channels), dtype=torch.uint8)
    clip = authors_clip(frames, modality)
    with torch.no_grad():
        got = model.double().eval().forward_frames(model.preprocess.normalize(frames)[None].double())[0]
        want, reversed_ = (fc(net(c).mean((2, 3))) for c in (clip, clip.flip(1)))
    assert (reversed_ - want).abs().max() > 1e-3 * want.abs().max(), "the order of channels has no effect"
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5 * float(want.abs().max()))


def test_mean_and_std_of_a_json_file_are_used(inceptions, tmp_path):
    save_file(inceptions["bninception"].state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.25] * 3}))
    model = create_model("tsn_bninception", num_classes=3, pretrained=str(tmp_path / "w.safetensors"))
    assert model.preprocess.mean == (0.5, 0.5, 0.5)


def test_the_error_names_a_missing_bias(inceptions, tmp_path):
    weights = {k: v for k, v in inceptions["bninception"].state_dict().items() if k != "inception_4d_3x3.bias"}
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match=r"lacks 1 weight \(inception_4d_3x3\.bias\)"):
        create_model("tsn_bninception", num_classes=3, pretrained=str(tmp_path / "w.safetensors"))


@torch.no_grad()
def test_spatempo_checkpoints_keep_the_order_of_channels(tmp_path):
    model = small("tsm_bninception", size=64)
    clip = torch.randn(1, 3, 4, 64, 64)
    save_checkpoint(model, tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(loaded(clip), model(clip))
    assert loaded.preprocess == model.preprocess
    started = create_model("tsm_bninception", num_classes=3, pretrained=str(tmp_path)).eval()
    assert torch.equal(started(clip), model(clip))
