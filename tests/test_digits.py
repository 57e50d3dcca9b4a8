"""Digits: the files of MNIST as they come, what is fetched and what is refused."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_idx import idx

from rdae_ref.cli import main
from rdae_ref.data import digits as digits_module
from rdae_ref.data.digits import MNIST_FILES, centred, fetch_mnist, mnist, small_digits
from rdae_ref.data.idx import IDXError, read_idx

SHARED = Path(os.environ.get("RDAE_MNIST", Path(__file__).parents[2] / "shared" / "data" / "mnist"))
needs_mnist = pytest.mark.skipif(
    not (SHARED.is_dir() and any(SHARED.glob("train*-images-idx3-ubyte*"))),
    reason=f"no MNIST in {SHARED}: set RDAE_MNIST to the folder of its files",
)

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.integers(0, 256, size=(9, 5, 4)), RNG.integers(0, 10, size=9)


def files(folder, which="train", pack=bytes, images=IMAGES, labels=LABELS):
    suffix = ".gz" if pack is gzip.compress else ""
    (folder / f"{which}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(images)))
    (folder / f"{which}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(labels)))
    return folder


@pytest.mark.parametrize("which", ["train", "train20k"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_digits_are_the_first_of_the_files_scaled_to_one(which, pack, tmp_path):
    digits = mnist(files(tmp_path, which, pack), 6)
    np.testing.assert_array_equal(digits.pixels, IMAGES[:6].reshape(6, 20) / 255)
    np.testing.assert_array_equal(digits.labels, LABELS[:6])
    assert digits.shape == (5, 4)
    np.testing.assert_allclose(centred(digits).mean(axis=0), 0, atol=1e-15)
    np.testing.assert_allclose(centred(digits) + digits.pixels.mean(axis=0), digits.pixels, atol=1e-15)


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="rdae-ref fetch"):
        mnist(tmp_path)
    files(tmp_path, labels=LABELS[:8])
    with pytest.raises(IDXError, match=r"train-labels-idx1-ubyte must have the shape \(9,\), got \(8,\)"):
        mnist(tmp_path, 5)
    files(tmp_path, images=IMAGES[:, :, 0])
    with pytest.raises(IDXError, match=r"images-idx3-ubyte must have the shape \(any, any, any\), got \(9, 5\)"):
        mnist(tmp_path, 5)
    files(tmp_path)
    with pytest.raises(ValueError, match="n_samples must be at most 9, got 20000"):
        mnist(tmp_path)


@needs_mnist
def test_the_training_digits_of_mnist():
    digits = mnist(SHARED, 20_000)
    assert digits.pixels.shape == (20_000, 784)
    assert digits.shape == (28, 28)
    assert (digits.pixels.min(), digits.pixels.max()) == (0, 1)
    assert digits.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]  # as everyone knows them
    assert centred(digits).var(axis=0).sum() == pytest.approx(52.7, rel=0.01)


@needs_mnist
def test_the_test_digits_of_mnist():
    digits = mnist(SHARED, 10_000, "test")
    assert digits.pixels.shape == (10_000, 784)
    assert digits.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


@needs_mnist
def test_the_checksums_are_those_of_the_files_of_mnist():
    """The test digits, byte for byte as distributed, are at hand; their labels count about a thousand of each."""
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        if not (SHARED / name).exists():
            pytest.skip(f"no {name} in {SHARED}")
        assert hashlib.sha256((SHARED / name).read_bytes()).hexdigest() == MNIST_FILES[name]
    counts = np.bincount(read_idx(SHARED / "t10k-labels-idx1-ubyte.gz"))
    assert counts.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_the_small_digits_have_the_variance_of_mnist():
    pytest.importorskip("sklearn", reason="scikit-learn, which has the small digits, is not installed")
    digits = small_digits()
    assert digits.pixels.shape == (1797, 64)
    assert digits.pixels.var(axis=0).sum() == pytest.approx(52.7)
    assert digits.pixels.min() == 0


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"rdae_ref\[test\]"):
        small_digits()


# --------------------------------------------------------------------------------------------------------------- fetch

CONTENT = {"a.gz": b"first" * 50_000, "b.gz": b"second"}
SUMS = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "from"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / name).write_bytes(content)
    return folder


def test_files_are_fetched_from_a_folder_and_not_twice(source, tmp_path):
    there = fetch_mnist(source.as_uri(), tmp_path / "new" / "to", checksums=SUMS)
    assert [path.read_bytes() for path in there] == list(CONTENT.values())
    (source / "a.gz").unlink()
    assert fetch_mnist(source.as_uri() + "/", tmp_path / "new" / "to", checksums=SUMS) == there


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_files_are_fetched_from_a_server(source, tmp_path):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=source)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        assert (fetch_mnist(url, tmp_path / "to", checksums=SUMS)[0]).read_bytes() == CONTENT["a.gz"]
        with pytest.raises(OSError, match="404"):
            fetch_mnist(url, tmp_path / "to", checksums={"c.gz": SUMS["a.gz"]})
        server.shutdown()


def dribbling(how):
    """Return a handler of requests that sends a byte now and then, for ever."""

    class Dribbling(Quiet):
        def do_GET(self):
            if how == "body":
                self.send_response(200)
                self.send_header("Content-Length", "1000000")
                self.end_headers()
            else:
                self.wfile.write(b"HTTP/1.0 200 OK\r\nX-A: ")
            with contextlib.suppress(OSError):
                for _ in range(200):
                    self.wfile.write(b"a")
                    self.wfile.flush()
                    time.sleep(0.05)

    return Dribbling


@pytest.mark.parametrize(("how", "limit"), [("body", "WINDOW"), ("headers", "WINDOW"), ("body", "DEADLINE")])
def test_a_byte_now_and_then_does_not_keep_it_for_ever(how, limit, tmp_path, monkeypatch):
    monkeypatch.setattr(digits_module, limit, 0.5)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), dribbling(how)) as server:
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        begin = time.monotonic()
        with pytest.raises(OSError, match=r"is too slow .*try another server"):
            fetch_mnist(f"http://127.0.0.1:{server.server_port}", tmp_path, checksums=SUMS)
        assert time.monotonic() - begin < 5
        server.shutdown()
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_not_waited_for(source, tmp_path):
    (source / "a.gz").unlink()
    os.mkfifo(source / "a.gz")
    with pytest.raises(OSError, match=r"a\.gz is a pipe"):
        fetch_mnist(source.as_uri(), tmp_path / "to", checksums=SUMS)
    assert not list((tmp_path / "to").iterdir())


def test_a_wrong_checksum_is_refused_with_both_and_what_was_there_stays(source, tmp_path):
    target = tmp_path / "to"
    target.mkdir()
    (target / "b.gz").write_bytes(b"of before")
    wrong = SUMS | {"b.gz": "0" * 64}
    with pytest.raises(ValueError, match=f"{'0' * 64}, got {SUMS['b.gz']}"):
        fetch_mnist(source.as_uri(), target, checksums=wrong)
    assert (target / "b.gz").read_bytes() == b"of before"
    assert sorted(os.listdir(target)) == ["a.gz", "b.gz"]


def test_the_command_says_what_it_fetched_and_what_is_wrong(source, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("rdae_ref.data.digits.MNIST_FILES", SUMS)
    assert main(["fetch", "--from", source.as_uri(), "--to", str(tmp_path / "to")]) == 0
    assert str(tmp_path / "to" / "a.gz") in capsys.readouterr().out
    (source / "a.gz").write_bytes(b"<html>")
    assert main(["fetch", "--from", source.as_uri(), "--to", str(tmp_path / "other")]) == 2
    errors = capsys.readouterr().err
    assert SUMS["a.gz"] in errors
    assert hashlib.sha256(b"<html>").hexdigest() in errors
    assert main(["fetch", "--from", "no url", "--to", str(tmp_path / "other")]) == 2
    assert "no url" in capsys.readouterr().err
