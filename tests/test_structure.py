"""The shape of the package: which way imports point, and that every public docstring says what its function takes."""

import ast
import configparser
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rdae_ref

ROOT = Path(rdae_ref.__file__).parent

# Imports point to the left: a room may know those before it, and none behind it.
ORDER = [
    *("_version", "files", "_validation", "workers", "pytree"),
    *("activations", "paper", "gram", "numerics", "entropy", "autoencoder", "conditional"),
    *("objective", "optimize", "gradcheck", "data", "theory", "models", "measures"),
    *("verify", "torch", "jax", "experiments"),
    *("_without_sklearn", "estimator", "model_file", "tables", "cli", "__main__"),
]
KNOWS_NO_MODEL = ("optimize", "gradcheck")

OPTIONAL = {"torch", "jax", "autograd", "mpmath", "sklearn", "tqdm", "dask", "distributed", "threadpoolctl"}


def modules():
    for info in pkgutil.walk_packages([str(ROOT)], "rdae_ref."):
        if not (set(info.name.split(".")) & {"__main__", "torch", "jax", "torch_oracle", "jax_oracle"}):
            yield info.name


MODULES = sorted(modules())


def room(name):
    return name.split(".")[1]


def imported_rooms(path):
    """Name the rooms that a file imports, wherever in the file it does."""
    package = ("rdae_ref", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (".".join((*base, name)) for name in names)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts == ("__init__",):
        return
    for imported in imported_rooms(path):
        other = room(imported)
        assert ORDER.index(other) <= ORDER.index(parts[0]), f"{'.'.join(parts)} imports {imported}"
        if parts[0] in KNOWS_NO_MODEL:
            assert other not in ("autoencoder", "models", "data"), f"{parts[0]} must know no model"


def test_importing_the_package_loads_neither_matplotlib_nor_anything_optional():
    code = "import sys, rdae_ref; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", *OPTIONAL} & set(loaded)


def documented(module):
    """List the public functions, classes and methods that a module defines."""
    if module.__name__.endswith("._validation"):
        return  # one idiom, explained at its top
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if getattr(thing, "__module__", None) != module.__name__ or not callable(thing):
            continue
        yield f"{module.__name__}.{name}", thing
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{module.__name__}.{name}.{method}", function


PUBLIC = dict(pair for name in MODULES for pair in documented(importlib.import_module(name)))


def parameters_in(docstring):
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", docstring, re.DOTALL | re.MULTILINE)
    if section is None:
        return []
    names = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) :", section[1], re.MULTILINE)
    return [name.lstrip("*") for names_ in names for name in names_.split(", ")]


def parameters_of(thing):
    if issubclass_of(thing, Exception):
        thing = thing.__init__
    if issubclass_of(thing, Warning) or getattr(thing, "_is_protocol", False):
        return []
    names = [name for name in inspect.signature(thing).parameters if name != "self"]
    return [] if names == ["args", "kwargs"] else names


def issubclass_of(thing, base):
    return inspect.isclass(thing) and issubclass(thing, base)


@pytest.mark.parametrize("name", PUBLIC)
def test_documented_parameters_are_those_taken(name):
    docstring = inspect.getdoc(PUBLIC[name])
    assert docstring, f"{name} has no docstring"
    if issubclass_of(PUBLIC[name], Warning):
        return
    assert parameters_in(docstring) == parameters_of(PUBLIC[name])


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).failed == 0


EQUATIONS = {
    1: "theory.optimal_manifold",
    2: "theory.blahut_arimoto",
    4: "theory.gaussian_rate_distortion",
    9: "distortion",
    10: "renyi_entropy",
    11: "normalize_gram",
    12: "joint_entropy",
    13: "conditional_entropy",
    14: "maximize_at_distortion",
    15: "renyi_entropy_gradient",
    16: "product_entropy_gradient",
    17: "entropy_gradients",
    18: "entropy_gradients",
    19: "entropy_gradients",
    20: "entropy_gradients",
    21: "distortion_gradients",
    22: "distortion_gradients",
    23: "distortion_gradients",
    24: "distortion_gradients",
    25: "RateDistortion",
    26: "data.gaussian",
    27: "data.mixture",
}


@pytest.mark.parametrize("number", EQUATIONS)
def test_each_equation_is_named_by_the_function_that_is_it(number):
    *path, name = EQUATIONS[number].split(".")
    room_ = importlib.import_module(".".join(("rdae_ref", *path)))
    assert f"({number})" in inspect.getdoc(getattr(room_, name))


def test_every_package_is_listed_for_installation():
    config = configparser.ConfigParser()
    config.read(ROOT.parent / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    there = {".".join(("rdae_ref", *p.parent.relative_to(ROOT).parts)) for p in ROOT.rglob("__init__.py")}
    assert listed == there
