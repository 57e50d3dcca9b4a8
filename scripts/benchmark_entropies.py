"""Time S_1 of samples by this package and as others compute it; write JSON and the table in docs/performance.md.

    python scripts/benchmark_entropies.py                            # all cells: more than an hour
    python scripts/benchmark_entropies.py --methods ours --sizes 1000
    python scripts/benchmark_entropies.py --methods                  # only the table, from the JSON file
    python scripts/benchmark_entropies.py --coverage 200             # how often the 99 % interval holds

Each method runs alone in a process of its own, with one thread. The time is that of the processor, which other work on
the machine does not change much. Cells that were not measured stay as they are in the JSON file.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from baselines import entropies
from baselines.cases import ROOT
from baselines.process import answer

from rdae_ref import sample_entropy
from rdae_ref.experiments.claims import with_table
from rdae_ref.files import written_whole

BEGIN, END = "<!-- entropies: written by scripts/benchmark_entropies.py -->", "<!-- end of entropies -->"
SIZES = (1000, 5000, 20_000)
CASES = {"2": entropies.planar, "64": entropies.digits64}


def measure(method, N, d):
    """Return processor seconds, wall seconds and S_1 in bits, with its bounds where there are any."""
    processor, wall, *bits = answer("entropies.timed@1", CASES[d](N, function=method)).tolist()
    return {"processor": processor, "wall": wall, "bits": bits}


def coverage(repetitions, N=5000):
    """Return how often the 99 % interval of digits in 64 dimensions holds, and its half-width in per cent."""
    case = entropies.digits64(N)
    X, (exact,) = case.data(), entropies.numpy_eigvalsh(case)()
    found = np.array([
        sample_entropy(X, case.sigma, 1, confidence=0.99, rng=np.random.default_rng(seed))[:3]
        for seed in range(repetitions)
    ])  # fmt: skip
    value, lower, upper = found.T
    return {
        "N": N, "repetitions": repetitions, "exact": exact, "held": int(np.sum((lower <= exact) & (exact <= upper))),
        "widest, %": float(100 * np.max((upper - lower) / 2 / value)),
        "error, root mean square, %": float(100 * np.sqrt(np.mean((value / exact - 1) ** 2))),
        "error, largest, %": float(100 * np.max(np.abs(value / exact - 1))),
    }  # fmt: skip


def refused(method, N, d):
    """Return whether `sample_entropy` would ask for a confidence: there is no small factor of a large matrix."""
    return method == "ours" and d == "64" and N > 10_000


def reference(cells, N, d):
    """Return S_1 from all eigenvalues, or between certain bounds, or as estimated, and which."""
    for method in ("numpy_eigvalsh", "torch_eigvalsh", "ours_estimated") if d == "64" else ("ours", "numpy_eigvalsh"):
        if cell := cells.get(f"{method} {N} {d}"):
            return cell["bits"][0], method
    return None, None


def table(results):
    """Return times and errors as Markdown."""
    cells, head = results["cells"], [f"N = {N:,}, d = {d}" for d in CASES for N in SIZES]
    lines = [f"| | {' | '.join(head)} |", "|---|" + "---|" * len(head)]
    for method, name in entropies.OTHERS.items():
        row = [_cell(cells, method, N, d) for d in CASES for N in SIZES]
        if any(cell != "–" for cell in row):
            lines.append(f"| {name} | {' | '.join(row)} |")
    if found := results.get("coverage"):
        lines += ["", f"The 99 % interval at N = {found['N']}, d = 64 held in {found['held']} of "
                  f"{found['repetitions']} repetitions. It was ±{found['widest, %']:.2f} % at the widest; the largest "
                  f"error was {found['error, largest, %']:.3f} %."]  # fmt: skip
    return "\n".join(lines)


def _cell(cells, method, N, d):
    cell = cells.get(f"{method} {N} {d}")
    if cell is None:
        return "refused" if refused(method, N, d) else "–"
    exact, by = reference(cells, N, d)
    processor = cell["processor"]
    seconds = f"{processor:.0f} s" if processor > 10 else f"{processor:.2g} s"
    if exact is None:
        return seconds
    if by == method:
        value, lower, upper = (*cell["bits"], *cell["bits"] * 2)[:3]
        return f"{seconds}, {f'±{_percent((upper - lower) / 2 / value)}' if upper > lower else 'exact'}"
    error = abs(cell["bits"][0] / exact - 1)
    return f"{seconds}, {'exact' if error < 1e-9 else _percent(error)}"


def _percent(fraction):
    return f"{100 * fraction:.0f} %" if fraction > 0.01 else f"{100 * fraction:.1g} %"


def main():
    """Measure, and write after each cell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="*", choices=entropies.OTHERS, default=[*entropies.OTHERS])
    parser.add_argument("--sizes", nargs="*", type=int, choices=SIZES, default=SIZES)
    parser.add_argument("--features", nargs="*", choices=CASES, default=[*CASES])
    parser.add_argument("--coverage", type=int, default=0)
    parser.add_argument("--json", type=Path, default=ROOT / "figures" / "entropies.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    options = parser.parse_args()
    results = json.loads(options.json.read_text(encoding="utf-8")) if options.json.exists() else {"cells": {}}
    for N in options.sizes:
        for d in options.features:
            for method in options.methods:
                if refused(method, N, d):
                    continue
                cell = results["cells"][f"{method} {N} {d}"] = measure(method, N, d)
                print(f"{method}, N = {N}, d = {d}: {cell['processor']:.3g} s, {cell['bits']}", flush=True)
                _write(options, results)
    if options.coverage:
        results["coverage"] = coverage(options.coverage)
        print(results["coverage"])
    _write(options, results)


def _write(options, results):
    with written_whole(options.json) as file:
        json.dump(results, file, indent=1, ensure_ascii=False)
        file.write("\n")
    page = options.page.read_text(encoding="utf-8")
    if BEGIN in page:
        with written_whole(options.page) as file:
            file.write(with_table(page, BEGIN, END, table(results)))


if __name__ == "__main__":
    main()
