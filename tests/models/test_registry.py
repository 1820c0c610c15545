"""Names of models, options, and invalid combinations."""

from __future__ import annotations

import pytest
import torch
from networks import build_on
from torch import nn

from spatempo.errors import SpatempoError
from spatempo.models.checkpoint import load, save_checkpoint
from spatempo.models.registry import create_model, list_models
from spatempo.models.seams import plug_at_conv
from spatempo.operators.context import ForwardContext
from spatempo.operators.shift import TemporalShift


def test_list_models_filters_by_glob():
    assert "tsm_resnet50" in list_models("tsm_*")
    assert not any(n.startswith("tsn") for n in list_models("tsm_*"))
    assert list_models("nothing*") == []


def test_a_name_equals_a_design_with_a_backbone():
    with torch.device("meta"):
        a, b = create_model("tsm_resnet50", num_classes=3), create_model("tsm", backbone="resnet50", num_classes=3)
        timm = create_model("tsm", backbone="timm/resnet50", num_classes=3)
    assert a.plugged == b.plugged
    assert a.backbone_source == "torchvision/resnet50"
    assert timm.backbone_source == "timm/resnet50"
    assert len(timm.plugged) == 16


def test_a_name_can_include_options():
    assert "tsm_resnet50_nl" in list_models("*_nl")
    with torch.device("meta"):
        named = create_model("tsm_resnet50_nl", num_classes=3)
        explicit = create_model("tsm", backbone="torchvision/resnet50", num_classes=3, non_local=True)
        without = create_model("tsm_resnet50_nl", num_classes=3, non_local=False)
        placed = create_model("tsm_resnet50_nl", num_classes=3, placement="inplace")
    names = [model.name for model in (named, explicit, without, placed)]
    assert names == ["tsm_resnet50_nl", "tsm_resnet50_nl", "tsm_resnet50", "tsm_resnet50_nl"]
    assert named.options == explicit.options
    assert named.options["non_local"] is True
    assert named.plugged == explicit.plugged
    assert "layer3.4 after: NonLocal(" in " ".join(named.plugged)
    assert "\n" not in "".join(named.plugged)  # without the layers of the operator


def test_a_checkpoint_stores_its_variant(tmp_path):
    model = create_model("tsm_resnet50_nl", num_classes=3)
    save_checkpoint(model, tmp_path)
    loaded = load(tmp_path)
    assert (loaded.name, loaded.options) == ("tsm_resnet50_nl", model.options)
    again = create_model("tsm_resnet50_nl", num_classes=3, pretrained=str(tmp_path), mean=(0.5,) * 3, std=(0.5,) * 3)
    assert torch.equal(again.backbone.layer3[4].temporal.g.weight, model.backbone.layer3[4].temporal.g.weight)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("tsm_resnet50_ln", {}, "did you mean.*resnet50"),
        ("tsm_resnet5", {}, "did you mean.*resnet50"),
        ("nothing_at_all", {}, "unknown"),
        ("tsm", {}, "give a backbone"),
        ("tsm_resnet50", {"backbone": "resnet18"}, "give only one"),
        ("tsm_resnet18", {"shift_dvi": 8}, "no option 'shift_dvi'; it has shift_div"),
        ("tsn_resnet18", {"shift_div": 8}, "no option 'shift_div'"),
        ("tsm_resnet18", {"shift_div": 1}, "shift_div"),
        ("tsm_resnet18", {"placement": "behind"}, "placement"),
        ("tsm_resnet18", {"num_classes": 0}, "num_classes"),
        ("tsm_resnet18", {"dropout": 1.0}, "dropout"),
        ("tsm_vgg11", {}, "VGG"),
        ("tsm", {"backbone": "timm/densenet121"}, "no residual blocks"),
        ("tsm", {"backbone": "timm/efficientnet_cc_b0_4e"}, "CondConvResidual"),
        ("tsm", {"backbone": "keras/resnet50"}, "keras"),
    ],
)
def test_invalid_names_and_options_are_reported_in_one_line(name, options, message):
    with pytest.raises(SpatempoError, match=message) as error, torch.device("meta"):
        create_model(name, **options)
    assert "\n" not in str(error.value)


def test_an_unsupported_convolution_class_is_refused():
    class OddConv2d(nn.Conv2d): ...

    with pytest.raises(SpatempoError, match="OddConv2d"):
        plug_at_conv(build_on(nn.Sequential(OddConv2d(8, 8, 1))), "0", TemporalShift(ForwardContext()))
