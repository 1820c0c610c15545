"""Properties of the batches of a run: no clip is used twice, on any number of devices, from any start."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatempo.learning.batches import BatchStream, EvalSampler

sizes = st.fixed_dictionaries(
    {
        "batch_size": st.integers(1, 5),
        "accumulate": st.integers(1, 3),
        "epochs": st.integers(1, 3),
        "seed": st.integers(0, 2**40),
        "world": st.integers(1, 3),
    }
)


def stream(clips: int, config: dict[str, int], rank: int = 0, start: int = 0) -> BatchStream:
    rest = {k: v for k, v in config.items() if k != "batch_size"}
    return BatchStream(clips, config["batch_size"], rank=rank, start=start, **rest)


@settings(max_examples=60)
@given(config=sizes, extra=st.integers(0, 40), start=st.integers(0, 60))
def test_stream(config: dict[str, int], extra: int, start: int) -> None:
    effective = config["batch_size"] * config["accumulate"] * config["world"]
    clips = effective + extra
    parts = [list(stream(clips, config, rank)) for rank in range(config["world"])]
    per_epoch = stream(clips, config).per_epoch
    assert per_epoch % config["accumulate"] == 0  # whole optimiser steps
    assert clips - per_epoch * config["batch_size"] * config["world"] < effective  # drops less than one step
    for part in parts:
        assert len(part) == len(stream(clips, config)) == per_epoch * config["epochs"]
        assert all(len(batch) == config["batch_size"] for batch in part)
    for epoch in range(config["epochs"]):
        seen = [
            index
            for part in parts
            for e, index in chain.from_iterable(part[epoch * per_epoch : (epoch + 1) * per_epoch])
            if e == epoch
        ]
        assert len(seen) == len(set(seen)) == per_epoch * config["batch_size"] * config["world"]
        assert set(seen) <= set(range(clips))
    for rank, part in enumerate(parts):  # a later start gives the rest of the same stream
        rest = stream(clips, config, rank, start)
        assert list(rest) == part[start:]
        assert len(rest) == len(part[start:])


def test_order_depends_on_seed_and_epoch() -> None:
    a = BatchStream(50, 50, epochs=2, seed=1)
    first, second = ([i for _, i in batch] for batch in a)
    assert first != second
    assert [i for _, i in next(iter(BatchStream(50, 50, seed=2)))] != first
    assert list(a) == list(a)


def test_too_few_clips() -> None:
    with pytest.raises(ValueError, match="3 clips"):
        BatchStream(3, 2, world=2)


@given(clips=st.integers(0, 30), world=st.integers(1, 5))
def test_evaluation_samplers_use_every_clip_once(clips: int, world: int) -> None:
    samplers = [EvalSampler(clips, rank=rank, world=world) for rank in range(world)]
    assert sorted(chain.from_iterable(samplers)) == list(range(clips))
    assert all(len(sampler) == len(list(sampler)) for sampler in samplers)
