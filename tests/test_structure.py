"""The shape of the package: which way imports point, and that a docstring says what a user's function takes."""

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

# Imports point to the left: a module may know those before it, and none behind it.
ORDER = [
    *("_version", "files", "_validation", "threads", "workers", "pytree"),
    *("activations", "paper", "numerics", "matrices", "entropy_of_samples", "autoencoder"),
    *("objective", "optimize", "gradcheck", "data", "theory", "models", "measures"),
    *("verify", "torch", "jax", "experiments"),
    *("_without_sklearn", "_pca_start", "_fit_problem", "model_report", "estimator", "model_file"),
    *("tables", "_command", "cli", "__main__"),
]
# What stands on the ground floor: the paper needs the units alone, the numerics no auto-encoder.
KNOWS_ONLY = {"paper": {"activations"}, "numerics": {"_validation", "threads", "workers", "paper", "numerics"}}
KNOWS_NO_MODEL = ("optimize", "gradcheck")

OPTIONAL = {"torch", "jax", "autograd", "mpmath", "sklearn", "tqdm", "dask", "distributed"}


def modules():
    for info in pkgutil.walk_packages([str(ROOT)], "rdae_ref."):
        if not (set(info.name.split(".")) & {"__main__", "torch", "jax", "torch_oracle", "jax_oracle"}):
            yield info.name


MODULES = sorted(modules())


def imported_modules(path):
    """Name the modules directly under rdae_ref that a file imports, wherever in the file it does."""
    package = ("rdae_ref", *path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from (".".join((*base, name)).split(".")[1] for name in names)


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts == ("__init__",):
        return
    for other in imported_modules(path):
        assert ORDER.index(other) <= ORDER.index(parts[0]), f"{'.'.join(parts)} imports {other}"
        assert other in KNOWS_ONLY.get(parts[0], {other}), f"{'.'.join(parts)} imports {other}"
        if parts[0] in KNOWS_NO_MODEL:
            assert other not in ("autoencoder", "models", "data"), f"{parts[0]} must know no model"


def test_no_two_modules_share_a_name():
    """A command of the command line is called like what it runs; otherwise a name says one thing."""
    names = [path.stem for path in ROOT.rglob("*.py") if "cli" not in path.relative_to(ROOT).parts]
    names += [path.name for path in ROOT.rglob("*") if (path / "__init__.py").exists() and path.name != "cli"]
    twice = {name for name in names if names.count(name) > 1} - {"__init__"}
    assert not twice


def test_importing_the_package_loads_neither_matplotlib_nor_anything_optional():
    code = "import sys, rdae_ref; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"matplotlib", *OPTIONAL} & set(loaded)


def defined(module):
    """List the functions, classes and methods that a module exports."""
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if not callable(thing) or not str(getattr(thing, "__module__", "")).startswith("rdae_ref"):
            continue
        yield f"{module.__name__}.{name}", thing
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                if not method.startswith("_") and inspect.isfunction(function):
                    yield f"{module.__name__}.{name}.{method}", function


# Where a user calls: there a docstring says what is taken, returned and raised. Elsewhere it is a sentence.
FOR_USERS = ("", ".data", ".gradcheck", ".measures", ".models", ".optimize", ".theory", ".verify.compare")
OF_AN_OBJECTIVE = ("value_and_gradient", "terms", "reconstruct", "with_mu", "distortion")  # documented once
PUBLIC = dict(pair for name in MODULES for pair in defined(importlib.import_module(name)))
USER = {
    name: thing
    for package in FOR_USERS
    for name, thing in defined(importlib.import_module(f"rdae_ref{package}"))
    if not hasattr(thing, "_fields")  # a record is read, not called
    and not (inspect.isfunction(thing) and thing.__doc__ is None)  # an override inherits from its protocol
    and "\n" in inspect.getdoc(thing)
}


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
def test_everything_public_has_a_docstring_whose_parameters_are_those_taken(name):
    docstring = inspect.getdoc(PUBLIC[name])
    assert docstring, f"{name} has no docstring"
    if issubclass_of(PUBLIC[name], Warning):
        return
    if "Parameters\n---" in docstring:
        assert parameters_in(docstring) == parameters_of(PUBLIC[name])


@pytest.mark.parametrize("package", FOR_USERS)
def test_what_a_user_calls_says_what_it_takes(package):
    """Functions and methods alike; what an override takes is said by its protocol."""
    module = importlib.import_module(f"rdae_ref{package}")
    for name, thing in defined(module):
        holder, _, method = name.removeprefix(f"{module.__name__}.").rpartition(".")
        if method in OF_AN_OBJECTIVE or hasattr(getattr(module, holder, None), "_fields"):
            continue
        if inspect.isfunction(thing) and parameters_of(thing):
            assert parameters_in(inspect.getdoc(thing)) == parameters_of(thing), name


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is"
    assert doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS).failed == 0


def test_every_package_is_listed_for_installation():
    config = configparser.ConfigParser()
    config.read(ROOT.parent / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    there = {".".join(("rdae_ref", *p.parent.relative_to(ROOT).parts)) for p in ROOT.rglob("__init__.py")}
    assert listed == there
