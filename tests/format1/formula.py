"""Numbers of the format-1 fixtures: tensors and clips from an integer formula, and checkpoint folders made of them.

No random generator is used, because generators may change between versions of torch. Element j of tensor i is a 32-bit
hash of j and i (the finaliser of MurmurHash3, public domain, Austin Appleby), mapped linearly to a range. Each step is
exact or correctly rounded in IEEE double precision, so that every machine gets the same bits.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

HERE = Path(__file__).parent
FILE = "model.safetensors"
DTYPES = {"F32": torch.float32, "I64": torch.int64}  # safetensors' names
CLIP = 1_000_000  # number of the clip: no checkpoint has as many tensors

Fixture = dict[str, Any]


def hashes(count: int, number: int) -> np.ndarray:
    """Hashes of the elements 0 .. count - 1 of tensor ``number``, as uint32."""
    x = np.arange(count, dtype=np.uint32) + np.uint32((number + 1) * 0x9E3779B9 % 2**32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x ^= x >> np.uint32(shift)
        x *= np.uint32(factor)  # modulo 2^32
    return x ^ (x >> np.uint32(16))


def uniform(shape: tuple[int, ...], number: int, low: float, high: float) -> Tensor:
    """Values of tensor ``number`` in ``low .. high``, float64."""
    unit = hashes(math.prod(shape), number) / 2.0**32
    return torch.from_numpy(low + (high - low) * unit).reshape(shape)


def fill(tensors: Mapping[str, tuple[str, tuple[int, ...]]], gain: float) -> dict[str, Tensor]:
    """Tensors for these names, data types and shapes, numbered in the order of the sorted names.

    Ranges keep activations in bounds while every tensor matters: batch norms scale by 0.5 to 1.5 and shift a little,
    convolution and linear weights have the standard deviation ``gain`` x sqrt(2 / fan-in) (He et al. 2015). Counters
    are 0.
    """
    filled = {}
    for number, name in enumerate(sorted(tensors)):
        dtype, shape = tensors[name]
        if dtype == "I64":
            filled[name] = torch.zeros(shape, dtype=torch.int64)
            continue
        kind = name.rpartition(".")[2]
        if len(shape) > 1:
            high = gain * math.sqrt(6 / math.prod(shape[1:]))
            low = -high
        elif kind in ("weight", "running_var", "gamma"):
            low, high = 0.5, 1.5
        else:
            low, high = -0.2, 0.2
        filled[name] = uniform(shape, number, low, high).to(DTYPES[dtype])
    return filled


def clips(shape: tuple[int, ...]) -> Tensor:
    """Clips ``[3, C, T, H, W]``, float64: two different ones, then the first one with its frames reversed.

    Each frame has a colour and noise of its own, both of variance 1: a mean over pixels then still tells frames apart.
    """
    _, channels, frames, height, width = shape
    side = math.sqrt(3)
    colours = uniform((2, channels, frames, 1, 1), CLIP, -side, side)
    clip = colours + uniform((2, channels, frames, height, width), CLIP + 1, -side, side)
    return torch.cat([clip, clip[:1].flip(2)])


def names() -> list[str]:
    """Names of all fixtures, sorted."""
    return sorted(path.stem for path in HERE.glob("*.json"))


def read(name: str) -> Fixture:
    """One fixture; ``make.py`` describes its parts."""
    return json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))


def layout(fixture: Fixture) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Data type and shape of every tensor of a fixture."""
    split = {name: text.partition(" ") for name, text in fixture["tensors"].items()}
    return {k: (dtype, tuple(int(n) for n in sizes.split("x") if n)) for k, (dtype, _, sizes) in split.items()}


def write_checkpoint(folder: Path, header: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Path:
    """A checkpoint folder of format 1, as ``save_checkpoint`` wrote it: one file, with the header in its metadata."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(tensors), folder / FILE, {"spatempo": json.dumps(header, ensure_ascii=False)})
    return folder
