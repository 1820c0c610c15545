"""Public names of the packages: each can be imported, is loaded on first use, and does not shadow a module."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

PACKAGES = ("data", "evaluation", "learning", "models", "operators", "report", "studies", "video")
HEAVY = ("torch", "torchvision", "timm", "lightning", "av", "matplotlib", "numpy")


@pytest.mark.parametrize("name", PACKAGES)
def test_public_names_of_a_package(name):
    package = importlib.import_module(f"spatempo.{name}")
    assert package.__all__
    assert set(package.__all__) == set(dir(package))
    for public in package.__all__:
        found = getattr(package, public)
        assert found is not None
        assert not inspect.ismodule(found)
    with pytest.raises(AttributeError, match="no_such_thing"):
        package.no_such_thing  # noqa: B018


@pytest.mark.parametrize("name", ["data", "evaluation", "learning", "report", "studies", "video"])
def test_no_public_name_shadows_a_module(name):
    package = importlib.import_module(f"spatempo.{name}")
    modules = {found.name for found in pkgutil.iter_modules(package.__path__)}
    assert not modules & set(package.__all__)


def test_importing_packages_imports_no_heavy_library():
    names = ", ".join(f"spatempo.{name}" for name in PACKAGES)
    code = f"import sys, {names}; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_no_file_name_is_used_in_three_packages():
    import spatempo

    folders: dict[str, list[str]] = {}
    for found in pkgutil.walk_packages(spatempo.__path__, "spatempo."):
        package, _, name = found.name.rpartition(".")
        if not found.ispkg and not package.startswith("spatempo.cli"):  # commands are named after functions
            folders.setdefault(name, []).append(package)
    assert {name: packages for name, packages in folders.items() if len(packages) > 2} == {}


@pytest.mark.parametrize("program", ["demo", "designs", "experiments"])
def test_study_programs_start(program):
    done = subprocess.run(
        [sys.executable, "-m", f"spatempo.studies.{program}", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "usage" in done.stdout
