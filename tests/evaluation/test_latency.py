"""Latency measurement: input, mode, and the median of the timed passes."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from spatempo.evaluation.latency import latency_ms, measure_latency
from spatempo.inputs.spec import Preprocess


class Sleeper(nn.Module):
    """Sleeps 5 ms per call, 40 ms in each of the first three calls, and 400 ms in the sixth."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.preprocess = Preprocess(frames=3, size=20)
        self.clips: list[Tensor] = []

    def forward(self, clip: Tensor) -> Tensor:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.clips.append(clip)
        time.sleep({1: 0.04, 2: 0.04, 3: 0.04, 6: 0.4}.get(len(self.clips), 0.005))
        return clip.mean() * self.weight


def test_latency_is_the_median_after_warm_up() -> None:
    model = Sleeper().train()
    found = measure_latency(model, runs=7, warmup=3)
    assert (found.runs, len(model.clips)) == (7, 10)
    assert 5 <= found.ms < 35  # not affected by the warm-up or by the slow pass
    assert found.low <= found.ms <= found.high
    assert found.high >= 400
    assert model.training
    assert (found.batch, found.frames, found.size, found.device) == (1, 3, 20, "cpu")
    assert found.threads == torch.get_num_threads()
    assert f"{found.threads} threads" in str(found)
    (clip,) = {tuple(c.shape) for c in model.clips}
    assert clip == (1, 3, 3, 20, 20)
    assert model.clips[0].is_contiguous(memory_format=torch.channels_last_3d)


def test_frames_and_size_arguments_set_the_clip_shape() -> None:
    model = Sleeper()
    assert latency_ms(model, 5, 8, runs=1) >= 5
    assert model.clips[-1].shape == (1, 3, 5, 8, 8)
