"""Weights that torchvision and timm download; download errors become one line that suggests a fix."""

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

TIMEOUT = 30.0  # seconds without a response; torch.hub itself would wait forever


def torchvision_weights(source: str, weights: WeightsEnum) -> dict[str, Tensor]:
    """Returns the state dict of a torchvision weight set, from its cache or the network.

    Args:
        source: ``torchvision/NAME``, for error messages.

    Raises:
        SpatempoError: the download failed; the message gives the address, and where to put the file instead.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with _download_errors(f"weights {weights.name} of {source}", weights.url, f"put the file at {file}, or "):
            return dict(weights.get_state_dict(progress=True))
    except (RuntimeError, EOFError, UnpicklingError) as error:
        raise SpatempoError(f"{file}: damaged download ({_cause(error)}); delete it and try again") from error
    finally:
        socket.setdefaulttimeout(before)


def timm_network(source: str, name: str) -> Any:
    """Returns timm's network `name` (``NAME`` or ``NAME.TAG``) with weights from its cache or the network.

    Args:
        source: ``timm/NAME``, for error messages.

    Raises:
        SpatempoError: the download failed; the message gives the repository and the file.
    """
    import timm  # slow import

    config = timm.models.get_pretrained_cfg(name)
    if config is None:
        address = "timm's default address"
    elif config.hf_hub_id:
        address = f"https://huggingface.co/{config.hf_hub_id} ({config.hf_hub_filename or 'model.safetensors'})"
    else:
        address = str(config.url)
    with _download_errors(f"weights of {source.partition('/')[0]}/{name}", address, ""), _quiet():
        return timm.create_model(name, pretrained=True)


@contextmanager
def _download_errors(what: str, address: str, fix: str) -> Iterator[None]:
    """Turns network errors (and errors of writing the file) into one line."""
    try:
        yield
    except _network_errors() as error:
        raise SpatempoError(
            f"{what}: cannot be downloaded from {address} ({_cause(error)}); check the network, or {fix}give a file "
            "that was downloaded elsewhere (`weights=FILE`)"
        ) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """Network exceptions: those of urllib, requests and huggingface_hub are OSErrors, those of httpx are not."""
    clients = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return (OSError, http.client.HTTPException, *(client.HTTPError for client in clients))


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides huggingface_hub's log lines for each attempt, which only repeat the final error."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _cause(error: BaseException) -> str:
    """The first line of an error message, taken from the innermost error, which names the cause."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip("<>")
