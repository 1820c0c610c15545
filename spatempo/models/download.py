"""Weights that torchvision and timm download: what went wrong on the way becomes one line with a way around it."""

from __future__ import annotations

import http.client
import logging
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError  # the exception only
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from spatempo.errors import SpatempoError

if TYPE_CHECKING:
    from torchvision.models import WeightsEnum

TIMEOUT = 30.0  # seconds without an answer; torch.hub itself would wait for ever


def torchvision_weights(source: str, weights: WeightsEnum) -> dict[str, Tensor]:
    """The state dict of a torchvision weight set, from its cache or the network.

    Args:
        source: ``torchvision/NAME``, for the message.

    Raises:
        SpatempoError: it cannot be downloaded; names the address, and the places where the file can be put instead.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with _named(f"weights {weights.name} of {source}", weights.url, f"put the file at {file}, or "):
            return dict(weights.get_state_dict(progress=True))
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise SpatempoError(f"{file}: damaged on the way ({_line(error)}); delete it and try again") from error
    finally:
        socket.setdefaulttimeout(before)


def timm_network(source: str, name: str) -> Any:
    """timm's network `name` (``NAME`` or ``NAME.TAG``) with its weights, from its cache or the network.

    Args:
        source: ``timm/NAME``, for the message.

    Raises:
        SpatempoError: they cannot be downloaded; names the repository and the file.
    """
    import timm  # takes long

    config = timm.models.get_pretrained_cfg(name)
    if config is None:
        place = "where timm expects them"
    elif config.hf_hub_id:
        place = f"https://huggingface.co/{config.hf_hub_id} ({config.hf_hub_filename or 'model.safetensors'})"
    else:
        place = str(config.url)
    with _named(f"weights of {source.partition('/')[0]}/{name}", place, ""), _quiet():
        return timm.create_model(name, pretrained=True)


@contextmanager
def _named(what: str, place: str, way: str) -> Iterator[None]:
    """Turns errors of the network (and of the disk that the file goes to) into one line."""
    try:
        yield
    except _network_errors() as error:
        raise SpatempoError(
            f"{what}: cannot be downloaded from {place} ({_line(error)}); check the network, or {way}give a file "
            "that was downloaded elsewhere (`weights=FILE`)"
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """Those of urllib, requests and huggingface_hub are kinds of OSError; those of httpx are not."""
    clients = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (OSError, http.client.HTTPException, *(client.HTTPError for client in clients))


@contextmanager
def _quiet() -> Iterator[None]:
    """Without huggingface_hub's lines about each of its attempts; the error at the end says the same."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _line(error: BaseException) -> str:
    """The first line of what an error says; of one that wraps another, of the innermost, which names the cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip("<>")
