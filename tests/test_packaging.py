"""What `pip install .` gives to somebody without a copy of the repository: wheel, sdist, data, command."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import rdae_ref

ROOT = Path(__file__).parents[1]
NOT_COPIED = (".*", "_build", "_api", "build", "dist", "*.egg-info", "__pycache__", "figures")
FILL = """
import numpy as np, rdae_ref
content = dict(np.load("mine.npz"))
settings = {name: float(content[name]) for name in ("alpha", "mu", "sigma_x", "sigma_xhat")}
objective = rdae_ref.RateDistortion(content["X"], activation=str(content["activation"]), **settings)
np.savez("mine.npz", **content, value=objective.value_and_gradient(tuple(content[name] for name in "WcAb"))[0])
"""
BUILD_SDIST = "import setuptools.build_meta as backend, sys; print(backend.build_sdist(sys.argv[1]))"

pytestmark = pytest.mark.slow


def run(*command, cwd, **environment):
    """Run a command elsewhere, so that nothing comes from the repository by chance."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(python, *arguments, cwd):
    return run(python, "-m", "pip", "--disable-pip-version-check", "-q", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a copy of the repository: a build leaves folders behind."""
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("copy") / "source", ignore=shutil.ignore_patterns(*NOT_COPIED))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def wheel(source, elsewhere):
    pip(sys.executable, "wheel", "--no-deps", "-w", elsewhere / "wheel", source, cwd=elsewhere)
    return next((elsewhere / "wheel").glob("*.whl"))


@pytest.fixture(scope="module")
def python(elsewhere):
    """Return the Python of a fresh environment that borrows NumPy, SciPy and Matplotlib from this one."""
    run(sys.executable, "-m", "venv", elsewhere / "venv", cwd=elsewhere)
    python = elsewhere / "venv" / "bin" / "python"
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=elsewhere).strip())
    # A path in a .pth file comes last, and .pth files in it, such as that of an editable install, are not read.
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return python


def package_files():
    """List what the installed package must hold."""
    kinds = ("*.py", "*.json", "py.typed", "vectors/README.md")
    package = ROOT / "rdae_ref"
    return {f"rdae_ref/{path.relative_to(package)}" for kind in kinds for path in package.rglob(kind)}


def test_the_wheel_holds_every_module_the_vectors_and_the_mark_of_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"rdae_ref/py.typed", "rdae_ref/verify/vectors/README.md"} < package_files() <= names
    assert sum(name.startswith("rdae_ref/verify/vectors/") and name.endswith(".json") for name in names) >= 5
    assert not any(name.startswith(("tests", "docs", "figures")) for name in names)
    assert wheel.stat().st_size < 1.5e6


def test_the_wheel_installs_and_its_command_runs(wheel, python, elsewhere):
    pip(python, "install", "--no-deps", wheel, cwd=elsewhere)
    used = "import rdae_ref.verify.vectors as vectors; vectors.load(vectors.names()[0]); print(vectors.__file__)"
    said = run(python, "-c", used, cwd=elsewhere)
    assert Path(said.strip()).is_relative_to(elsewhere / "venv")
    command = python.parent / "rdae-ref"
    assert run(command, "--version", cwd=elsewhere).strip() == rdae_ref.__version__
    assert "Mixture data" in run(command, "figures", "--list", cwd=elsewhere)
    run(command, "compare", "--template", "mine.npz", cwd=elsewhere)
    run(command, "check", "--quiet", cwd=elsewhere)


def test_the_readme_works_as_pasted_once_installed(wheel, python, tmp_path):
    """Its Python, then its commands in order; what the user's code does with the template is done in between."""
    pip(python, "install", "--no-deps", "--force-reinstall", wheel, cwd=tmp_path)
    options = ("-o", "ELLIPSIS", "-o", "NORMALIZE_WHITESPACE")
    run(python, "-m", "doctest", *options, ROOT / "README.md", cwd=tmp_path)
    commands = re.findall(r"^    (rdae-ref .*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        program, *arguments = shlex.split(command, comments=True)
        run(python.parent / program, *arguments, cwd=tmp_path)
        if "--template" in arguments:
            run(python, "-c", FILL, cwd=tmp_path)


def test_the_source_distribution_makes_the_same_wheel(source, wheel, python, elsewhere):
    pip(python, "install", "setuptools >= 77", cwd=elsewhere)
    name = run(python, "-c", BUILD_SDIST, elsewhere, cwd=source).splitlines()[-1]
    with tarfile.open(elsewhere / name) as archive:
        inside = {member.split("/", 1)[-1] for member in archive.getnames()}
    assert {"README.md", "LICENSE", "CITATION.cff", "setup.cfg", "pyproject.toml"} <= inside
    assert not any(path.startswith("tests") for path in inside)
    pip(sys.executable, "wheel", "--no-deps", "-w", elsewhere / "from-sdist", elsewhere / name, cwd=elsewhere)
    again = next((elsewhere / "from-sdist").glob("*.whl"))
    assert set(zipfile.ZipFile(again).namelist()) == set(zipfile.ZipFile(wheel).namelist())
