"""The command line: every example works as pasted, every mistake gets a sentence, and nothing is left half done."""

import errno
import gzip
import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from rdae_ref import RateDistortionAutoencoder, load_model, save_model
from rdae_ref.cli import main
from rdae_ref.cli.history import sparkline
from rdae_ref.cli.model import SETTINGS
from rdae_ref.data import gaussian
from rdae_ref.tables import read_table, write_table

README = Path(__file__).parents[1] / "README.md"
VERBS = ("check", "compare", "figures", "fit", "transform", "score", "inspect")
QUICK = ["--activation", "linear", "--sigma", "0.5", "--n-hidden", "3", "--tol", "1e-3"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Stand in a folder with data of two named columns."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "data.csv", gaussian(30, np.random.default_rng(0)), ("x1", "x2"))
    return tmp_path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    write_table(folder / "data.csv", gaussian(30, np.random.default_rng(0)), ("x1", "x2"))
    assert main(["fit", str(folder / "data.csv"), "-o", str(folder / "model.npz"), "--quiet", *QUICK]) == 0
    return folder / "model.npz"


# ------------------------------------------------------------------------------------------------------ every verb


def help_of(capsys, *verb):
    with pytest.raises(SystemExit, match="0"):
        main([*verb, "--help"])
    return capsys.readouterr().out


SLOW = ("check", "figures")  # what they do, other tests do, too


@pytest.mark.parametrize("verb", [pytest.param(v, marks=[pytest.mark.slow] if v in SLOW else []) for v in VERBS])
def test_the_example_of_each_verb_works_as_pasted(verb, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, example = help_of(capsys, verb).split("example:\n")
    commands = [shlex.split(command) for command in re.split(r"\n(?=  (?:rdae-ref|python) )", example)]
    assert ["rdae-ref", verb] in [command[:2] for command in commands]
    for program, *arguments in commands:
        if program == "rdae-ref":
            assert main(arguments) == 0
        else:
            subprocess.run([sys.executable, *arguments], check=True)
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir())


def test_the_commands_of_the_readme_work_as_pasted(capsys, monkeypatch, tmp_path):
    lines = README.read_text(encoding="utf-8").split("The same on the command line:\n")[1].splitlines()
    commands = [shlex.split(line, comments=True) for line in lines if line.startswith("    rdae-ref ")]
    monkeypatch.chdir(tmp_path)
    assert [command[1] for command in commands] == ["fit", "fit", "transform", "score", "inspect"]
    for _, *arguments in commands:
        assert main(arguments) == 0
    assert capsys.readouterr().err == ""


def test_the_help_names_every_verb_and_says_about_seeds(capsys):
    said = help_of(capsys)
    assert all(re.search(rf"\n +{verb}\s", said) for verb in VERBS)
    assert "--seed" in said
    for verb in VERBS:
        said = help_of(capsys, verb)
        assert "--quiet" in said
        assert ("--seed" in said) == (verb in ("check", "compare", "fit"))


def test_the_defaults_in_the_help_are_those_of_the_estimator():
    defaults = RateDistortionAutoencoder().get_params()
    for name, (_, what) in SETTINGS.items():
        if defaults[name] is not None:
            assert re.search(rf"\bdefault {re.escape(str(defaults[name]))}\)", what), name
    assert set(defaults) - set(SETTINGS) == {"callback", "verbose", "random_state", "standardise"}


@pytest.mark.parametrize("arguments", [["no such"], ["fit", "--seed", "-1"], ["fit"], ["transform", "m.npz"]])
def test_wrong_arguments_are_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert "usage: rdae-ref" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fti", "data.csv"], "invalid choice: 'fti': did you mean 'fit'?"),
        (["fit", "data.csv", "--n_hidden", "5"], "unrecognized arguments: --n_hidden 5: did you mean '--n-hidden'?"),
        (["fit", "--n_hidden", "5"], "unrecognized arguments: --n_hidden: did you mean '--n-hidden'?"),
        (["fit", "data.csv", "--standardize"], "--standardize: did you mean '--standardise'?"),
        (["fit", "data.csv", "--missing", "means"], "invalid choice: 'means': did you mean 'mean'?"),
        (["fit", "data.csv", "--zzz"], "unrecognized arguments: --zzz\n"),
    ],
)
def test_what_is_nearly_right_gets_a_suggestion(arguments, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert words in capsys.readouterr().err


def test_the_bare_command_shows_the_help(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out == help_of(capsys)


# ------------------------------------------------------------------------------------------ fit, transform, inspect


def test_fit_writes_the_model_of_the_estimator(here, capsys):
    assert main(["fit", "data.csv", "-o", "model.npz", "--seed", "3", "--mu", "2", *QUICK]) == 0
    said, errors = capsys.readouterr()
    assert "2 features, 3 units" in said
    assert "converged" in said
    assert re.search(r"\n  init: \S", said)  # what auto chose, and why
    assert errors == ""
    X = read_table(here / "data.csv").values
    settings = {"n_hidden": 3, "activation": "linear", "sigma": 0.5, "tol": 1e-3, "mu": 2.0, "random_state": 3}
    ours, found = RateDistortionAutoencoder(**settings).fit(X), load_model(here / "model.npz")
    assert found.get_params() == ours.get_params()
    assert np.array_equal(found.parameters_.W, ours.parameters_.W)


def test_fit_without_convergence_writes_the_model_says_so_and_is_exit_code_1(here, capsys):
    command = ["fit", "data.csv", "-o", "model.npz", "--max-iter", "1", "--sigma-xhat", "median"]
    assert main(command) == 1
    said, errors = capsys.readouterr()
    assert errors.startswith("rdae-ref: the ascent stopped before it converged")
    assert "raise max_iter, now 1" in errors
    assert errors.count("\n") == 1
    assert "did not converge" in said
    assert load_model(here / "model.npz").converged_ is False
    assert main([*command, "--quiet"]) == 1
    assert capsys.readouterr() == ("", "")


def test_the_example_data_are_those_of_figure_1_and_of_a_seed(here):
    assert main(["fit", "--example", "a.csv"]) == 0
    assert main(["fit", "--example", "b.csv", "--seed", "1"]) == 0
    table = read_table(here / "a.csv")
    assert table.columns == ("x1", "x2")
    assert np.array_equal(table.values, gaussian(100, np.random.default_rng(0)))
    assert not np.array_equal(table.values, read_table(here / "b.csv").values)


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_every_form_of_a_table_is_read_and_written(here, model_file, capsys):
    X = read_table(here / "data.csv").values
    model = load_model(model_file)
    np.save("a.npy", X)
    np.savez("a.npz", a=X, b=-X)
    np.savetxt("a.txt", X, delimiter="|")
    ways = [["data.csv"], ["a.npy"], ["a.npz", "--key", "a"], ["a.txt", "--delimiter", "|", "--no-header"]]
    for way in ways:
        for out in ("code.csv", "code.npy", "code.npz"):
            assert main(["transform", str(model_file), *way, "-o", out]) == 0
            assert f"{out}: 30 rows, 3 columns; distortion" in capsys.readouterr().out
            np.testing.assert_allclose(read_table(here / out).values, model.transform(X), rtol=1e-12)
    assert read_table(here / "code.csv").columns == ("code1", "code2", "code3")
    assert main(["transform", str(model_file), "data.csv", "-o", "xhat.csv", "--reconstruct", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    table = read_table(here / "xhat.csv")
    assert np.array_equal(table.values, model.reconstruct(X))
    assert table.columns == ("x1", "x2")


def test_inspect_says_settings_terms_and_history(here, model_file, capsys):
    model = load_model(model_file)
    assert main(["inspect", str(model_file), "--plot", "history.png"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"\n  activation +linear\n", said)
    assert f"{model.terms_.conditional_entropy:.6g}  bits" in said
    assert f"{model.terms_.distortion:.6g}" in said
    assert f"in all {model.n_iter_}" in said
    assert sparkline([entry["value"] for entry in model.history_ if entry["factor"] == 1]) in said
    assert (here / "history.png").read_bytes().startswith(b"\x89PNG")
    assert main(["inspect", str(model_file), "--quiet"]) == 0
    assert capsys.readouterr().out == ""


def test_the_history_of_a_bound_is_that_of_its_lagrangian(here, capsys):
    assert main(["fit", "data.csv", "-o", "model.npz", "--distortion", "0.5", "--quiet", *QUICK]) == 0
    assert main(["inspect", "model.npz", "--plot", "history.svg"]) == 0
    assert "the augmented Lagrangian of Eq. (14) in the last" in capsys.readouterr().out
    assert "svg" in (here / "history.svg").read_text()


def test_a_sparkline_ends_where_the_numbers_end():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([2.0]) == "▁"
    assert sparkline([1.0, 1.0]) == "▁▁"
    long = sparkline(list(range(1000)))
    assert len(long) == 60
    assert long[-1] == "█"


def test_the_names_of_the_columns_are_kept_and_checked(here, model_file, capsys):
    """Columns are taken by name, others ignored; where one of the two has no names, the order counts."""
    X = read_table(here / "data.csv").values
    assert list(load_model(model_file).feature_names_in_) == ["x1", "x2"]
    assert main(["transform", str(model_file), "data.csv", "-o", "code.csv", "--quiet"]) == 0
    Path("turned.csv").write_text("x2,class,x1\n" + "".join(f"{b!r},red,{a!r}\n" for a, b in X.tolist()))
    assert main(["transform", str(model_file), "turned.csv", "-o", "turned.npy", "--quiet"]) == 0
    assert np.array_equal(read_table("turned.npy").values, read_table("code.csv").values)
    write_table("renamed.csv", X, ("x1", "y"))
    assert main(["transform", str(model_file), "renamed.csv", "-o", "other.csv"]) == 2
    assert "renamed.csv has no column 'x2'" in capsys.readouterr().err
    assert not Path("other.csv").exists()
    write_table("unnamed.csv", X)
    assert main(["transform", str(model_file), "unnamed.csv", "-o", "other.csv", "--quiet"]) == 0
    assert Path("code.csv").read_bytes() == Path("other.csv").read_bytes()
    assert main(["inspect", str(model_file)]) == 0
    assert "\ncolumns: x1, x2\n" in capsys.readouterr().out


def test_escape_sequences_in_a_model_do_not_reach_the_terminal(here, model_file, capsys):
    model = load_model(model_file)
    model.message_ = "\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.\r\n\ud800 done"
    model.feature_names_in_ = np.array(["\x1b[1mx1", "x2"], dtype=object)
    save_model(model, "m.npz")
    assert main(["inspect", "m.npz"]) == 0
    assert main(["transform", "m.npz", "data.csv", "-o", "code.csv"]) == 2
    said, errors = capsys.readouterr()
    assert r"\x1b]0;title\x07\x1b[2J\x9b31m\u202egnp.\r\n\ud800 done" in said
    assert r"\x1b[1mx1" in said
    assert all(c.isprintable() or c == "\n" for c in said + errors)


ESCAPES = "\x1b[2J\x9b31m\u202e\r\x07"


@pytest.mark.parametrize(
    "arguments",
    [
        ["transform", "MODEL", "data.csv", "-o", f"{ESCAPES}.csv"],
        ["transform", f"{ESCAPES}.npz", "data.csv", "-o", "code.csv"],
        ["fit", f"{ESCAPES}.csv", "-o", "m.npz"],
        ["compare", "--template", f"{ESCAPES}.npz"],
        ["compare", f"{ESCAPES}.npz"],
        ["inspect", "MODEL", "--plot", ESCAPES],
        ["figures", "1", "--output", f"data.csv/{ESCAPES}"],
        ["figures", ESCAPES],
        ["fetch", "--from", f"file:///{ESCAPES}", "--to", "mnist"],
        ["fit", "data.csv", "-o", "m.npz", f"--{ESCAPES}"],
        [ESCAPES],
    ],
)
def test_escape_sequences_in_names_do_not_reach_the_terminal(arguments, here, model_file, capsys):
    with suppress(SystemExit):
        main([str(model_file) if argument == "MODEL" else argument for argument in arguments])
    said, errors = capsys.readouterr()
    assert r"\x1b[2J" in said + errors
    assert all(c.isprintable() or c == "\n" for c in said + errors)


BAD = {
    "no data": (["fit", "none.csv", "-o", "m.npz"], "there is no file none.csv"),
    "a word": (["fit", "bad.csv", "-o", "m.npz"], "bad.csv, line 3, column 2: 'x' is not a number"),
    "a report without data": (["inspect", "MODEL", "--data", "data.csv"], "give --html FILE, too"),
    "a class": (["fit", "class.csv", "-o", "m.npz"], "line 2, column 2: 'setosa' is not a number.*--drop kind"),
    "no folder": (["fit", "none.csv", "-o", "no/m.npz"], "there is no folder"),
    "a folder": (["fit", "data.csv", "-o", "."], "is a folder"),
    "a setting": (["fit", "data.csv", "-o", "m.npz", "--mu", "-1"], "mu must be a finite number, 0 or above"),
    "a solver": (["fit", "data.csv", "-o", "m.npz", "--solver", "adam"], "solver must be one of"),
    "a kernel": (["fit", "data.csv", "-o", "m.npz", "--sigma", "mean"], "sigma must be one of 'median', got 'mean'"),
    "too large a step": (
        ["fit", "data.csv", "-o", "m.npz", "--solver", "ascent", "--step-size", "1e300"],
        "diverged",
    ),
    "too large a trade-off": (["fit", "data.csv", "-o", "m.npz", "--mu", "1e300"], "diverged"),
    "a model's form": (["fit", "data.csv", "-o", "m.csv"], "m.csv must end in .npz"),
    "a key of no npz": (["fit", "data.csv", "-o", "m.npz", "--key", "a"], "a key is for npz files"),
    "a device": (["fit", "data.csv", "-o", "pipe.npz"], "pipe.npz is a pipe or device"),
    "an example's report": (["compare", "--template", "t.npz", "--json", "t.json"], "no report"),
    "figures in a file": (["figures", "1", "--output", "data.csv"], "data.csv is not a folder"),
    "no workers": (["figures", "1", "--output", "drawn", "--workers", "0"], "workers must be at least 1"),
    "no page": (["figures", "1", "--claims", "none.md"], "there is no page none.md"),
    "one row": (["fit", "one.csv", "-o", "m.npz"], "minimum of 2"),
    "example's form": (["fit", "--example", "m.txt"], "must end in .csv"),
    "data as output": (["fit", "data.csv", "-o", "data.csv"], "data.csv is the file to read"),
    "data as codes": (["transform", "MODEL", "data.csv", "-o", "./data.csv"], "data.csv is the file to read"),
    "no model": (["transform", "none.npz", "data.csv", "-o", "m.csv"], "there is no file none.npz"),
    "data for a model": (["transform", "data.csv", "data.csv", "-o", "m.csv"], "data.csv is not an npz file"),
    "output's form": (["transform", "MODEL", "data.csv", "-o", "m.txt"], "must end in .csv, .tsv, .npy or .npz"),
    "other columns": (["transform", "MODEL", "one.csv", "-o", "m.csv"], "one.csv has 3 columns, and the model was"),
    "plot's form": (["inspect", "MODEL", "--plot", "m.gif"], "must end in .png, .svg or .pdf"),
    "inspected data": (["inspect", "data.csv"], "data.csv is not an npz file"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_gets_one_sentence_and_leaves_no_file(case, here, model_file, capsys):
    arguments, words = BAD[case]
    Path("bad.csv").write_text("a,b\n1,2\n3,x\n")
    Path("one.csv").write_text("1,2,3\n")
    Path("class.csv").write_text("a,kind\n1,setosa\n2,virginica\n")
    os.mkfifo("pipe.npz")
    before = sorted(os.listdir())
    assert main([str(model_file) if argument == "MODEL" else argument for argument in arguments]) == 2
    said, errors = capsys.readouterr()
    assert re.fullmatch(r"(\w+\.csv: \d+ rows?, \d+ columns?, .*\n)?", said)  # what was read is told at once
    assert errors.startswith("rdae-ref: ")
    assert re.search(words if ".*" in words else re.escape(words), errors)
    assert sorted(os.listdir()) == before


def test_a_folder_that_takes_no_files_is_told_before_the_work(here, capsys, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("rdae_ref.cli.common.tempfile.TemporaryFile", refuse)
    assert main(["fit", "none.csv", "-o", "m.npz"]) == 2
    assert "m.npz cannot be written: Permission denied in its folder" in capsys.readouterr().err


def test_oracles_without_their_judge_are_told_before_the_work(capsys, monkeypatch):
    monkeypatch.setattr("rdae_ref.cli.check.has_mpmath", lambda: False)
    monkeypatch.setattr("rdae_ref.cli.check.equation_check", lambda seed: pytest.fail("began"))
    assert main(["check", "--oracles"]) == 2
    assert "--oracles needs mpmath" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------- processes and terminals


BEGUN = "import sys, rdae_ref.estimator; from rdae_ref.cli import main; print('begun', flush=True); sys.exit(main())"


def test_ctrl_c_ends_a_fit_with_a_sentence_and_the_best_model_so_far(tmp_path):
    write_table(tmp_path / "data.csv", gaussian(300, np.random.default_rng(0)))
    options = ["--solver", "ascent", "--step-size", "1e-9", "--max-iter", "1000000", "--init", "random"]
    command = [sys.executable, "-u", "-c", BEGUN, "fit", "data.csv", "-o", "model.npz", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, text=True, cwd=tmp_path, start_new_session=True)
    assert process.stdout.readline() == "begun\n"
    assert process.stdout.readline() == "data.csv: 300 rows, 2 columns, no header, delimiter ','\n"
    time.sleep(1)  # the fit begins
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=300)
    assert (process.returncode, said) == (130, "")
    assert re.fullmatch(r"rdae-ref: interrupted after \d+ iterations; the best model so far is in model.npz\n", errors)
    assert sorted(os.listdir(tmp_path)) == ["data.csv", "model.npz"]
    model = load_model(tmp_path / "model.npz")
    assert model.converged_ is False
    assert 0 < model.n_iter_ < 10**6


FIT = "fit data.csv -o fitted.npz --activation linear --sigma 0.5 --n-hidden 3"
WORK = {  # each with its exit code, and the file that it leaves
    "done": (f"{FIT} --tol 1e-3", 0, "fitted.npz"),
    "failed": (f"{FIT} --max-iter 1 --init random", 1, "fitted.npz"),
    "refused": ("fit none.csv -o fitted.npz", 2, None),
    "template": ("compare --template example.npz", 0, "example.npz"),
}


STREAMS = (">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "| true", "| head -c 1", "2>&1 | true")


@pytest.mark.parametrize(
    ("work", "streams"),
    [
        *((work, streams) for work in ("refused", "template") for streams in STREAMS),
        ("done", "<&- >&- 2>&-"),
        ("done", "2>&1 | true"),
        ("failed", ">&- 2>&-"),
        ("failed", "| true"),
    ],
)
def test_closed_streams_and_readers_that_leave_change_neither_work_nor_exit_code(work, streams, here):
    arguments, code, file = WORK[work]
    line = f'"{sys.executable}" -m rdae_ref {arguments} {streams}; exit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    if file:
        with np.load(here / file) as archive:  # whole, and nothing was printed into it
            assert all(archive[name] is not None for name in archive.files)
    assert sorted(os.listdir(here)) == sorted(["data.csv", *([file] if file else [])])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("work", ["--help", "--version", "fit --help", "figures --list", "compare --template t.npz"])
def test_words_that_are_the_work_and_are_lost_are_exit_code_2(work, here):
    line = f'"{sys.executable}" -m rdae_ref {work} > /dev/full'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "rdae-ref: the output could not be written: [Errno 28] No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_output_that_is_lost_on_a_full_disk_is_told(here):
    line = f'"{sys.executable}" -m rdae_ref {FIT} --tol 1e-3 > /dev/full'
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.endswith("rdae-ref: the output could not be written: [Errno 28] No space left on device\n")
    assert load_model(here / "fitted.npz").converged_


STARTS = [["-m", "rdae_ref"], [shutil.which("rdae-ref", path=Path(sys.executable).parent)]]


@pytest.mark.parametrize("start", STARTS)
def test_ctrl_c_during_the_imports_is_exit_code_130_without_a_traceback(start, tmp_path):
    if None in start:
        pytest.skip("rdae-ref is not installed")
    slow = tmp_path / "scipy.py"  # takes the place of SciPy, so that the signal comes while it is imported
    slow.write_text("import time; print('importing', flush=True); time.sleep(60)")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[1]}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, *start, "--version"]
    process = subprocess.Popen(command, **pipes, text=True, env=environment, start_new_session=True)
    assert process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=300)
    assert (process.returncode, said, errors) == (130, "", "")


KILL = "import atexit, os, signal, time\ndef kill(pid=os.getpid(), kill=os.kill): kill(pid, 2)\n"
MOMENTS = {  # what takes the place of scikit-learn and sends Ctrl-C, with the exit code
    "the exec of a text": ("exec('kill(); time.sleep(60)')", 130),  # after which Python ends by the signal itself
    "the end of the interpreter": ("atexit.register(kill); raise ImportError", 0),
    "the very end": (
        "class Last:\n    __del__ = lambda _, kill=kill: kill()\nos.last = Last()\nraise ImportError",
        0,
    ),
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("start", STARTS)
def test_ctrl_c_at_any_moment_leaves_the_exit_code_of_the_work_or_130(moment, start, here):
    text, code = MOMENTS[moment]
    (here / "sklearn").mkdir()
    (here / "sklearn" / "__init__.py").write_text(KILL + text)
    environment = os.environ | {"PYTHONPATH": f"{here}:{Path(__file__).parents[1]}"}
    command = [sys.executable, *start, *FIT.split(), "--quiet", "--tol", "1e-3"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert (here / "fitted.npz").exists() == (code == 0)


def test_a_library_keeps_its_own_ctrl_c():
    code = "import signal, rdae_ref; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_a_terminal_without_greek_gets_the_rest(model_file, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main(["inspect", str(model_file)]) == 0
    assert b"conditional entropy" in written.getvalue()


def on_a_terminal(*arguments, **variables):
    """Run the command on a terminal of 80 columns, and return the exit code and what it shows."""
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "rdae_ref", *arguments]
    process = subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment | variables)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the end of a terminal
        while piece := os.read(ours, 1 << 16):
            shown += piece
    os.close(ours)
    return process.wait(), shown.decode().replace("\r\n", "\n")


def test_a_fit_on_a_terminal_writes_a_line_for_each_stage(here):
    code, shown = on_a_terminal("fit", "data.csv", *QUICK, "--init", "continuation")
    assert code == 0
    lines = [line.split("\r")[-1] for line in shown.splitlines() if "stage" in line]
    found = [re.match(r"stage (\d+)  mu ([\d.]+)  iteration (\d+)  L \S+  D [\d.]+", line) for line in lines]
    assert [(int(line[1]), float(line[2])) for line in found] == [(i + 1, 1.5 * 2 ** (6 - i)) for i in range(7)]
    assert int(found[-1][3]) == load_model(here / "data.model.npz").n_iter_
    assert all(len(line) < 80 for line in lines)
    code, shown = on_a_terminal("fit", "data.csv", *QUICK, "--quiet")
    assert (code, shown) == (0, "")


def test_colour_is_for_terminals_and_not_with_no_color(here):
    code, shown = on_a_terminal("fit", "none.csv")
    assert (code, shown) == (2, "\x1b[31mrdae-ref:\x1b[0m there is no file none.csv\n")
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert on_a_terminal("fit", "none.csv", **variables) == (2, "rdae-ref: there is no file none.csv\n")
    command = [sys.executable, "-m", "rdae_ref", "fit", "none.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == "rdae-ref: there is no file none.csv\n"


# --------------------------------------------------------------------------------------------------------- real tables


def test_a_model_without_a_name_is_kept_beside_the_data(here, capsys):
    Path("d").mkdir()
    for given, kept in (
        ("data.csv", "data.model.npz"),
        ("d/a.b.csv.gz", "d/a.b.model.npz"),
        ("d/A.NPY", "d/A.model.npz"),
    ):
        X = read_table("data.csv").values
        if given.endswith("gz"):
            Path(given).write_bytes(gzip.compress(Path("data.csv").read_bytes()))
        elif given.endswith("NPY"):
            with open(given, "wb") as file:
                np.save(file, X)
        assert main(["fit", given, *QUICK]) == 0
        assert capsys.readouterr().out.endswith(f"{kept}: the model\n")
        assert load_model(kept).n_features_in_ == 2


def test_a_table_with_classes_and_an_index_from_the_first_refusal_to_the_energies(here, capsys):
    from sklearn.datasets import load_wine

    wine = load_wine()
    numbers, kinds = wine.data.tolist(), [f"kind {k}" for k in wine.target]
    rows = [",".join([str(i), *map(repr, numbers[i]), kinds[i]]) for i in range(len(numbers))]
    Path("wine.csv").write_text("\n".join([",".join(["", *wine.feature_names, "class"]), *rows]))
    assert main(["fit", "wine.csv"]) == 2
    said = capsys.readouterr().err
    assert "wine.csv, line 2, column 15: 'kind 0' is not a number; " in said
    flags = re.search(r"--drop class", said)[0].split()
    command = ["fit", "wine.csv", *flags, "--max-iter", "3", "--n-hidden", "2"]
    assert main(command) == 1
    said, errors = capsys.readouterr()
    assert "wine.csv: 178 rows, 14 columns of 15, header, delimiter ','\n" in said
    assert "wine.csv: column 1 has no name and counts 0, 1, 2, ...: if it is an index, pass --index\n" in errors
    assert "column 'proline' varies 2.53e+03 times as much as column 'nonflavanoid_phenols'" in errors
    assert "pass --standardise" in errors
    assert main([*command, "--index", "--standardise"]) == 1
    said, errors = capsys.readouterr()
    assert "178 rows, 13 columns of 15" in said
    assert "index" not in errors + said
    assert "times as much" not in errors
    model = load_model("wine.model.npz")
    assert list(model.feature_names_in_) == wine.feature_names
    assert main(["score", "wine.model.npz", "wine.csv", "-o", "energy.csv"]) == 0
    assert "energy.csv: 178 rows; energy mean " in capsys.readouterr().out
    energy = read_table("energy.csv")
    assert energy.columns == ("energy",)
    del model.feature_names_in_
    np.testing.assert_allclose(energy.values[:, 0], -model.score_samples(wine.data), rtol=1e-12)
    assert main(["transform", "wine.model.npz", "wine.csv", "-o", "xhat.csv", "--reconstruct", "--quiet"]) == 0
    np.testing.assert_allclose(read_table("xhat.csv").values, model.reconstruct(wine.data), rtol=1e-12)
    assert main(["score", "wine.model.npz", "data.csv", "-o", "energy.csv"]) == 2
    assert "data.csv has no column 'alcohol'" in capsys.readouterr().err


def test_inspect_says_share_rate_collapse_and_why_it_ended_in_words(here, model_file, capsys):
    model = load_model(model_file)
    assert main(["inspect", str(model_file), "--html", "report.html", "--data", "data.csv"]) == 0
    said = capsys.readouterr().out
    assert f"{model.terms_.distortion / model.variance_:.4g}  of the variance" in said
    assert f"{model.input_entropy_ - model.terms_.conditional_entropy:.6g}  bits, what the outputs reveal" in said
    assert re.search(r"collapse +no ", said)
    assert re.search(r"converged: (no element of the gradient exceeds|L no longer increases)", said)
    assert not re.search("CONVERGENCE|PGTOL|FACTR", said)
    assert "init: " in said
    assert "<html" in Path("report.html").read_text(encoding="utf-8")
