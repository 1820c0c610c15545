"""Published weights of the two Inceptions of Caffe's layout: what they want to be fed, and how they are kept."""

from __future__ import annotations

import json

import pytest
import torch
from networks import small
from safetensors.torch import save_file

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model

CASES = [
    ("bninception", 64, "conv1_7x7_s2", "fc", "inception_3a_1x1"),
    ("inception_v3", 72, "conv_Conv2D", "top_cls_fc", "mixed_conv_Conv2D"),
]


@pytest.mark.parametrize(("name", "side", "first", "classifier", "other"), CASES)
@pytest.mark.parametrize("library", ["", "module.base_model."])
def test_published_weights_want_bgr_of_0_to_255_and_get_it(
    inceptions, tmp_path, library, name, side, first, classifier, other
):
    """Frames through ``preprocess`` and the model are Caffe's numbers through the published network."""
    net = inceptions[name]
    weights = {k: v[None].clone() if v.ndim == 1 and "_b" in k else v for k, v in net.state_dict().items()}  # [1, C]
    weights[f"{classifier}.weight"] = torch.randn(1000, net.num_features)
    weights[f"{classifier}.bias"] = torch.randn(1000)
    if library:  # the layout of TSN's and TSM's own checkpoints, with a classifier beside
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


def test_a_json_beside_the_file_wins(inceptions, tmp_path):
    save_file(inceptions["bninception"].state_dict(), tmp_path / "w.safetensors")
    (tmp_path / "w.json").write_text(json.dumps({"mean": [0.5] * 3, "std": [0.25] * 3}))
    model = create_model("tsn_bninception", num_classes=3, pretrained=str(tmp_path / "w.safetensors"))
    assert model.preprocess.mean == (0.5, 0.5, 0.5)


def test_a_file_that_lacks_a_bias_is_refused_by_its_name(inceptions, tmp_path):
    weights = {k: v for k, v in inceptions["bninception"].state_dict().items() if k != "inception_4d_3x3.bias"}
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(SpatempoError, match=r"lacks 1 of its weights \(inception_4d_3x3\.bias\)"):
        create_model("tsn_bninception", num_classes=3, pretrained=str(tmp_path / "w.safetensors"))


@torch.no_grad()
def test_our_own_checkpoints_keep_their_order_of_channels(tmp_path):
    model = small("tsm_bninception", size=64)
    clip = torch.randn(1, 3, 4, 64, 64)
    save_checkpoint(model, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again(clip), model(clip))
    assert again.preprocess == model.preprocess
    trained_on = create_model("tsm_bninception", num_classes=3, pretrained=str(tmp_path)).eval()
    assert torch.equal(trained_on(clip), model(clip))
