"""Loads weights of image networks and of other video code: strict about keys and shapes, and without pickle."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from spatempo.errors import SpatempoError
from spatempo.inputs.spec import IMAGENET_MEAN, IMAGENET_STD
from spatempo.models.design import DESIGNS
from spatempo.models.download import timm_network, torchvision_weights
from spatempo.models.first_conv import fit_first_conv
from spatempo.models.layout import WeightLayout
from spatempo.models.layouts import own
from spatempo.models.video_model import VideoModel
from spatempo.models.wiring import check_wiring, checkpoint_note, model_operators
from spatempo.operators.base import ReplacingOperator, TemporalOperator

Channels = tuple[float, ...]


def load_pretrained(
    model: VideoModel, source: str | bool, *, mean: Channels | None = None, std: Channels | None = None
) -> None:
    """Loads weights into a new model and sets the mean and standard deviation that they expect.

    The classifier is loaded only if its number of classes is that of the model. All other weights must match the model
    exactly: no missing and no unknown keys.

    Args:
        model: the model.
        source: a file (of other code, or a spatempo checkpoint), or the name of a weight set of the backbone's library
            (``True``: its default).
        mean, std: of the input, for values in 0..1. Without them, those of the checkpoint or of a ``.json`` file next
            to the weights are used, else those of the design (ImageNet's for image networks).

    Raises:
        SpatempoError: the file cannot be read or does not fit; the message names the keys.
    """
    checkpoint = None
    if isinstance(source, str) and _is_path(source):
        file = own.find_file(source)
        weights, (found_mean, found_std) = read_weights(file), _sidecar(file)
        checkpoint = own.header(file)
    else:
        weights, (found_mean, found_std) = _download(model.weights_source, source)
    if checkpoint is not None and found_mean is None and found_std is None:
        found_mean, found_std = tuple(checkpoint.preprocess["mean"]), tuple(checkpoint.preprocess["std"])
    model.weights = str(source)
    weights = model.adapt_weights(weights)
    layout = find_layout(model, weights, str(source))
    if layout and layout.check:
        layout.check(weights, model)
    if layout and layout.statistics:
        model.preprocess = model.preprocess.with_statistics(*layout.statistics)
    notes = [_fit(model, weights, layout, str(source))]
    after_loading = DESIGNS[model.design].after_loading
    if after_loading is not None:
        after_loading(model, layout.name if layout else "", checkpoint.options if checkpoint else {})
    notes.append(layout.note(weights, model) if layout and layout.note else None)
    notes.append(checkpoint_note(model, checkpoint) if checkpoint else None)
    for note in filter(None, notes):
        warnings.warn(f"{source}: {note}", stacklevel=3)
    if mean is None and std is None and found_mean is None and found_std is None:
        spec = model.preprocess
        imagenet = spec.kind.statistics(IMAGENET_MEAN, IMAGENET_STD)
        default = "ImageNet's" if (spec.mean, spec.std) == imagenet else f"those of {model.design}"
        warnings.warn(f"{source}: no mean and std given or found next to it; {default} are used", stacklevel=3)
    model.preprocess = model.preprocess.with_statistics(mean or found_mean, std or found_std)


def find_layout(model: VideoModel, weights: dict[str, Tensor], source: str) -> WeightLayout | None:
    """The layout of a weight file; ``None`` for the keys of an image network.

    The layouts of the model's design are tried first, then those of all designs, so that a file of another design is
    recognised and rejected because of its operators.

    Raises:
        SpatempoError: the file matches two layouts; the message names both.
    """
    layouts_of_all = (layout for design in DESIGNS.values() for layout in design.layouts)
    others = dict.fromkeys(layout for layout in layouts_of_all if not layout.image)
    for layouts in ((own.LAYOUT, *DESIGNS[model.design].layouts), others):
        fitting = [layout for layout in layouts if layout.matches(weights)]
        if len(fitting) > 1:
            both = " and ".join(repr(layout.name) for layout in fitting)
            raise SpatempoError(f"{source}: its keys match two layouts of weight files, {both}; they must match one")
        if fitting:
            return fitting[0]
    return None


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Reads the tensors of a weight file by name: safetensors, or torch's format if it contains only tensors.

    Raises:
        SpatempoError: the file is missing or damaged, or reading it would run code.
    """
    path = Path(path)
    if not path.is_file():
        raise SpatempoError(f"{path}: no such weight file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise SpatempoError(
            f"{path}: contains more than tensors, so reading it would run code; save its state_dict as safetensors"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise SpatempoError(f"{path}: not a weight file, or damaged ({_first_line(error)})") from error
    for key in ("state_dict", "model", "model_state", "net"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict) or not content or not all(isinstance(v, Tensor) for v in content.values()):
        raise SpatempoError(f"{path}: contains no state_dict (names and tensors); save the model's state_dict")
    return content


def _fit(model: VideoModel, weights: dict[str, Tensor], layout: WeightLayout | None, source: str) -> str | None:
    """Loads the weights; returns a warning about their operators, if there is one."""
    operators = layout.operators(weights) if layout and layout.operators else None
    if layout is not None:
        weights = layout.convert(weights, model)
    else:  # keys of an image network
        weights = {
            f"backbone.{k.removeprefix('module.')}": v
            for k, v in weights.items()
            if not k.removeprefix("module.").startswith(model.removed)
        }
    weights = fit_first_conv(model, weights)
    head = {k for k in weights if k.startswith("head.")}
    shapes = _image_shapes(model) if layout is None else {k: tuple(v.shape) for k, v in model.state_dict().items()}
    if any(k not in shapes or shapes[k] != weights[k].shape for k in head):
        weights = {k: v for k, v in weights.items() if k not in head}
        head = set()
    missing = [k for k in shapes if k not in weights and (head or not k.startswith("head."))]
    missing = [k for k in missing if not k.endswith("num_batches_tracked")]  # absent in files from before torch 0.4.1
    unexpected = [k for k in weights if k not in shapes]
    misshaped = [k for k in weights if k in shapes and shapes[k] != weights[k].shape]
    wrong = {"lacks {n} {w}": missing, "has {n} unknown {w}": unexpected, "has {n} {w} with a wrong shape": misshaped}
    note = None
    if operators is not None:
        # First make sure that it is the same image network; only then can its operators be compared.
        at = tuple(f"backbone.{name}." for name in {**operators, **model_operators(model)})
        _refuse(model, source, {name: [k for k in keys if not k.startswith(at)] for name, keys in wrong.items()})
        note = check_wiring(model, operators, source)
    _refuse(model, source, wrong)
    model.load_state_dict(_convert_replaced(model, weights) if layout is None else weights, strict=False)
    return note


def _refuse(model: VideoModel, source: str, wrong: dict[str, list[str]]) -> None:
    """Raises an error for the first problem that has keys; ``wrong`` maps templates of problems to keys."""
    for problem, keys in wrong.items():
        if keys:
            some = ", ".join(k.removeprefix("backbone.") for k in keys[:3]) + (", ..." if len(keys) > 3 else "")
            found = problem.format(n=len(keys), w="weight" if len(keys) == 1 else "weights")
            raise SpatempoError(
                f"{source}: does not fit {model.name}: it {found} ({some}); is it a file of another network?"
            )


def _image_shapes(model: VideoModel) -> dict[str, tuple[int, ...]]:
    """Names and shapes that image weights must have: those of the model before operators were placed.

    A replacing operator contributes the names and shapes of the module that it replaced. Parameters of other operators
    and of the tail have no image weights and keep their initialisation.
    """
    shapes = {k: tuple(v.shape) for k, v in model.state_dict().items() if not k.startswith("tail.")}
    for name, module in model.named_modules():
        if isinstance(module, TemporalOperator):
            for key in module.state_dict():
                shapes.pop(f"{name}.{key}", None)
        if isinstance(module, ReplacingOperator):
            shapes |= {f"{name}.{key}": tuple(shape) for key, shape in module.image_shapes.items()}
    return shapes


def _convert_replaced(model: VideoModel, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Converts the image weights of replaced modules to the weights of the operators that replace them."""
    weights = dict(weights)
    for name, module in model.named_modules():
        if isinstance(module, ReplacingOperator):
            replaced = {key: weights.pop(f"{name}.{key}") for key in module.image_shapes if f"{name}.{key}" in weights}
            weights.update({f"{name}.{key}": value for key, value in module.image_weights(replaced).items()})
    return weights


def _is_path(source: str) -> bool:
    return "/" in source or "\\" in source or Path(source).suffix in (".pth", ".pt", ".tar", ".safetensors", ".bin")


def _sidecar(path: Path) -> tuple[Channels | None, Channels | None]:
    """``mean`` and ``std`` from the ``.json`` file next to a weight file, if there is one."""
    sidecar = path.with_suffix(".json")
    if not sidecar.is_file():
        return None, None
    try:
        facts = json.loads(sidecar.read_text(encoding="utf-8"))
        return _three(facts.get("mean")), _three(facts.get("std"))
    except (ValueError, AttributeError, TypeError) as error:
        raise SpatempoError(f"{sidecar}: mean and std must be three numbers each ({_first_line(error)})") from error


def _three(values: Any) -> Channels | None:
    if values is None:
        return None
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def _download(source: str, weight_set: str | bool) -> tuple[dict[str, Tensor], tuple[Channels | None, Channels | None]]:
    library, _, name = source.partition("/")
    if library == "torchvision":
        import torchvision.models as tv  # slower to import than torch

        try:
            weights = tv.get_model_weights(name)["DEFAULT" if weight_set is True else str(weight_set)]
        except KeyError as error:
            known = ", ".join(w.name for w in tv.get_model_weights(name))
            raise SpatempoError(f"{source} has no weight set {weight_set!r}; it has {known}, or give a file") from error
        transforms = weights.transforms()
        return torchvision_weights(source, weights), (_three(transforms.mean), _three(transforms.std))
    if library == "timm":
        import timm

        tags = [n.partition(".")[2] for n in timm.list_pretrained(f"{name}.*")]
        if weight_set is not True and weight_set not in tags:
            raise SpatempoError(f"{source} has no weight set {weight_set!r}; it has {', '.join(tags)}, or give a file")
        net = timm_network(source, name if weight_set is True else f"{name}.{weight_set}")
        config: dict[str, Any] = net.pretrained_cfg  # pyright: ignore[reportAssignmentType]
        return net.state_dict(), (_three(config["mean"]), _three(config["std"]))
    raise SpatempoError(f"{source} has no published weights; give a file")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
