"""Devices used for training and testing: kind, number and precision."""

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
        devices: number of devices per machine.
        nodes: number of machines.
        precision: default precision of this kind of device.
        number: index of a single selected CUDA device, as in ``"cuda:1"``.
    """

    device: str
    devices: int
    nodes: int
    precision: str
    number: int | None = None

    @property
    def world(self) -> int:
        """Total number of devices."""
        return self.devices * self.nodes

    def check_precision(self, precision: str | None) -> None:
        """Raises an error if the device does not support this precision."""
        if precision == "16" and self.device == "cpu":
            raise SpatempoError("precision 16 needs CUDA; on the CPU choose bf16 or 32")
        if precision == "bf16" and self.device == "cuda" and not torch.cuda.is_bf16_supported():
            raise SpatempoError("precision bf16 is not supported by this CUDA device; choose 16 or 32")

    def trainer_arguments(self, precision: str) -> dict[str, Any]:
        """Arguments of Lightning's ``Trainer``."""
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
    """Selects the devices.

    Args:
        device: one of :data:`spatempo.device.KINDS`, or a single CUDA device (``"cuda:1"``).
        devices: number per machine; None: all CUDA devices, or one device of any other kind.
        nodes: number of machines.

    Raises:
        SpatempoError: the device is not available, or there are fewer than requested.
    """
    named, _, number = device.partition(":")
    single_cuda = named == "cuda" and number.isdecimal()
    kind = find_kind(named if single_cuda else device)
    available = torch.cuda.device_count() if kind == "cuda" else 1
    if number and int(number) >= available:
        raise SpatempoError(f"device {device!r} does not exist; the last one is 'cuda:{available - 1}'")
    if number and devices not in (None, 1):
        raise SpatempoError(f"`devices={devices}`: device {device!r} is a single device; use `device=cuda` instead")
    count = 1 if number else available if devices is None else devices
    check_number("devices", count)
    check_number("nodes", nodes)
    if kind != "cpu" and count > available:
        raise SpatempoError(f"`devices={count}`: only {available} {kind} devices are available; give a smaller number")
    precision = "32" if kind != "cuda" else "bf16" if torch.cuda.is_bf16_supported() else "16"
    return DeviceSetup(kind, count, nodes, precision, int(number) if number else None)
