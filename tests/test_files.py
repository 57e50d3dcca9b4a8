"""Files: read whole or refused in bounded memory and time, written whole or not at all."""

import io
import math
import os
import re
import socket
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rdae_ref import load_model
from rdae_ref.data.digits import fetch_mnist, mnist
from rdae_ref.data.idx import read_idx
from rdae_ref.experiments import runs
from rdae_ref.files import HOST, ContentError, open_file, parse_json, printable, read_npy, read_npz, written_whole
from rdae_ref.optimize.checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from rdae_ref.tables import read_table, write_table
from rdae_ref.verify.compare import compare_file, write_template

# ------------------------------------------------------------------------------------------------------------- writing


def test_a_file_is_whole_or_not_there(tmp_path):
    path = tmp_path / "a.txt"
    with written_whole(path) as file:
        file.write("first π\n")
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "first π\n"
    with pytest.raises(KeyboardInterrupt):
        _break_off(path)
    assert path.read_text(encoding="utf-8") == "first π\n"
    assert os.listdir(tmp_path) == ["a.txt"]


def _break_off(path):
    with written_whole(path) as file:
        file.write("half")
        raise KeyboardInterrupt


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def write(path, content=b"new", **options):
    with written_whole(path, "wb", **options) as file:
        file.write(content)


def test_bytes_and_the_usual_permissions(tmp_path):
    path = tmp_path / "b.bin"
    write(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    (tmp_path / "plain").touch()
    assert mode(path) == mode(tmp_path / "plain")


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o755, 0o666, 0o200])
def test_a_file_that_is_replaced_passes_on_its_mode_and_nobody_sees_more_before(kept, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(kept)
    with written_whole(path) as file:
        assert mode(Path(file.name if isinstance(file.name, str) else f"/proc/self/fd/{file.name}")) & ~0o600 == 0
        file.write("new")
    assert (path.read_text(), mode(path)) == ("new", kept)


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o002])
def test_the_umask_holds_and_is_never_changed(umask, tmp_path, monkeypatch):
    before = os.umask(umask)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda _: pytest.fail("the umask of all threads was changed"))
            write(tmp_path / "new")
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o666 & ~umask


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_a_write_protected_file_is_not_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o444)
    with pytest.raises(PermissionError, match="is write-protected"):
        write(tmp_path / "a")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"), written_whole(tmp_path / "nowhere" / "c.txt"):
        pass


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="name a file"), written_whole(path):
            pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.parametrize("there", [True, False], ids=["there", "dangling"])
def test_a_link_stays_one_and_its_target_is_written(there, tmp_path):
    (tmp_path / "there").mkdir()
    target = tmp_path / "there" / "a.txt"
    if there:
        target.write_text("old")
        target.chmod(0o600)
    (tmp_path / "link").symlink_to(target)
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert target.read_bytes() == b"new"
    assert not there or mode(target) == 0o600
    assert sorted(os.listdir(tmp_path)) == ["link", "there"]
    assert os.listdir(tmp_path / "there") == ["a.txt"]


def test_a_link_that_is_not_to_be_followed_is_replaced(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    write(tmp_path / "link", follow=False)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "precious").read_text() == "mine"


def test_ctrl_c_just_after_the_renaming_is_ctrl_c_and_the_file_is_there(tmp_path, monkeypatch):
    def replace(*arguments, of_os=os.replace):
        of_os(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(KeyboardInterrupt) as caught:
        write(tmp_path / "a")
    assert caught.value.__context__ is None
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


LEFTOVER = f".rdae_ref-{HOST}-0023456789abcdef.part"


def test_the_next_write_removes_what_a_killed_writer_left_and_nothing_else(tmp_path):
    (tmp_path / LEFTOVER).write_text("half")
    others = [".rdae_ref-xyz.part", f"{LEFTOVER}.txt", LEFTOVER[1:], LEFTOVER.replace("-00", "-01")]
    for name in others[:3]:
        (tmp_path / name).write_text("mine")
    os.mkfifo(tmp_path / others[3])
    (tmp_path / LEFTOVER.replace("-00", "-02")).symlink_to(tmp_path / others[0])
    write(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == sorted(["a", LEFTOVER.replace("-00", "-02"), *others])


@pytest.mark.parametrize("kept", [0, 0o200])
def test_a_leftover_that_nobody_can_open_is_removed_too(kept, tmp_path, monkeypatch):
    (tmp_path / LEFTOVER).touch(kept)
    monkeypatch.setattr("rdae_ref.files.open_file", _refuse)  # as for a user other than root
    write(tmp_path / "a")
    assert os.listdir(tmp_path) == ["a"]


def _refuse(path, **_):
    raise PermissionError(13, "Permission denied", path)


def test_what_a_writer_is_at_work_on_can_always_be_opened(tmp_path, monkeypatch):
    """So that its lock can be seen, whatever the mode of the file that it replaces."""
    seen = []

    def replace(source, target, of_os=os.replace):
        seen.append(mode(source))
        of_os(source, target)

    (tmp_path / "a").touch(0o200)
    monkeypatch.setattr(os, "replace", replace)
    write(tmp_path / "a")
    assert seen == [0o600]
    assert mode(tmp_path / "a") == 0o200


FULL = """
import resource, signal, sys
import numpy as np
from rdae_ref.files import written_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    with written_whole("a", "wb") as file:
        {}
except OSError as error:
    sys.exit(str(error))
"""


WRITES = ("file.write(bytes(10**6))", "file.write(bytes(6000))", "np.save(file, np.ones(10**5))")


@pytest.mark.parametrize("how", WRITES)
def test_a_disk_that_takes_no_more_is_told_with_the_name_of_the_file(how, tmp_path):
    """Be it that a write fails, the last flush, or a write of NumPy's, which says neither why nor where."""
    (tmp_path / "a").write_text("old")
    command = [sys.executable, "-c", FULL.format(how)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert re.fullmatch(r"\S*/a cannot be written: .*\n", done.stderr), done.stderr
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "old"


@pytest.mark.parametrize("name", ["", "a\0b.npz"])
def test_a_name_that_no_file_can_have_is_refused_by_every_reader_and_writer(name):
    X = np.ones((2, 2))
    state = Checkpoint("0", *np.ones((4, 1)), np.random.PCG64(0).state)
    for use in (
        *(read_npy, read_npz, read_table, read_idx, read_checkpoint, load_model, compare_file, mnist, write_template),
        *(lambda path: write_table(path, X), lambda path: write_checkpoint(path, state)),
        *(lambda path: fetch_mnist("file:///", path), lambda path: runs.run_all(str, [], folder=path)),
    ):
        with pytest.raises(ValueError, match=r"the name of a file or a folder, without a null byte, got '|must end in"):
            use(name)


def test_what_another_machine_left_is_removed_after_a_day(tmp_path):
    """Its writer may be at work, and its lock not be seen here."""
    other = tmp_path / LEFTOVER.replace(HOST, f"{int(HOST, 16) ^ 1:08x}")
    other.write_text("half")
    write(tmp_path / "a")
    assert other.exists()
    os.utime(other, (0, time.time() - 100_000))
    write(tmp_path / "a")
    assert not other.exists()


def test_a_writer_that_lives_is_not_taken_for_a_killed_one(tmp_path):
    with written_whole(tmp_path / "slow", "wb") as slow:
        slow.write(b"first half, ")
        write(tmp_path / "fast")
        with written_whole(tmp_path / "slow", "wb") as other:  # two writers of one name: the last one stays
            other.write(b"other")
        slow.write(b"second half")
    assert (tmp_path / "slow").read_bytes() == b"first half, second half"
    assert sorted(os.listdir(tmp_path)) == ["fast", "slow"]


def test_a_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Another writer takes it for a leftover in the moment between its creation and its lock."""
    import fcntl

    removed = []

    def flock(descriptor, how, of_fcntl=fcntl.flock):
        if not removed:
            removed.extend(tmp_path.glob(".rdae_ref-*"))
            removed[0].unlink()
        of_fcntl(descriptor, how)

    monkeypatch.setattr("rdae_ref.files.fcntl.flock", flock)
    write(tmp_path / "a")
    assert removed
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_long_name_leaves_room_for_the_temporary_one(tmp_path):
    write(tmp_path / ("n" * 255))
    assert os.listdir(tmp_path) == ["n" * 255]


# ------------------------------------------------------------------------------------------------------------- reading

READERS = {
    "csv": (read_table, "f.csv"),
    "npy": (read_table, "f.npy"),
    "npz": (read_table, "f.npz"),
    "compare": (compare_file, "f.npz"),
    "model": (load_model, "f.npz"),
    "checkpoint": (read_checkpoint, "f.npz"),
    "cache": (lambda path: runs._read(path, "0" * 32), "f.npz"),
    "idx": (read_idx, "f.gz"),
}


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(path))


NO_FILES = {
    "a pipe": os.mkfifo,
    "a folder": os.mkdir,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", NO_FILES)
def test_what_is_no_file_is_refused_at_once(kind, reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    read, name = READERS[reader]
    NO_FILES[kind](Path(name))
    kinds = "a link" if reader == "cache" and kind == "a device" else kind
    begin = time.monotonic()
    with pytest.raises((OSError, CheckpointError), match=f"{name} is {kinds}: name a file"):
        read(Path(name))
    assert time.monotonic() - begin < 60  # it does not hang


def test_a_file_that_is_exchanged_for_a_pipe_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "f")
    monkeypatch.setattr(os, "stat", lambda *_, **__: os.lstat(__file__))
    with pytest.raises(OSError, match="is a pipe"):
        open_file(tmp_path / "f")


@contextmanager
def bounds(memory=50e6, seconds=60.0):
    """Hold a reader to much less memory than the 300 MB that are promised, and let it not hang."""
    tracemalloc.start()
    begin = time.process_time()
    try:
        yield
        taken = time.process_time() - begin
        assert tracemalloc.get_traced_memory()[1] < memory
    finally:
        tracemalloc.stop()
    assert taken < seconds


def npz(path, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def header(text, version=1, length=None):
    size = len(text) if length is None else length
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", size) + text


def says(descr="'<f8'", order="False", shape="(3, 2)"):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()


GOOD = bytes(48)
HEADERS = {
    "one parenthesis": b"\x93NUMPY\x01\0\2\0(\n",
    "nothing": b"",
    "magic only": b"\x93NUMPY",
    "version 9": header(says(), 9) + GOOD,
    "a long header": header(says() + b" " * 20_000, 2) + GOOD,
    "a header of 4 GB": header(says(), 2, 2**32 - 1) + GOOD,
    "many parentheses": header(says(shape="(" * 5000)) + GOOD,
    "many minus signs": header(says(shape="-" * 5000 + "1")) + GOOD,
    "a long number": header(says(shape=f"({'9' * 5000},)")) + GOOD,
    "exabytes": header(says(shape="(999999999999, 9999999)")) + GOOD,
    "more than can be counted": header(says(shape="(999999999999999999, 999999999999999999)")) + GOOD,
    "none of very many": header(says(shape="(0, 999999999999999999, 999999999999999999)")),
    "forty axes": header(says(shape=f"({'1, ' * 40})")) + bytes(8),
    "a negative axis": header(says(shape="(-3, 2)")) + GOOD,
    "true axes": header(says(shape="(True, 6)")) + GOOD,
    "no tuple": header(says(shape="6")) + GOOD,
    "objects": header(says(descr="'|O'")) + GOOD,
    "records": header(says(descr="[('a', '<f8')]")) + GOOD,
    "records in a word": header(says(descr="'<f8,<f8'")) + GOOD + GOOD,
    "dates": header(says(descr="'<M8[s]'")) + GOOD,
    "bytes of nothing": header(says(descr="'|S0'", shape="(999999999999,)")),
    "no type": header(says(descr="'nonsense'")) + GOOD,
    "a call": header(says(descr="__import__('os').getcwd()")) + GOOD,
    "an escape": header(says(descr=r"'\<f8'")) + GOOD,
    "order of a number": header(says(order="0")) + GOOD,
    "two shapes": header(says()[:-3] + b" 'shape': (3, 2)}\n") + GOOD,
    "a byte less": header(says()) + GOOD[:-1],
    "a byte more": header(says()) + GOOD + b"\0",
    "a form of UTF-8": header(says().replace(b"descr", b"descr\xff"), 3) + GOOD,
}  # fmt: skip


@pytest.mark.parametrize("case", HEADERS)
def test_a_bad_array_is_refused_in_an_npy_and_in_an_npz_file(case, tmp_path):
    (tmp_path / "p.npy").write_bytes(HEADERS[case])
    with bounds(), pytest.raises(ContentError, match=r"p\.npy"):
        read_npy(tmp_path / "p.npy")
    npz(tmp_path / "p.npz", {"X.npy": HEADERS[case]})
    for reader in ("npz", "compare", "model", "checkpoint", "cache"):
        with bounds(), pytest.raises(ContentError, match=r"p\.npz"):
            READERS[reader][0](tmp_path / "p.npz")


def test_headers_of_other_writers_are_read(tmp_path):
    for text in (
        b'{"shape": (3, 2), "fortran_order": False, "descr": "<f8"}',
        b"{'descr':'<f8','fortran_order':False,'shape':(3,2)}   \n",
        b"{'descr': '<f8', 'fortran_order': False, 'shape': (3L, 2L), }\n",
    ):
        (tmp_path / "p.npy").write_bytes(header(text) + GOOD)
        assert np.array_equal(read_npy(tmp_path / "p.npy"), np.zeros((3, 2)))


ARRAYS = [
    *(np.arange(6.0).reshape(3, 2), np.asfortranarray(np.arange(6.0).reshape(3, 2)), np.array(2.5), np.zeros((0, 3))),
    *(np.arange(4, dtype=">i2"), np.array([True, False]), np.array("π"), np.array(["a", "bc"]), np.array([1 + 2j])),
    *(np.zeros(2, "f2"), np.zeros(2, np.longdouble), np.array(b"ab")),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_every_array_of_numbers_or_text_is_read_as_it_was(array, tmp_path):
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", a=array, b=array)
    np.savez_compressed(tmp_path / "c.npz", a=array)
    read = [read_npy(tmp_path / "a.npy"), read_npz(tmp_path / "a.npz")["b"], read_npz(tmp_path / "c.npz")["a"]]
    for again in read:
        assert (again.dtype, again.shape) == (array.dtype, array.shape)
        assert again.strides == array.strides or not array.size
        assert np.array_equal(again, array)
        assert again.flags.writeable


def test_an_npz_bomb_is_refused_before_it_is_unpacked(tmp_path):
    bomb = header(says(shape="(50000000, 5)")) + bytes(10**7)
    zeros = header(says(shape="(1000, 25000)")) + bytes(2 * 10**8)
    cases = {
        "bzip2": (npz(tmp_path / "bzip2.npz", {"X.npy": zeros}, zipfile.ZIP_BZIP2), "is compressed in a way"),
        "lzma": (npz(tmp_path / "lzma.npz", {"X.npy": bomb}, zipfile.ZIP_LZMA), "is compressed in a way"),
        "declared": (npz(tmp_path / "declared.npz", {"X.npy": bomb}, zipfile.ZIP_DEFLATED), "announces 2000000"),
    }
    assert cases["bzip2"][0].stat().st_size < 2000
    for path, words in cases.values():
        for reader in ("npz", "compare", "model", "checkpoint", "cache"):
            with bounds(), pytest.raises(ContentError, match=f"{words}|is compressed in a way"):
                READERS[reader][0](path)


def test_a_member_that_lies_about_its_size_is_refused(tmp_path):
    path = npz(tmp_path / "a.npz", {"X.npy": header(says(shape="(100, 125000)")) + bytes(10**8)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", 10**8 + 1)
    path.write_bytes(content)
    with bounds(), pytest.raises(ContentError, match="announces 10000"):
        read_npz(path)
    content[at : at + 4] = struct.pack("<I", 4 * 10**9)
    path.write_bytes(content)
    with bounds(), pytest.raises(ContentError, match="announces 4000000000 bytes, which the file does not hold"):
        read_npz(path)


def test_many_members_and_a_large_directory_are_refused_at_once(tmp_path):
    few = npz(tmp_path / "few.npz", {f"{i}.npy": npy(np.zeros(1)) for i in range(1001)})
    many = npz(tmp_path / "many.npz", {f"{i}.npy": b"" for i in range(60_000)})
    for path, words in ((few, "1001 members, more than 1000"), (many, "many.npz has a directory of more than")):
        for reader in ("npz", "compare", "model", "checkpoint", "cache"):
            with bounds(), pytest.raises(ContentError, match=words):
                READERS[reader][0](path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_a_name_and_members_that_are_no_arrays_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "two.npz", "w") as archive:
        archive.writestr("X.npy", npy(np.zeros(1)))
        archive.writestr("X.npy", npy(np.ones(1)))
    npz(tmp_path / "text.npz", {"X.npy": npy(np.zeros(1)), "note.txt": b"hello"})
    for name, words in (("two", "two members of the same name"), ("text", "'note.txt' is not an array")):
        with pytest.raises(ContentError, match=words):
            read_npz(tmp_path / f"{name}.npz")


def test_what_is_not_asked_for_is_not_read(tmp_path):
    zeros = header(says(shape="(1000, 25000)")) + bytes(2 * 10**8)
    path = npz(tmp_path / "a.npz", {"small.npy": npy(np.ones((3, 2))), "large.npy": zeros}, zipfile.ZIP_DEFLATED)
    with bounds():
        assert np.array_equal(read_table(path, key="small").values, np.ones((3, 2)))
    npz(path, {"X.npy": header(says(shape="(25000000,)")) + bytes(2 * 10**8)}, zipfile.ZIP_DEFLATED)
    with bounds(), pytest.raises(ContentError, match="reshape it"):
        read_table(path)


def test_results_that_the_point_has_no_room_for_are_not_read(tmp_path):
    point = {"X": np.zeros((3, 2)), "W": np.zeros((4, 2)), "c": np.zeros(4), "A": np.zeros((2, 4)), "b": np.zeros(2)}
    members = {f"{name}.npy": npy(array) for name, array in point.items()}
    members["K_X.npy"] = header(says(shape="(5000, 5000)")) + bytes(2 * 10**8)
    path = npz(tmp_path / "a.npz", members, zipfile.ZIP_DEFLATED)
    with bounds(), pytest.raises(ContentError, match="K_X has 25000000 elements, too many for 3 samples"):
        compare_file(path)


@pytest.mark.parametrize("end", ["1\n", "x\n"])
def test_a_wide_row_is_read_or_refused_in_bounded_memory(end, tmp_path):
    """An eighth of the longest line, in an eighth of the memory that is promised."""
    (tmp_path / "a.csv").write_text("1," * 2**17 + end)
    with bounds(memory=300e6 / 8, seconds=math.inf):
        if end == "x\n":
            with pytest.raises(ContentError, match="line 1, column 131073: 'x' is not a number"):
                read_table(tmp_path / "a.csv")
        else:
            assert read_table(tmp_path / "a.csv").values.shape == (1, 2**17 + 1)


def test_a_table_of_text_is_read_line_by_line(tmp_path):
    """What is kept is the numbers: 8 bytes for each line of 2, and no strings."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"1\n" * 100_000 + b"x\n")
    with bounds(memory=3e6, seconds=90), pytest.raises(ContentError, match="line 100001, column 1: 'x'"):
        read_table(path)
    path.write_bytes(b"1" * (2**26 + 10))
    with bounds(memory=300e6), pytest.raises(ContentError, match="line 1 has more than 2097152 characters"):
        read_table(path)


# ---------------------------------------------------------------------------------------------------------------- text


BAD_JSON = (
    "",
    "{",
    "[" * 10_000,
    "{}" * 200_000,
    f"[{'1,' * 2**21}1]",
    "NaN",
    "1e999",
    "-Infinity",
    "9" * 5000,
    '{"a": 1' + "0" * 60 + "}",
)


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda text: text[:9])
def test_json_that_float64_cannot_hold_is_refused(text):
    with bounds(), pytest.raises(ContentError, match="about must be JSON"):
        parse_json(text, "about")


def test_json_is_read():
    state = np.random.PCG64(0).state
    assert parse_json(str(state).replace("'", '"'), "state") == state
    assert parse_json('{"a": [1, -2.5e-300, null, true, "π"]}', "a") == {"a": [1, -2.5e-300, None, True, "π"]}


def test_text_is_printed_as_it_is_and_not_obeyed():
    assert printable("μ = 1.5, 鍵 'a' \\ ok") == "μ = 1.5, 鍵 'a' \\ ok"
    assert printable("\x1b[2J\x07\r\n\x9b\u202e\u200b\ud800") == r"\x1b[2J\x07\r\n\x9b\u202e\u200b\ud800"
    assert printable("a\nb", keep="\n") == "a\nb"
    assert printable(3.5) == "3.5"
