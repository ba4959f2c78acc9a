"""Sealed files: what goes in comes out, with the right key only, and any change is found."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iit.domain.errors import InvalidInput, NotFound
from iit.ops.backup.sealing import BackupKey, make_key, read_key, seal, unseal

KEY = BackupKey(bytes(range(32)))
MIB = 1 << 20


def sealed(content: bytes, key: BackupKey = KEY) -> bytes:
    sink = io.BytesIO()
    seal(io.BytesIO(content), sink, key)
    return sink.getvalue()


def unsealed(data: bytes, key: BackupKey = KEY) -> bytes:
    sink = io.BytesIO()
    unseal(io.BytesIO(data), sink, key, place="a file")
    return sink.getvalue()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 17])
def test_what_goes_in_comes_out(size: int) -> None:
    content = bytes(size)
    assert unsealed(sealed(content)) == content


@given(st.binary(min_size=1, max_size=200), st.data())
def test_any_flipped_bit_is_found(content: bytes, data: st.DataObject) -> None:
    whole = bytearray(sealed(content))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(InvalidInput):
        unsealed(bytes(whole))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[: 32 + MIB + 16], id="the last chunk is cut off"),
        pytest.param(lambda data: data[:-1], id="the last byte is cut off"),
        pytest.param(lambda data: data + b"x", id="a byte is added"),
        pytest.param(lambda data: data[:32] + data[32 + MIB + 16 :], id="the first chunk is gone"),
        pytest.param(lambda data: data[:10], id="the header is cut"),
        pytest.param(lambda data: b"", id="nothing is left"),
    ],
)
def test_cut_and_reordered_files_are_found(change: object) -> None:
    with pytest.raises(InvalidInput):
        unsealed(change(sealed(bytes(2 * MIB))))  # type: ignore[operator]


def test_another_key_is_named_not_shown() -> None:
    other = BackupKey(bytes(32))
    with pytest.raises(InvalidInput, match=f"sealed with the key {KEY.key_id}; the key given is {other.key_id}"):
        unsealed(sealed(b"x"), other)
    assert KEY.secret.hex() not in repr(KEY)


def test_a_key_file_is_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key"
    made = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_key(path) == made
    with pytest.raises(FileExistsError):
        make_key(path)


@pytest.mark.parametrize("text", ["", "00", "g" * 64, "0" * 66, "ü" * 64])
def test_a_file_without_a_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    with pytest.raises(InvalidInput, match="backup key"):
        read_key(tmp_path / "key")


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no key file"):
        read_key(tmp_path / "none")
