"""Where a run is computed: the device, how many of them, and in what precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from spatempo.device import find_kind
from spatempo.errors import SpatempoError
from spatempo.limits import check_number


@dataclass(frozen=True)
class DeviceSetup:
    """Devices of one kind that train together.

    Attributes:
        device: ``"cpu"``, ``"cuda"`` or ``"mps"``.
        devices: how many of each machine.
        nodes: machines.
        precision: what this device does best.
        number: of the one CUDA device that was named, as in ``"cuda:1"``.
    """

    device: str
    devices: int
    nodes: int
    precision: str
    number: int | None = None

    @property
    def world(self) -> int:
        """Devices altogether."""
        return self.devices * self.nodes

    def check_precision(self, precision: str | None) -> None:
        """Refuses what the device cannot compute, before any work is done."""
        if precision == "16" and self.device == "cpu":
            raise SpatempoError("precision 16 needs CUDA; on the CPU choose bf16 or 32")
        if precision == "bf16" and self.device == "cuda" and not torch.cuda.is_bf16_supported():
            raise SpatempoError("precision bf16 is not supported by this CUDA device; choose 16 or 32")

    def trainer_arguments(self, precision: str) -> dict[str, Any]:
        """Lightning's words for all this."""
        return {
            "accelerator": self.device,
            "devices": self.devices if self.number is None else [self.number],
            "num_nodes": self.nodes,
            "strategy": "ddp" if self.world > 1 else "auto",
            "precision": {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}[precision],
        }

    def __str__(self) -> str:
        return self.device if self.world == 1 else f"{self.world} x {self.device}"


def find_device_setup(device: str, devices: int | None = None, nodes: int = 1) -> DeviceSetup:
    """Chooses the device.

    Args:
        device: one of :data:`spatempo.device.KINDS`, or one CUDA device by its number (``"cuda:1"``).
        devices: of each machine; None: all CUDA devices, one of any other kind.
        nodes: machines.

    Raises:
        SpatempoError: it is not there, or not in that number.
    """
    named, _, number = device.partition(":")
    one_of_cuda = named == "cuda" and number.isdecimal()
    kind = find_kind(named if one_of_cuda else device)
    there = torch.cuda.device_count() if kind == "cuda" else 1
    if number and int(number) >= there:
        raise SpatempoError(f"device {device!r} is not there; the last one is 'cuda:{there - 1}'")
    if number and devices not in (None, 1):
        raise SpatempoError(f"device {device!r} is one device, and {devices} are asked for; name 'cuda'")
    count = 1 if number else there if devices is None else devices
    check_number("devices", count)
    check_number("nodes", nodes)
    if kind != "cpu" and count > there:
        raise SpatempoError(f"{count} {kind} devices asked for, {there} available")
    precision = "32" if kind != "cuda" else "bf16" if torch.cuda.is_bf16_supported() else "16"
    return DeviceSetup(kind, count, nodes, precision, int(number) if number else None)
