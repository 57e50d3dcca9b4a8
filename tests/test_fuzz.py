"""Every reader takes hostile files, or refuses them by ContentError; scripts/fuzz.py is the long form.

Hypothesis draws the seed of the mutations of scripts/fuzz.py, and bytes of its own.
"""

import importlib.util
import time
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rdae_ref.files import ContentError

SCRIPT = Path(__file__).parents[1] / "scripts" / "fuzz.py"
READERS = ("csv", "npy", "npz", "compare", "model", "checkpoint", "cache", "idx")


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def readers(fuzz, tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(fuzz.npz, "compare", fuzz.npz.compare)  # which the script exchanges: it is put back afterwards
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield fuzz.readers(tmp_path_factory.mktemp("seeds"))
    patch.undo()


def test_all_readers_are_fuzzed(readers):
    assert tuple(readers) == READERS


@pytest.mark.parametrize("name", READERS)
def test_the_seeds_are_valid(name, readers, tmp_path):
    for i, content in enumerate(readers[name].seeds):
        path = tmp_path / f"{i}{readers[name].ending}"
        path.write_bytes(content)
        assert readers[name].read(path) is not None


@pytest.mark.parametrize("name", READERS)
@given(seed=st.integers(0, 2**32 - 1), content=st.none() | st.binary(max_size=200))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_file_is_read_or_refused_in_bounded_memory_and_time(name, seed, content, fuzz, readers, tmp_path):
    reader, path = readers[name], tmp_path / f"input{readers[name].ending}"
    path.write_bytes(fuzz.mutated(reader, np.random.default_rng(seed)) if content is None else content)
    tracemalloc.start()
    begin = time.process_time()
    said = ""
    try:
        reader.read(path)
    except ContentError as error:
        said = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not said or path.name in said  # the message names the file
    assert peak < fuzz.MEMORY
    assert time.process_time() - begin < 30 * fuzz.SECONDS  # it does not hang, whatever else the machine does
