"""Time this package against PyTorch, JAX and the unavoidable operations; write table, JSON and figure.

    python scripts/benchmark.py                  # all rows, an hour or more; needs the extra [oracles]
    python scripts/benchmark.py --rows 1 4       # some of them; the others stay as they are in the JSON file
    python scripts/benchmark.py --rows 1 --as-started  # with the threads that a session has if nothing is set
    python scripts/benchmark.py --rows           # none: only the table and the figure, from the JSON file

Two baselines run in one process each, with the same number of threads, and take turns: one waits while the other is
timed. A time is the median over the turns, a ratio is one of medians. Use an idle machine.
"""

import argparse
import json
import os
import platform
from dataclasses import asdict, replace
from datetime import date
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy
from baselines import entropies
from baselines.cases import BEST, DIGITS, MNIST, ROOT, SMALL_DIGITS, Case, FigureCase, FitCase, VAECase
from baselines.process import answer, peak_memory, take_turns

import rdae_ref
from rdae_ref.experiments.claims import with_table
from rdae_ref.experiments.output import COLOURS, paper_style, write_figure
from rdae_ref.files import written_whole
from rdae_ref.workers import cores

BEGIN, END = "<!-- performance: written by scripts/benchmark.py -->", "<!-- end of performance -->"
PACKAGES = ("numpy", "scipy", "torch", "jax")
SAME = 1e-6  # gradients that differ by more, relative to the largest element, are not of the same objective
GB = 1e9

# Rows. Each takes whether it is quick, and the threads; it yields dictionaries: the case, the quantity, what was
# measured, its goal, and times where there are any.


def exact(quick, threads):
    """Row 1: the exact path."""
    for N in (30,) if quick else (200, 500, 1000, 2000):
        for rival in ("pytorch.gradient", "jax.gradient"):
            yield against(rival, Case(N, quick=quick), threads, 0.85 if N == 200 else 0.75)


def exact_floor(quick, threads):
    """Row 2: the exact path, over its two eigendecompositions."""
    for N in (30,) if quick else (200, 500, 1000, 2000):
        yield against("floor.eigh", Case(N, quick=quick), threads, 1.15 if N >= 1000 else None)


def low_rank(quick, threads):
    """Row 3: the low-rank path, and whether its gradient is the exact one."""
    goals = {60: 0} if quick else {1000: 0.65, 2000: 0.40, 4000: 0.07}
    for N, goal in goals.items():
        case = Case(N, method="low-rank", quick=quick)
        yield against("pytorch.gradient", case, threads, goal)
        cases = (case, Case(N, quick=quick))
        error = difference(*(answer(f"ours.gradient@{threads}", one) for one in cases))
        yield {"case": case, "quantity": "gradient, off the exact one by", "measured": error, "goal": 1e-9}
    yield against("floor.eigh", case, threads, 0.15)


def order_two(quick, threads):
    """Row 4: α = 2, without eigenvalues, against PyTorch's Frobenius norm."""
    goals = {600: 0} if quick else {500: None, 1000: None, 2000: 0.33, 4000: 0.15}
    for N, goal in goals.items():
        case = Case(N, alpha=2, quick=quick)
        yield against("pytorch.gradient", case, threads, goal)
    for N in tuple(goals)[-2:]:
        yield lighter_than("pytorch.gradient", Case(N, alpha=2, quick=quick), threads, 0.5)


def low_rank_tiles(quick, threads):
    """Row 5: the low-rank path where an N × N matrix is too large."""
    *sizes, largest = (60, 120, 240) if quick else (2000, 3000, 5000, 10_000, 20_000)
    alone = [on_its_own(Case(N, method="low-rank", quick=quick), threads) for N in (*sizes, largest)]
    yield from alone
    yield growth(alone[:-1], 2.2)
    yield memory(alone[-1]["case"], threads, 4)


def digits_at_once(quick, threads):
    """Row 6: α = 2 with all digits in one batch, over the matrix products that it needs."""
    case = Case(200 if quick else 20_000, alpha=2, quick=quick, **DIGITS)
    yield against("floor.products", case, threads, 2)
    yield memory(case, threads, 1.5)


def figures(quick, threads):
    """Row 7: Figures 1–3 from data to numbers, one seed; N = 200 in Figure 1, 200 and then 500 in the others."""
    goals = {"1": 0.8, "2": None, "3": None}
    found = [against("pytorch.figure", FigureCase(name, quick), threads, goals[name], "figure") for name in goals]
    yield from found
    ours, theirs = ({"who": f"{who}.figure@{threads}", "median": sum(item[side]["median"] for item in found)}
                    for side, who in (("ours", "ours"), ("theirs", "pytorch")))  # fmt: skip
    case, goal = FigureCase("1, 2 and 3", quick), 0.55
    yield {"case": case, "quantity": "time over", "measured": ours["median"] / theirs["median"], "goal": goal,
           "ours": ours, "theirs": theirs}  # fmt: skip


def epoch(quick, threads):
    """Row 8: one epoch of Figure 4 in batches of digits, and one batch, this also over two eigendecompositions."""
    case = Case(120, batch=40, quick=True, **DIGITS) if quick else Case(20_000, batch=500, **DIGITS)
    yield against("pytorch.epoch", case, threads, 0.6, "epoch")
    batch = replace(case, N=case.batch, batch=0)
    yield against("pytorch.gradient", batch, threads, None)
    yield against("floor.eigh", batch, threads, None)


def processes(quick, threads):
    """Row 9: tiles and batches in as many processes as there are cores, over one process."""
    for case, function in (
        (Case(120 if quick else 20_000, alpha=2, quick=quick, **DIGITS), "gradient"),
        (Case(120 if quick else 20_000, batch=40 if quick else 500, quick=quick, **DIGITS), "batches"),
    ):
        found = against(f"ours.{function}", case, threads, None, f"{function}_together")
        del found["processor"]  # that of the processes is not in it
        yield found | {"quantity": f"time of {cores()} processes over"}


def best_of_others(quick, threads):
    """Row 10: as a user's session starts, over the best of PyTorch, with its threads and with one, and JAX."""
    rivals = (f"pytorch.gradient@{threads}", "pytorch.gradient@1", f"jax.gradient@{threads}")
    for N, goal in ({30: 0} if quick else {200: 0.75, 500: 0.75, 1000: 0.70, 2000: 0.45}).items():
        yield against(rivals, Case(N, method="auto", quick=quick), threads, goal)


def large(quick, threads):
    """Rows 11 and 12: a hundred thousand samples, and how the time grows."""
    sizes = (240, 480) if quick else (20_000, 50_000, 100_000)
    alone = [on_its_own(Case(N, method="low-rank", quick=quick), threads) for N in sizes]
    case, goals = alone[-1]["case"], (None, None, 160)
    yield from ({**found, "goal": goal} for found, goal in zip(alone[-3:], goals[-len(alone) :], strict=True))
    yield growth(alone, 1.6)
    yield memory(case, threads, 3)
    bound = float(answer(f"ours.error_bound@{threads}", case)[0])
    yield {"case": case, "quantity": "bound on the error of L, bits", "measured": bound, "goal": 1e-6}


def many_features(quick, threads):
    """Row 14: digits of 64 pixels, whose Gram matrices have full rank, also over two eigendecompositions."""
    for N in (30,) if quick else (1000, 2000, 4000):
        case = Case(N, method="auto", quick=quick, **SMALL_DIGITS)
        yield against("pytorch.gradient", case, threads, 0.6)
        yield against("floor.eigh", case, threads, None)


def vae(quick, threads):
    """Row 19: steps of the beta-VAE on binarised digits, with the same parameters at the end."""
    case = VAECase(200, (16,), 4, 50, 3, quick=True) if quick else VAECase()
    for number in dict.fromkeys((threads, "1")):
        yield against("pytorch.vae", case, number, 1.0, "vae")


def fits(quick, threads):
    """Row 16: the estimator with its defaults, and how much its L is below the best known."""
    for (table, best), goal in zip(BEST.items(), (8, 12, 12), strict=True):
        case = FitCase(table, quick)
        (ours,), _ = take_turns(case, f"ours.fit@{threads}")
        yield {"case": case, "quantity": "time, s", "measured": ours["median"], "goal": goal, "ours": ours}
        below = best - float(answer(f"ours.fit_value@{threads}", case)[0])
        quantity = "L below the best known, in max(1, \\|L\\|)"
        yield {"case": case, "quantity": quantity, "measured": max(0.0, below / max(1, abs(best))), "goal": 0.02}


ROWS = {  # and the threads that they are for
    1: (exact, "1"), 2: (exact_floor, "1"), 3: (low_rank, "1"), 4: (order_two, "1"), 5: (low_rank_tiles, "1"),
    6: (digits_at_once, "1"), 7: (figures, "1"), 8: (epoch, "1"), 9: (processes, "1"), 10: (best_of_others, "started"),
    11: (large, "started"), 13: (entropies.certified, "started"), 14: (many_features, "started"),
    15: (entropies.estimated, "started"), 16: (fits, "started"), 17: (entropies.streamed, "started"),
    19: (vae, "started"),
}  # fmt: skip


# What the rows are made of.


def against(rivals, case, threads, goal, function="gradient"):
    """Time this package over the fastest of its rivals, and make sure that those with a gradient have the same."""
    rivals = (f"{rivals}@{threads}",) if isinstance(rivals, str) else rivals
    (ours, *others), (gradient, *gradients) = take_turns(case, f"ours.{function}@{threads}", *rivals)
    theirs = min(others, key=lambda side: side["median"])
    found = {"case": case, "quantity": "time over", "measured": ours["median"] / theirs["median"], "goal": goal}
    found["processor"] = ours["processor"] / theirs["processor"]  # not moved by other work on the machine
    if function == "figure":  # 10 000 steps apart, rounding has led elsewhere; what remains is how many there were
        found["evaluations"] = [int(counts.sum()) for counts in (gradient, *gradients)]
    elif not rivals[0].startswith("floor"):
        found["difference"] = max(difference(gradient, one) for one in gradients)
        if not found["difference"] < SAME:
            raise ArithmeticError(f"a gradient of {' or '.join(rivals)} differs by {found['difference']:.1e} in {case}")
    return found | {"ours": ours, "theirs": theirs}


def on_its_own(case, threads):
    """Time this package alone."""
    (ours,), _ = take_turns(case, f"ours.gradient@{threads}")
    return {"case": case, "quantity": "time, s", "measured": ours["median"], "goal": None, "ours": ours}


def growth(found, goal):
    """Return the exponent of the time over the sizes of some timings."""
    sizes = [one["case"].N for one in found]
    quantity = f"exponent of the time, N = {sizes[0]} to {sizes[-1]}"
    law = exponent(sizes, [one["measured"] for one in found])
    return {"case": found[-1]["case"], "quantity": quantity, "measured": law, "goal": goal}


def memory(case, threads, goal):
    """Take the peak memory of this package."""
    peak = peak_memory(f"ours.gradient@{threads}", case) / GB
    return {"case": case, "quantity": "peak memory, GB", "measured": peak, "goal": goal}


def lighter_than(rival, case, threads, goal):
    """Take the peak memory of this package over that of a rival."""
    names = (f"ours.gradient@{threads}", f"{rival}@{threads}")
    ours, theirs = ({"who": who, "GB": peak_memory(who, case) / GB} for who in names)
    found = {"case": case, "quantity": "peak memory over", "measured": ours["GB"] / theirs["GB"], "goal": goal}
    return found | {"ours": ours, "theirs": theirs}


def difference(found, reference):
    """Return the largest difference of two gradients, relative to the largest element."""
    return float(np.abs(found - reference).max() / np.abs(reference).max())


def exponent(sizes, seconds):
    """Return the k of seconds ∝ N^k, by least squares of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def measure(row, quick, as_started):
    """Run a row; print, and return as JSON can hold it, what it found."""
    function, threads = ROWS[row]
    threads = "started" if as_started else threads
    for found in function(quick, threads):
        goal = None if quick else found["goal"]
        measured = float(found["measured"])
        met = None if goal is None else measured <= goal
        changed = {"case": asdict(found["case"]), "measured": measured, "goal": goal, "met": met}
        entry = {"row": row, "threads": threads} | found | changed | {"date": date.today().isoformat()}
        print(table_line(entry), flush=True)
        yield entry


# What is written.

COLUMNS = ("row", "threads", "case", "measured", "this package", "other", "value", "goal", "met")
HEADING = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"
THREADS = {"1": "1", "started": "as started"}
OTHERS = {
    "pytorch.gradient": "PyTorch",
    "pytorch.figure": "PyTorch",
    "pytorch.epoch": "PyTorch",
    "pytorch.vae": "PyTorch",
    "jax.gradient": "JAX",
    "ours.gradient": "one",
    "ours.batches": "one",
    "floor.eigh": "two `eigh`",
    "floor.products": "the products",
}


def table_line(entry):
    """Return one line of the table."""
    other = ""
    if "theirs" in entry:
        who, _, threads = entry["theirs"]["who"].partition("@")
        other = OTHERS[who] + ("" if threads == entry["threads"] else f" with {threads} thread")
    goal = "" if entry["goal"] is None else f"≤ {entry['goal']:g}"
    met = {True: "yes", False: "**no**", None: ""}[entry["met"]]
    sides = (amount(entry.get(side)) for side in ("ours", "theirs"))
    quantity = f"{entry['quantity']} {other}".strip()
    row = str(entry["row"]), THREADS[entry["threads"]], sizes(entry["case"])
    cells = (*row, quantity, *sides, f"{entry['measured']:.3g}", goal, met)
    return f"| {' | '.join(cells)} |"


def amount(side):
    """Return a time or a memory, with its unit."""
    if side is None:
        return ""
    if "GB" in side:
        return f"{1000 * side['GB']:.3g} MB" if side["GB"] < 1 else f"{side['GB']:.3g} GB"
    return f"{1000 * side['median']:.3g} ms" if side["median"] < 1 else f"{side['median']:.3g} s"


def sizes(case):
    """Return what is computed, in short."""
    if "figure" in case:
        return f"Figure {case['figure']}, one seed"
    if "hidden" in case:
        network = "–".join(map(str, (784, *case["hidden"], case["n_latents"])))
        return f"beta-VAE, {case['n_steps']} steps of {case['batch']} digits, {network}"
    if "table" in case:
        return f"fit of {case['table']}"
    if case["method"] == "S":
        return f"S, N = {case['N']}, d = {case['d']}, α = {case['alpha']:g}"
    units = f"d = {case['d']}, p = {case['p']} {case['activation']}"
    path = "" if case["alpha"] == 2 else f", {case['method']}"
    batches = f" in batches of {case['batch']}" if case["batch"] else ""
    return f"N = {case['N']}{batches}, {units}, α = {case['alpha']:g}{path}"


def performance_table(results):
    """Return all results as a Markdown table, below it where they come from."""
    setting, days = results["setting"], sorted({entry["date"] for entry in results["rows"]})
    versions = (f"{name} {version}" for name, version in setting["versions"].items())
    run = " to ".join(dict.fromkeys((days[0], days[-1]))), f"{setting['cores']} cores", setting["machine"]
    source = f"Measured {', '.join((*run, *versions))}; digits: {setting['digits']}."
    return "\n".join([HEADING, *map(table_line, results["rows"]), "", source])


def with_performance(page, results):
    """Return a Markdown page with its table of performance replaced."""
    if results["setting"]["quick"]:
        raise ValueError("a quick run measures nothing: run scripts/benchmark.py without --quick")
    return with_table(page, BEGIN, END, performance_table(results))


SERIES = {  # name: side, baseline, rows, colour, marker; a dashed line is another package
    "exact": ("ours", "ours.gradient", (1, 2), "blue", "o-"),
    "low-rank": ("ours", "ours.gradient", (3, 5), "green", "o-"),
    "auto": ("ours", "ours.gradient", (10, 11), "green", "o-"),
    "α = 2": ("ours", "ours.gradient", (4,), "purple", "o-"),
    "PyTorch": ("theirs", "pytorch.gradient", (1, 3, 10), "vermilion", "s--"),
    "JAX": ("theirs", "jax.gradient", (1,), "orange", "s--"),
    "PyTorch, α = 2": ("theirs", "pytorch.gradient", (4,), "sky", "s--"),
    "two eigh": ("theirs", "floor.eigh", (2, 3), "grey", "^:"),
}
TICKS = (200, 1000, 5000, 20_000, 100_000)
FITTED_FROM = 500  # below, calls and not arithmetic take the time


def draw(results):
    """Draw time over N, with fitted exponents."""
    from matplotlib.figure import Figure  # noqa: PLC0415  # only drawing needs it

    settings = {"1": "one thread", "started": "as started"}
    measured = [
        threads
        for threads in settings
        if any(times(results, side, f"{who}@{threads}", rows) for side, who, rows, *_ in SERIES.values())
    ]
    with paper_style():
        figure = Figure(figsize=(4.5 * max(len(measured), 1), 3.6), layout="constrained")
        panels = figure.subplots(1, max(len(measured), 1), sharex=True, sharey=True, squeeze=False)[0]
        for axes, threads in zip(panels, measured, strict=False):
            draw_panel(axes, results, threads)
            axes.set(title=settings[threads], xlabel="samples $N$ ($d$ = 2, $p$ = 10)")
        panels[0].set(ylabel="value and gradient, seconds")
    return figure


def draw_panel(axes, results, threads):
    """Draw all series measured with some threads."""
    for name, (side, who, rows, colour, style) in SERIES.items():
        seconds = times(results, side, f"{who}@{threads}", rows)
        if not seconds:
            continue
        fitted = {N: t for N, t in seconds.items() if N >= FITTED_FROM}
        law = f", $N^{{{exponent(list(fitted), list(fitted.values())):.2f}}}$" if len(fitted) > 1 else ""
        axes.loglog(seconds.keys(), seconds.values(), style, ms=3.5, color=COLOURS[colour], label=name + law)
    axes.set_xticks(TICKS, map(str, TICKS))
    axes.set_xticks([], minor=True)
    if axes.lines:
        axes.legend(title=f"growth fitted from N = {FITTED_FROM}", fontsize=7)


def times(results, side, who, rows):
    """Return median seconds by N; the mean over rows that have measured the same."""
    found = {}
    for entry in results["rows"]:
        if entry["row"] in rows and entry.get(side, {}).get("who") == who and "median" in entry[side]:
            found.setdefault(entry["case"]["N"], []).append(entry[side]["median"])
    return {N: float(np.mean(found[N])) for N in sorted(found)}


def setting(options):
    """Return what all results of a file have in common."""
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "versions": versions(),
        "digits": "MNIST" if MNIST.exists() else "random numbers",
        "quick": options.quick,
    }


def versions():
    """Return the versions of all that a time depends on."""
    packages = {name: metadata.version(name) for name in PACKAGES if find_spec(name)}
    blas = {library: library.show_config("dicts")["Build Dependencies"]["blas"] for library in (np, scipy)}
    return (
        {"rdae_ref": rdae_ref.__version__}
        | packages
        | {f"{library.__name__}'s {found['name']}": found["version"] for library, found in blas.items()}
        | {"Python": platform.python_version()}
    )


def arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", choices=ROWS, default=[*ROWS], help="default: all")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to test the script; writes no table")
    parser.add_argument("--as-started", action="store_true", help="run the one-thread rows with default threads")
    parser.add_argument("--json", type=Path, help="results (figures/benchmark.json; with --quick: none)")
    parser.add_argument("--figure", type=Path, help="folder of the figure (figures; with --quick: none)")
    parser.add_argument("--page", type=Path, help="page that has the table (docs/performance.md; with --quick: none)")
    options = parser.parse_args()
    if not options.quick:
        options.json = options.json or ROOT / "figures" / "benchmark.json"
        options.figure = options.figure or ROOT / "figures"
        options.page = options.page or ROOT / "docs" / "performance.md"
    return options


def main():
    """Measure, and write after each row, so that nothing is lost."""
    options = arguments()
    results = {"setting": setting(options), "rows": []}
    if options.json and options.json.exists():
        before = json.loads(options.json.read_text(encoding="utf-8"))
        if not options.rows or before["setting"] == results["setting"]:  # rows of other versions are no part of a table
            results = before
    print(HEADING)
    for row in options.rows:
        found = list(measure(row, options.quick, options.as_started))
        measured = row, found[0]["threads"]
        others = [entry for entry in results["rows"] if (entry["row"], entry["threads"]) != measured]
        results["rows"] = sorted([*others, *found], key=lambda entry: (entry["row"], entry["threads"]))
        if options.json:
            with written_whole(options.json) as file:
                json.dump(results, file, indent=1, ensure_ascii=False)
                file.write("\n")
    if options.figure:
        write_figure(draw(results), options.figure, "benchmark")
    if options.page:
        page = with_performance(options.page.read_text(encoding="utf-8"), results)
        with written_whole(options.page) as file:
            file.write(page)


if __name__ == "__main__":
    main()
