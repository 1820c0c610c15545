"""Models of the format-1 fixtures: each design, and each option that changes operators, keys or results.

Each name stands for arguments of ``create_model``. Backbones are small ones, and frames have 32 x 32 pixels where the
backbone accepts that size. Video-native networks are narrow (``width``), except ``r2plus1d_18_wide``.
"""

from __future__ import annotations

from typing import Any

from spatempo.learning.recipe import Recipe

Arguments = dict[str, Any]

NATIVE = ("r2d", "fr2d", "r3d", "mc2", "mc3", "mc4", "mc5", "rmc2", "rmc3", "rmc4", "rmc5", "r2plus1d")


def _small(design: str, **options: Any) -> Arguments:
    return {"name": design, "backbone": "smallresnet", **options}


def _on(design: str, backbone: str, **options: Any) -> Arguments:
    return {"name": design, "backbone": backbone, **options}


def _native(design: str, layers: str = "18", width: int = 8, **options: Any) -> Arguments:
    return {"name": design, "backbone": layers, "width": width, **options}


CONFIGURATIONS: dict[str, Arguments] = {
    "tsn": _small("tsn"),
    "tsn_causal": _small("tsn", causal=True),
    "tsn_max": _small("tsn", consensus="max", causal=True),
    "tsn_top3": _small("tsn", consensus="top3"),
    "tsn_linear": _small("tsn", consensus="linear"),
    "tsn_attention": _small("tsn", consensus="attention", causal=True),
    "tsn_flow": _small("tsn", modality="flow"),
    "tsm": _small("tsm"),
    "tsm_causal": _small("tsm", causal=True),
    "tsm_inplace": _small("tsm", placement="inplace"),
    "tsm_inplace_causal": _small("tsm", placement="inplace", causal=True),
    "tsm_every2": _small("tsm", every=2),
    "tsm_shift_div4": _small("tsm", shift_div=4),
    "tsm_circulant": _small("tsm", padding="circulant"),
    "tsm_non_local": _small("tsm", non_local=True),
    "tsm_temporal_pool": _small("tsm", temporal_pool=True),
    "tsm_temporal_pool_causal": _small("tsm", temporal_pool=True, causal=True),
    "tsm_flow": _small("tsm", modality="flow"),
    "tsm_rgbdiff": _small("tsm", modality="rgbdiff", stack=2),
    "tsm_resnet18": _on("tsm", "resnet18"),
    "tsm_resnet50": _on("tsm", "resnet50"),
    "tsm_resnet50_non_local": {"name": "tsm_resnet50_nl"},
    "tsm_mobilenet_v2": _on("tsm", "mobilenet_v2"),
    "tsm_mobilenet_v2_causal": _on("tsm", "mobilenet_v2", causal=True),
    "tsm_bninception": _on("tsm", "bninception"),
    "tsm_timm_resnet14_non_local": _on("tsm", "timm/resnet14t", non_local=True),
    "tsm_timm_mobilenetv3": _on("tsm", "timm/mobilenetv3_small_050"),
    "tsm_timm_convnext": _on("tsm", "timm/convnext_atto"),
    "tsm_regnet": _on("tsm", "regnet_y_400mf"),
    "sth": _small("sth"),
    "sth_sum": _small("sth", integration="sum"),
    "sth_merge": _small("sth", form="merge"),
    "sth_merge_sum_p8": _small("sth", form="merge", integration="sum", p="1/8", init="shift"),
    "sth_p2": _small("sth", p=0.5, init="centre"),
    "sth_p0": _small("sth", p=0),
    "sth_scale1": _small("sth", scale=1.0),
    "sth_timm_resnet14": _on("sth", "timm/resnet14t"),
    "sth_resnet50": _on("sth", "resnet50"),
    "vsn": _small("vsn"),
    "vsn_headtail": _small("vsn", placement="headtail", shift="off"),
    "vsn_blocks_all": _small("vsn", blocks="all"),
    "vsn_blocks_first": _small("vsn", blocks="first", shift=True, shift_div=4),
    "vsn_timm_resnet14": _on("vsn", "timm/resnet14t"),
    "vsn_resnet50": _on("vsn", "resnet50"),
    "vsn_resnet18_every2": _on("vsn", "resnet18", blocks="first", every=2),
    "vsn_mobilenet_v2": _on("vsn", "mobilenet_v2"),
    "gsm": _small("gsm"),
    "gsm_conv3": _small("gsm", placement="conv3"),
    "gsm_causal": _small("gsm", causal=True),
    "gsm_shuffle_share50": _small("gsm", shuffle=True, share=50),
    "gsm_timm_resnet14_conv3": _on("gsm", "timm/resnet14t", placement="conv3"),
    "gsm_resnet50_conv3_causal": _on("gsm", "resnet50", placement="conv3", causal=True),
    "gsm_mobilenet_v2": _on("gsm", "mobilenet_v2"),
    "gsm_bninception": _on("gsm", "bninception"),
    "gsm_bninception_flow": _on("gsm", "bninception", modality="flow", shuffle=True, causal=True),
    "gsm_inception_v3": _on("gsm", "inception_v3", size=69),
    "gsf": _small("gsf"),
    "gsf_conv1": _small("gsf", placement="conv1"),
    "gsf_causal": _small("gsf", causal=True),
    "gsf_shuffle_ratio50": _small("gsf", shuffle=True, ratio=50),
    "gsf_bninception": _on("gsf", "bninception"),
    "gsf_inception_v3": _on("gsf", "inception_v3", size=69, ratio=50),
    **{design: _native(design) for design in NATIVE},
    "r3d_stem_pool": _native("r3d", stem_pool=True),
    "r2plus1d_torchvision": _native("r2plus1d", midplanes="torchvision"),
    "r2plus1d_mmaction2": _native("r2plus1d", form="mmaction2"),
    "r2plus1d_vmz": _native("r2plus1d", bn_eps=1e-3, stem_pool=True),
    "r2plus1d_flow": _native("r2plus1d", modality="flow"),
    "r2plus1d_50": _native("r2plus1d", "50", 4),
    "r2plus1d_50_torchvision": _native("r2plus1d", "50", 4, midplanes="torchvision"),
    "r2plus1d_50_mmaction2": _native("r2plus1d", "50", 4, form="mmaction2"),
    "r2plus1d_18_wide": {"name": "r2plus1d_18"},
}


def gain(name: str) -> float:
    """What ``formula.fill`` takes: less where larger activations would saturate a softmax, which hides weights."""
    return 0.7 if any(part in name for part in ("resnet50", "non_local", "sth")) else 1.0


# What training adds to a model and its header. The first has all of it, the second is as old checkpoints are.
TRAINED: dict[str, dict[str, Any]] = {
    "tsm_causal": {
        "classes": ["pull left", "pousser à droite", "\u4e0a"],
        "clip_seconds": 2.56,
        "recipe": Recipe(lr=0.04, precision="32", size=32, frames=4, steps=(0.25, 0.75)).to_dict(),
        "metrics": {"top1": 0.8125, "loss": 0.4373291015625, "top5": 1.0, "epoch": 7},
    },
    "r2plus1d": {"classes": ["a", "b", "c"], "clip_seconds": 10.0, "recipe": {}, "metrics": {"epoch": 1}},
}
