"""The seams: errors, recorded operators, and that no other file changes a network."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from networks import build_on, clips, small
from torch import nn

import spatempo
from spatempo.errors import SpatempoError
from spatempo.models.build import in_network_order
from spatempo.models.seams import plug_after, plug_at_block, plug_at_conv, tap
from spatempo.operators.shift import TemporalShift


def test_only_two_files_change_classes_or_register_hooks():
    root = Path(spatempo.__file__).parent
    pattern = re.compile(r"__class__ = |register_forward_(pre_)?hook|register_full_backward|register_module_forward")
    found = {
        path.relative_to(root).as_posix() for path in root.rglob("*.py") if pattern.search(path.read_text("utf-8"))
    }
    assert found == {"models/seams.py", "operators/watch.py"}


def test_plugs_are_in_network_order():
    net = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)))
    build = build_on(net)
    operators = [TemporalShift(build.context) for _ in range(4)]
    plug_after(build, "1", operators[3])
    plug_at_conv(build, "1.1", operators[2])
    plug_at_block(build, "1", operators[1])
    plug_at_conv(build, "0", operators[0])
    plugs = in_network_order(build.plugs, net)
    assert [str(plug).partition(":")[0] for plug in plugs] == ["0 conv", "1 before", "1.1 conv", "1 after"]
    assert [plug.operator for plug in plugs] == operators


def test_a_second_operator_at_a_site_is_refused():
    build = build_on(nn.Sequential(nn.Conv2d(8, 8, 1)))
    plug_at_conv(build, "0", TemporalShift(build.context))
    for again in (plug_at_conv, plug_after):
        with pytest.raises(SpatempoError, match=r"0.* has an operator already"):
            again(build, "0", TemporalShift(build.context))


@torch.no_grad()
def test_a_tap_of_a_copied_model_uses_the_context_of_the_copy():
    model = small("tsn_smallresnet")
    build = build_on(model.backbone)
    build.context = model.context
    tap(build, "layer2")
    copied = copy.deepcopy(model)
    seen: list[dict[str, torch.Size]] = []
    maps = copied._maps
    copied._maps = lambda net, x: (maps(net, x), seen.append({k: v.shape for k, v in copied.context.tapped.items()}))[0]
    copied(clips())
    assert seen == [{"layer2": torch.Size([8, 64, 8, 8])}]
    assert not copied.context.tapped  # cleared after the forward pass
    assert not model.context.tapped


def test_state_names_are_in_the_order_of_execution():
    model = small("tsm_smallresnet", causal=True, temporal_pool=True)
    assert model.state_names == small("tsm_smallresnet", causal=True, temporal_pool=True).state_names
    assert model.state_names[:3] == (
        "backbone.layer1.0.conv1.temporal.past",
        "backbone.layer1.0.temporal.newest",
        "backbone.layer1.0.temporal.seen",
    )
    assert model.state_names[-2:] == ("head.sum", "head.count")
    assert len(model.state_names) == len(model.init_state(2))
    with pytest.raises(SpatempoError, match="cannot run frame by frame"):
        _ = small("tsm_smallresnet").state_names
