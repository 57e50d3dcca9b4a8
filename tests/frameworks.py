"""The optional frameworks, for tests that need one."""

import os

import pytest

from rdae_ref.verify import oracles

REQUIRED = os.environ.get("RDAE_REQUIRE_ORACLES") == "1"


def needed(name):
    """Load a framework; without it, skip, or fail where it was promised: `scripts/test --oracles`."""
    try:
        return oracles.load(name)
    except ImportError as error:
        if REQUIRED:
            pytest.fail(f"RDAE_REQUIRE_ORACLES=1, but {error}")
        pytest.skip(str(error))
