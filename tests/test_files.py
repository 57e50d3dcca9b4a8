import os
import stat

import pytest

from rdae_ref.files import written_whole


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


def test_bytes_and_the_usual_permissions(tmp_path):
    path = tmp_path / "b.bin"
    with written_whole(path, "wb") as file:
        file.write(b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    (tmp_path / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"), written_whole(tmp_path / "nowhere" / "c.txt"):
        pass


def test_what_is_no_file_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(OSError, match="name a file"), written_whole(path):
            pass
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_stays_one_and_its_target_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "a.txt")
    with written_whole(tmp_path / "link") as file:
        file.write("whole")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "a.txt").read_text() == "whole"
