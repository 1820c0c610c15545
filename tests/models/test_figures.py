"""Parameters, MACs and shift counts exactly as published (worked out from the released code)."""

from __future__ import annotations

import pytest

from spatempo.models.info import catalogue, describe


@pytest.mark.parametrize(
    ("name", "classes", "params", "gmacs", "operators"),
    [
        ("tsm_resnet50", 174, 23_864_558, 32.70, 16),
        ("tsn_resnet50", 174, 23_864_558, 32.70, 0),
        ("tsm_resnet50", 400, 24_327_632, 32.70, 16),
        ("tsm_resnet101", 174, 42_856_686, 62.40, 18),  # every second block: 2 + 2 + 12 + 2
        ("tsm_mobilenet_v2", 400, 2_736_272, 2.40, 10),
    ],
)
def test_published(name, classes, params, gmacs, operators):
    facts = describe(name, num_classes=classes)
    assert facts["params"] == params
    assert round(facts["macs"] / 1e9, 2) == gmacs
    assert facts["operators"] == operators


def test_macs_by_hand():
    """tsm_smallresnet for one frame of 48 x 48 and ten classes."""
    stem = 24 * 24 * 32 * 27
    layer1 = 2 * 24 * 24 * 32 * 32 * 9
    layer2 = 12 * 12 * (32 * 64 * 9 + 3 * 64 * 64 * 9 + 32 * 64)
    layer3 = 6 * 6 * (64 * 128 * 9 + 3 * 128 * 128 * 9 + 64 * 128)
    want = stem + layer1 + layer2 + layer3 + 1280
    assert describe("tsm_smallresnet", frames=1, size=48, num_classes=10)["macs"] == want


def test_temporal_receptive_field():
    assert describe("tsm_resnet50")["temporal_receptive_field"] == 33  # 16 shifts, a frame each way
    assert describe("tsm_resnet50", causal=True)["temporal_receptive_field"] == 17
    assert describe("tsn_resnet50")["temporal_receptive_field"] == 1


def test_the_ten_shifted_blocks_of_mobilenet_v2():
    from spatempo.models.registry import create_model

    plugged = create_model("tsm_mobilenet_v2", num_classes=2).plugged
    blocks = [int(line.split(".")[2]) for line in plugged]
    assert blocks == [3, 5, 6, 8, 9, 10, 12, 13, 15, 16]


def test_stages_and_published_figures():
    facts = describe("tsm_resnet50", num_classes=174)
    assert [(s["blocks"], s["shape"]) for s in facts["stages"]] == [
        (3, [256, 8, 56, 56]),
        (4, [512, 8, 28, 28]),
        (6, [1024, 8, 14, 14]),
        (3, [2048, 8, 7, 7]),
        (0, [2048, 8, 7, 7]),
    ]
    for figure in facts["published"]:
        for key in ("params", "macs"):
            if figure[key] is not None:
                assert figure["ours"][key] == pytest.approx(figure[key], rel=0.015)


def test_catalogue_row():
    (row,) = catalogue("tsm_resnet18")
    assert row["causal"] is True
    assert row["operator"] == "tsm"
    assert row["params"] == 11_176_512 + 512 * 400 + 400
