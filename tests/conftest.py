"""What every test run needs: the slow tests on demand, one BLAS thread, and a word about what was left out."""

import importlib.util

import pytest


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes, too")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


def pytest_terminal_summary(terminalreporter):
    missing = [name for name in ("torch", "jax") if importlib.util.find_spec(name) is None]
    if missing:
        terminalreporter.write_line(
            f"Not compared with {' and '.join(missing)}, not installed: scripts/test --oracles requires both."
        )
