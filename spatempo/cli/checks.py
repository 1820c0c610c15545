"""The checks of ``spatempo doctor``. Each is a small function that uses a component and reports what happened.

A finding is ``{"works": bool, "detail": str}``. A problem is ``{"component", "reason", "fix"}``. This module looks for
components that fail to import or to run, so each check lists the exceptions that mean "does not work here".
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from spatempo.cli.engine_checks import BROKEN, engines, first_line
from spatempo.errors import SpatempoError
from spatempo.version import __version__

Finding = dict[str, Any]

REQUIRED = ("timm", "av", "lightning", "torchmetrics", "safetensors", "matplotlib")
# extra -> the modules it installs; a missing extra is listed but is not a problem, since most users need none of them
EXTRAS = {
    "generate": ("skimage",),
    "codec": ("torchcodec",),
    "scores": ("pyarrow",),
    "tune": ("optuna",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "openvino": ("openvino",),
}

_SMALL_SHARED_MEMORY = 512 * 2**20  # bytes; two workers prefetching two batches of 32 clips of 8x224 fill about 600 MB
_SMALL_TEMP = 2**30  # bytes


def examine() -> dict[str, Any]:
    """Runs every check.

    Returns:
        ``spatempo, python, torch, torchvision`` (versions; None if it cannot be imported), ``packages, decoders,
        encoders, devices, engines, machine, extras`` (name -> finding) and ``problems``.
    """
    problems: list[dict[str, str]] = []
    report: dict[str, Any] = {"spatempo": __version__, "python": platform.python_version()}
    for name in ("torch", "torchvision"):
        report[name] = _version_of_import(name, problems)
    report["packages"] = {name: _package(name, problems) for name in REQUIRED}
    report["encoders"] = {"libx264": _encoder(problems)}
    report["decoders"] = _decoders(problems)
    report["devices"] = _devices(problems) if report["torch"] else {}
    report["engines"] = engines(problems)
    report["machine"] = _machine(problems)
    report["extras"] = {extra: _extra(modules) for extra, modules in EXTRAS.items()}
    report["problems"] = problems
    return report


def _version_of_import(name: str, problems: list[dict[str, str]]) -> str | None:
    """Version of the module ``name``, or None if it cannot be imported."""
    try:
        module = importlib.import_module(name)
        if name == "torchvision":
            # its compiled part, missing if it does not fit torch
            importlib.import_module("torchvision.ops").nms  # noqa: B018
        return str(module.__version__)
    except BROKEN as error:
        fix = "reinstall matching versions of both: pip install --force-reinstall torch torchvision"
        problems.append({"component": name, "reason": first_line(error), "fix": fix})
        return None


def _package(name: str, problems: list[dict[str, str]]) -> Finding:
    try:
        module = importlib.import_module(name)
        return {"works": True, "detail": str(module.__version__)}
    except BROKEN as error:
        problems.append(
            {"component": name, "reason": first_line(error), "fix": f"pip install --force-reinstall {name}"}
        )
        return {"works": False, "detail": first_line(error)}


def _extra(modules: tuple[str, ...]) -> Finding:
    """Whether an optional extra is installed. It is only listed, so it is not imported."""
    found = {name: importlib.util.find_spec(name) is not None for name in modules}
    missing = [name for name, installed in found.items() if not installed]
    return {"works": not missing, "detail": f"missing {', '.join(missing)}" if missing else ", ".join(modules)}


def _decoders(problems: list[dict[str, str]]) -> dict[str, Finding]:
    """Checks each reader of `spatempo.video.backends` by decoding a small video written for this check."""
    from spatempo.video.backends import available_backends

    decoders: dict[str, Finding] = {}
    with tempfile.TemporaryDirectory(prefix="spatempo-doctor-") as folder:
        path = Path(folder) / "probe.mp4"
        probe = _write_probe(path)
        for name, state in available_backends().items():
            works = not state.startswith("not usable")
            detail = state
            if works and probe:
                reason = _decode_probe(path, name)
                works, detail = reason is None, f"{state}: {reason}" if reason else state
            decoders[name] = {"works": works, "detail": detail}
    if not decoders.get("pyav", {"works": False})["works"]:
        detail = decoders["pyav"]["detail"] if "pyav" in decoders else "not found"
        problems.append({"component": "decoder pyav", "reason": detail, "fix": "pip install --force-reinstall av"})
    codec = decoders.get("torchcodec")
    if codec and not codec["works"] and importlib.util.find_spec("torchcodec") is not None:
        fix = "install FFmpeg's shared libraries and the torchcodec for this torch, or pip uninstall torchcodec"
        problems.append({"component": "decoder torchcodec", "reason": codec["detail"], "fix": fix})
    return decoders


def _write_probe(path: Path) -> bool:
    import numpy as np

    from spatempo.video.writer import write_video

    grey = np.linspace(0, 255, 16 * 64 * 64 * 3).astype(np.uint8).reshape(16, 64, 64, 3)
    try:
        write_video(path, grey, 25)
    except (SpatempoError, OSError, ValueError):
        return False
    return True


def _decode_probe(path: Path, backend: str) -> str | None:
    """Reason why ``backend`` cannot read the test video, or None if it can."""
    from spatempo.video.source import open_video

    try:
        with open_video(str(path), backend=backend) as video:
            frames = video.read([0, video.frames - 1])
            if video.frames != 16 or frames.shape != (2, 64, 64, 3) or not frames[0].mean() < frames[1].mean():
                return "the frames read differ from the frames written"
    except (SpatempoError, *BROKEN) as error:
        return first_line(error)
    return None


def _encoder(problems: list[dict[str, str]]) -> Finding:
    """Checks libx264 by encoding a small video. ``data make`` needs it."""
    with tempfile.TemporaryDirectory(prefix="spatempo-doctor-") as folder:
        if _write_probe(Path(folder) / "probe.mp4"):
            return {"works": True, "detail": "writes H.264"}
    fix = "install PyAV from its wheel, which includes libx264: pip install --force-reinstall --only-binary av av"
    problems.append({"component": "encoder libx264", "reason": "cannot write a small video", "fix": fix})
    return {"works": False, "detail": "cannot write a small video"}


def _devices(problems: list[dict[str, str]]) -> dict[str, Finding]:
    """Checks every device that torch finds with a convolution whose result is known."""
    import torch

    names = {"cpu": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"}
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        names[f"cuda:{index}"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.backends.mps.is_available():
        names["mps"] = "Apple GPU"
    devices: dict[str, Finding] = {}
    for device, name in names.items():
        reason = _compute(device)
        devices[device] = {"works": reason is None, "detail": name if reason is None else f"{name}: {reason}"}
        if reason is not None:
            fix = "use --device cpu, or install the torch for this driver: https://pytorch.org/get-started"
            problems.append({"component": f"device {device}", "reason": reason, "fix": fix})
    if shutil.which("nvidia-smi") and not torch.cuda.is_available():
        built = "was built without CUDA" if torch.version.cuda is None else f"(CUDA {torch.version.cuda}) cannot use it"
        fix = "install the torch for this driver: https://pytorch.org/get-started"
        problems.append(
            {"component": "device cuda", "reason": f"there is an NVIDIA driver, but torch {built}", "fix": fix}
        )
    return devices


def _compute(device: str) -> str | None:
    """Reason why ``device`` fails at a convolution (forward and backward), or None if it works.

    Four channels of ones, with 3x3 kernels of 0.25, give 4 x 9 x 0.25 = 9 in the middle.
    """
    import torch

    try:
        image = torch.ones(1, 4, 5, 5, device=device, requires_grad=True)
        kernel = torch.full((2, 4, 3, 3), 0.25, device=device)
        out = torch.nn.functional.conv2d(image, kernel, padding=1)
        out.sum().backward()
        gradient = image.grad
        if abs(out[0, 0, 2, 2].item() - 9) > 1e-3 or gradient is None or abs(gradient[0, 0, 2, 2].item() - 4.5) > 1e-3:
            return "computes wrong results"
    except (RuntimeError, NotImplementedError) as error:
        return first_line(error)
    return None


def _machine(problems: list[dict[str, str]]) -> dict[str, Finding]:
    """Checks the space for temporary files, and the shared memory that data-loading workers use."""
    findings: dict[str, Finding] = {}
    temp = tempfile.gettempdir()
    try:
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"spatempo")
        free = shutil.disk_usage(temp).free
        findings["temporary files"] = {"works": True, "detail": f"{temp}, {_size(free)} free"}
        if free < _SMALL_TEMP:
            fix = "free some space, or set TMPDIR to a folder on a larger disk"
            problems.append(
                {"component": f"temporary files in {temp}", "reason": f"only {_size(free)} free", "fix": fix}
            )
    except OSError as error:
        findings["temporary files"] = {"works": False, "detail": first_line(error)}
        fix = "set TMPDIR to a folder that can be written"
        problems.append({"component": "temporary files", "reason": first_line(error), "fix": fix})
    if sys.platform == "linux" and os.path.isdir("/dev/shm"):
        total = shutil.disk_usage("/dev/shm").total
        findings["shared memory"] = {"works": total >= _SMALL_SHARED_MEMORY, "detail": _size(total)}
        if total < _SMALL_SHARED_MEMORY:
            fix = "start the container with --shm-size=2g (or --ipc=host), or use --workers 0"
            reason = f"/dev/shm has {_size(total)}, too little for data-loading workers"
            problems.append({"component": "shared memory", "reason": reason, "fix": fix})
    return findings


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
