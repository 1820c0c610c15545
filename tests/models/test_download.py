"""Failed downloads of weights are reported in one line: what, from where, and where to put a file instead."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import timm
import torch
import torchvision

from spatempo.errors import SpatempoError
from spatempo.models import download
from spatempo.models.registry import create_model


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def hub_weights(url: str) -> SimpleNamespace:
    """A weight set like torchvision's: a name, a URL, and a download through torch.hub."""
    return SimpleNamespace(name="V1", url=url, get_state_dict=lambda **how: torch.hub.load_state_dict_from_url(url))


def refused(*_: object, **__: object) -> None:
    raise URLError(ConnectionRefusedError(111, "Connection refused"))


def test_torchvision_without_network(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "urlopen", refused)
    with pytest.raises(SpatempoError) as caught:
        create_model("tsm_mobilenet_v2", num_classes=3, pretrained="IMAGENET1K_V2")
    message = str(caught.value)
    url = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V2.url
    assert url in message
    assert str(tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]) in message
    assert "IMAGENET1K_V2" in message
    assert "Connection refused" in message
    assert "`weights=FILE`" in message
    assert "\n" not in message


def test_a_file_in_the_cache_is_read(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "net.pth"
    path.parent.mkdir(parents=True)
    torch.save({"w": torch.ones(2)}, path)
    found = download.torchvision_weights("torchvision/net", hub_weights("http://nowhere.invalid/net.pth"))
    assert found["w"].tolist() == [1, 1]


@pytest.mark.parametrize("content", [b"", b"half a file"])
def test_the_error_names_a_damaged_file_in_the_cache(monkeypatch, tmp_path, content):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub" / "checkpoints" / "net.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SpatempoError, match=r"net\.pth: damaged download .*; delete it and try again"):
        download.torchvision_weights("torchvision/net", hub_weights("http://nowhere.invalid/net.pth"))


def test_a_silent_server_times_out(monkeypatch, tmp_path, silent):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    before = socket.getdefaulttimeout()
    with pytest.raises(SpatempoError, match=r"cannot be downloaded.*timed out"):
        download.torchvision_weights("torchvision/net", hub_weights(f"{silent}/net.pth"))
    assert socket.getdefaulttimeout() == before


def hub_errors() -> list[Exception]:
    """Errors of huggingface_hub: without a network, in offline mode, and of the HTTP client that it uses."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    offline = LocalEntryNotFoundError("An error happened\nwhile trying to locate the file")
    offline.__cause__ = ConnectionRefusedError(111, "Connection refused")
    clients = [sys.modules[name] for name in ("httpx", "httpx2") if name in sys.modules]
    return [offline, OfflineModeIsEnabled("offline mode"), *(client.ReadTimeout("slow") for client in clients)]


@pytest.mark.parametrize("error", hub_errors(), ids=lambda error: type(error).__name__)
def test_timm_without_network(monkeypatch, error):
    real = timm.create_model

    def create(name, pretrained=False, **how):
        if pretrained:
            raise error
        return real(name, pretrained=False, **how)

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(SpatempoError) as caught:
        create_model("tsm", backbone="timm/mobilenetv2_050", num_classes=3, weights=True)
    message = str(caught.value)
    assert "https://huggingface.co/timm/mobilenetv2_050.lamb_in1k (model.safetensors)" in message
    assert "`weights=FILE`" in message
    assert "\n" not in message


def test_other_errors_are_not_reported_as_network_errors(monkeypatch):
    def create(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(timm, "create_model", create)
    with pytest.raises(ZeroDivisionError):
        download.timm_network("timm/mobilenetv2_050", "mobilenetv2_050")
