"""Splitting a manifest into training and validation clips."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spatempo.data.manifest import Manifest, Sample
from spatempo.data.split import split
from spatempo.errors import SpatempoError

ROOT = Path("/data")


def manifest(labels: list[int], groups: list[int] | None = None) -> Manifest:
    samples = tuple(
        Sample(str(ROOT / f"{i:03d}.mp4"), label, group=None if groups is None else f"g{groups[i]}")
        for i, label in enumerate(labels)
    )
    return Manifest("t.csv", ROOT, samples, tuple(f"c{k}" for k in range(max(labels) + 1)))


labelled = st.lists(st.integers(0, 4), min_size=4, max_size=60)
fractions = st.floats(0.05, 0.95)


@given(labels=labelled, fraction=fractions, seed=st.integers(0, 5))
def test_without_groups_every_class_is_split_proportionally(labels, fraction, seed):
    count = Counter(labels)
    assume(max(count.values()) > 1)
    full = manifest(labels)
    train, val = split(full, fraction, seed)
    assert sorted(train.samples + val.samples, key=lambda s: s.path) == list(full.samples)
    taken = Counter(s.label for s in val.samples)
    for label, n in count.items():
        assert taken[label] == (0 if n == 1 else min(max(round(fraction * n), 1), n - 1))
    assert train.classes == val.classes == full.classes


@given(data=st.data(), fraction=fractions, seed=st.integers(0, 3))
def test_no_group_is_in_both_parts(data, fraction, seed):
    labels = data.draw(labelled)
    groups = data.draw(st.lists(st.integers(0, 8), min_size=len(labels), max_size=len(labels)))
    full = manifest(labels, groups)
    try:
        train, val = split(full, fraction, seed)
    except SpatempoError:
        # only if every group is needed by one of its classes for training
        spread = Counter(label for label, _ in {*zip(labels, groups, strict=True)})
        for group in set(groups):
            inside = {label for label, g in zip(labels, groups, strict=True) if g == group}
            members = Counter(label for label, g in zip(labels, groups, strict=True) if g == group)
            total = Counter(labels)
            target = {k: max(round(fraction * total[k]), 1) for k in inside}
            gain = sum(1 - ((members[k] - target[k]) / target[k]) ** 2 for k in inside)
            assert any(spread[k] == 1 for k in inside) or gain <= 0
        return
    assert len(train) + len(val) == len(full)
    assert val.samples
    assert not {s.group for s in train.samples} & {s.group for s in val.samples}
    assert {s.label for s in train.samples} == set(labels)


@given(labels=labelled, seed=st.integers(0, 5), data=st.data())
def test_the_split_does_not_depend_on_table_order_or_root(labels, seed, data):
    assume(max(Counter(labels).values()) > 1)
    full = manifest(labels)
    order = data.draw(st.permutations(range(len(labels))))
    moved = Manifest(
        "u.csv",
        Path("/mnt/x"),
        tuple(replace(full.samples[i], path=full.samples[i].path.replace("/data", "/mnt/x")) for i in order),
        full.classes,
    )
    names = [{Path(s.path).name for s in split(m, 0.3, seed)[1].samples} for m in (full, moved)]
    assert names[0] == names[1]


def test_the_seed_determines_the_split():
    full = manifest([0, 1] * 20)
    first, again, other = (split(full, 0.25, seed)[1].samples for seed in (0, 0, 1))
    assert first == again != other
    assert [s.path for s in first] == sorted(s.path for s in first)


def test_whole_groups_approximate_the_fraction():
    # 5 people doing each of 4 actions 5 times: one person is 1/5 of every class
    labels = [k for _ in range(5) for k in range(4) for _ in range(5)]
    groups = [p for p in range(5) for _ in range(20)]
    _, val = split(manifest(labels, groups), 0.2, 0)
    assert Counter(s.label for s in val.samples) == dict.fromkeys(range(4), 5)
    assert len({s.group for s in val.samples}) == 1


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_fraction_out_of_range_is_an_error(fraction):
    with pytest.raises(SpatempoError, match="between 0 and 1"):
        split(manifest([0, 0]), fraction)


def test_a_split_without_validation_clips_is_an_error():
    with pytest.raises(SpatempoError, match="in 1 groups"):
        split(manifest([0, 0, 1, 1], [0, 0, 0, 0]), 0.5)
    with pytest.raises(SpatempoError, match="cannot be split"):
        split(manifest([0, 1, 2]), 0.5)


@pytest.mark.parametrize("seed", range(4))
def test_large_groups_are_placed_first(seed):
    """10 clips in groups of 4, 3 and 3: one group has the 4 requested clips, if no group of 3 is taken first."""
    _, val = split(manifest([0] * 10, [0] * 4 + [1] * 3 + [2] * 3), 0.4, seed)
    assert [s.group for s in val.samples] == ["g0"] * 4
