"""Splits labelled clips into training and validation: proportional for every class, without splitting groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatempo.data.manifest import Manifest, Sample
from spatempo.errors import SpatempoError


def split(manifest: Manifest, fraction: float, seed: int = 0) -> tuple[Manifest, Manifest]:
    """Splits off a validation part.

    Clips of one group (a scene, a person; :attr:`Sample.group`) are not separated, because a network that recognises
    the background would otherwise seem to recognise the action. A clip without a group is its own group. Every class
    keeps at least one training clip. Without groups, a class of n >= 2 clips gets exactly ``round(fraction * n)``
    validation clips, at least 1 and at most n - 1. With groups, a greedy choice of whole groups (largest first) comes
    close to this.

    The result depends on the paths below the root, the labels, the groups, `fraction` and `seed`, but not on the order
    of the table or the machine.

    Args:
        fraction: the fraction for validation, between 0 and 1.

    Returns:
        ``(train, val)``, each in the order of `manifest`, with the same classes.

    Raises:
        SpatempoError: `fraction` is out of range, or nothing can be split off (all clips in one group, or one clip per
            class).
    """
    if not 0 < fraction < 1:
        raise SpatempoError(f"validation fraction is {fraction}; give a number between 0 and 1, such as 0.1")
    groups = _groups(manifest)
    size = Counter(sample.label for sample in manifest.samples)
    groups_with = Counter(label for members in groups for label in _labels(manifest, members))
    target = {label: max(round(fraction * n), 1) for label, n in size.items()}
    taken: Counter[int] = Counter()
    val: set[int] = set()
    order = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed))).permutation(len(groups))
    for members in sorted((groups[i] for i in order), key=len, reverse=True):
        labels = _labels(manifest, members)
        # Taking the group must bring the counts closer to their targets and leave training clips in every class.
        gain = sum(_distance(taken[k], target[k]) - _distance(taken[k] + n, target[k]) for k, n in labels.items())
        if gain > 0 and all(groups_with[k] > 1 for k in labels):
            val.update(members)
            taken.update(labels)
            groups_with.subtract(labels.keys())
    if not val:
        raise SpatempoError(
            f"{manifest.source}: {len(manifest)} clips in {len(groups)} groups cannot be split with a validation "
            f"fraction of {fraction}; give more clips, smaller groups, or a separate validation set"
        )
    indices = range(len(manifest))
    return manifest.subset([i for i in indices if i not in val]), manifest.subset([i for i in indices if i in val])


def _groups(manifest: Manifest) -> list[list[int]]:
    """Indices of the clips by group, in an order that does not depend on the order of the table."""
    members: dict[tuple[str, str], list[int]] = {}
    names = [Path(sample.path).relative_to(manifest.root).as_posix() for sample in manifest.samples]
    for i in sorted(range(len(names)), key=names.__getitem__):
        members.setdefault(_group_key(manifest.samples[i], names[i]), []).append(i)
    return list(members.values())


def _group_key(sample: Sample, name: str) -> tuple[str, str]:
    return ("clip", name) if sample.group is None else ("group", sample.group)


def _labels(manifest: Manifest, members: Sequence[int]) -> Counter[int]:
    return Counter(manifest.samples[i].label for i in members)


def _distance(count: int, target: int) -> float:
    """Squared relative distance from the target, so that rare classes have the same weight as common ones."""
    return ((count - target) / target) ** 2
