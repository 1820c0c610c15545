"""Parameters, MACs and numbers of shifts exactly as published (computed from the released code)."""

from __future__ import annotations

import pytest

from spatempo.models.info import describe


@pytest.mark.parametrize(
    ("name", "classes", "params", "gmacs", "operators"),
    [
        ("tsm_resnet50", 174, 23_864_558, 32.70, 16),
        ("tsn_resnet50", 174, 23_864_558, 32.70, 0),
        ("tsm_resnet50", 400, 24_327_632, 32.70, 16),
        ("tsm_resnet101", 174, 42_856_686, 62.40, 18),  # every second block: 2 + 2 + 12 + 2
        ("tsm_mobilenet_v2", 400, 2_736_272, 2.40, 10),
        ("tsm_resnet50_nl", 174, 31_223_022, 49.14, 21),  # five non-local blocks
        ("tsm_resnet50_nl", 400, 31_686_096, 49.15, 21),
    ],
)
def test_published_figures(name, classes, params, gmacs, operators):
    facts = describe(name, num_classes=classes)
    assert facts.params == params
    assert round(facts.macs / 1e9, 2) == gmacs
    assert facts.operators == operators


def test_macs_by_hand():
    """tsm_smallresnet for one frame of 48 x 48 and ten classes."""
    stem = 24 * 24 * 32 * 27
    layer1 = 2 * 24 * 24 * 32 * 32 * 9
    layer2 = 12 * 12 * (32 * 64 * 9 + 3 * 64 * 64 * 9 + 32 * 64)
    layer3 = 6 * 6 * (64 * 128 * 9 + 3 * 128 * 128 * 9 + 64 * 128)
    want = stem + layer1 + layer2 + layer3 + 1280
    assert describe("tsm_smallresnet", frames=1, size=48, num_classes=10).macs == want


def test_products_of_activations_are_counted_separately():
    """tsm_smallresnet with two non-local blocks, for 3 frames of 32 x 32: they have maps of 8 x 8 and 4 x 4."""
    plain = describe("tsm_smallresnet", frames=3, size=32, num_classes=10)
    facts = describe("tsm_smallresnet", frames=3, size=32, num_classes=10, non_local=True)
    assert plain.macs_with_products == plain.macs
    convolutions = 3 * (64 * 4 * 64 * 32 + 16 * 4 * 128 * 64)
    assert facts.macs - plain.macs == convolutions
    affinity = 2 * (3 * 64) * (3 * 16) * 32 + 2 * (3 * 16) * (3 * 4) * 64
    assert facts.macs_with_products - facts.macs == affinity


def test_the_published_macs_of_non_local_tsm_include_products():
    facts = describe("tsm_resnet50_nl", num_classes=174)
    assert round(facts.macs_with_products / 1e9, 2) == 61.10
    first = facts.published[0]
    assert first["macs"] == 61.3e9
    assert first["ours"]["macs"] == pytest.approx(61.1e9, rel=1e-3)
    assert "49.1 G" in first["note"]
    for figure in facts.published:
        assert figure["ours"]["params"] == figure["params"]


def test_macs_equal_torchs_count_without_products():
    """Batch norms are not counted. The models have 3D, grouped and depthwise convolutions, gates and linear layers."""
    for name in ("r2plus1d_18", "gsm_smallresnet", "sth_smallresnet", "tsm_convnext_tiny", "tsm_mobilenet_v3_large"):
        facts = describe(name, frames=2, size=64)
        assert facts.macs == facts.macs_with_products, name


def test_temporal_receptive_field():
    assert describe("tsm_resnet50").temporal_receptive_field == 33  # 16 shifts of one frame in each direction
    assert describe("tsm_resnet50", causal=True).temporal_receptive_field == 17
    assert describe("tsn_resnet50").temporal_receptive_field == 1
    assert describe("tsm_resnet50_nl").temporal_receptive_field == "whole clip"
    # in each direction: three shifts of one frame, one frame by the pooling, thirteen shifts of two frames
    assert describe("tsm_resnet50", temporal_pool=True).temporal_receptive_field == 1 + 2 * (3 + 1 + 26)


def test_the_ten_shifted_blocks_of_mobilenet_v2():
    from spatempo.models.registry import create_model

    plugs = create_model("tsm_mobilenet_v2", num_classes=2).plugs
    blocks = [int(plug.name.split(".")[1]) for plug in plugs]
    assert blocks == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]


def test_stages_and_published_figures():
    facts = describe("tsm_resnet50", num_classes=174)
    assert [(s["blocks"], s["shape"]) for s in facts.stages] == [
        (3, [256, 8, 56, 56]),
        (4, [512, 8, 28, 28]),
        (6, [1024, 8, 14, 14]),
        (3, [2048, 8, 7, 7]),
        (0, [2048, 8, 7, 7]),
    ]
    for figure in facts.published:
        for key in ("params", "macs"):
            if figure[key] is not None:
                assert figure["ours"][key] == pytest.approx(figure[key], rel=0.015)


def test_stages_after_temporal_pooling_have_half_the_frames():
    stages = describe("tsm_resnet50", frames=5, temporal_pool=True).stages
    assert [(s["blocks"], s["shape"][1]) for s in stages] == [(3, 5), (4, 3), (6, 3), (3, 3), (0, 3)]
