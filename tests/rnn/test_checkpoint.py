import json
import zipfile
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.errors import CheckpointError
from rnnd.rnn import checkpoint
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack

ARRAYS = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "offset": np.array(7, np.int64)}
META = {"clock": 12, "name": "wörter \udcff", "list": [1, 2.5, None, True]}


def rewritten(header: Any) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("meta.json", json.dumps(header))
    return buffer.getvalue()


def test_what_was_packed_is_unpacked() -> None:
    arrays, meta = unpack("model", pack("model", ARRAYS, META))

    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_content_gives_the_same_bytes() -> None:
    backwards = dict(reversed(ARRAYS.items()))

    assert pack("model", ARRAYS, META) == pack("model", backwards, META)


def test_numpy_alone_can_read_the_arrays() -> None:
    loaded = np.load(BytesIO(pack("model", ARRAYS, META)))

    np.testing.assert_array_equal(loaded["w"], ARRAYS["w"])


def test_objects_are_never_pickled() -> None:
    with pytest.raises(ValueError, match="pickle"):
        pack("model", {"w": np.array([object()])}, {})


@given(st.data())
def test_a_torn_checkpoint_is_refused(data: st.DataObject) -> None:
    whole = pack("model", ARRAYS, META)
    size = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(CheckpointError, match="not a whole checkpoint"):
        unpack("model", whole[:size])


@given(st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(place: int, change: int) -> None:
    damaged = bytearray(pack("model", ARRAYS, META))
    damaged[place % len(damaged)] ^= change

    try:
        arrays, meta = unpack("model", bytes(damaged))
    except CheckpointError:
        return
    assert meta == META
    np.testing.assert_array_equal(arrays["w"], ARRAYS["w"])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        unpack("model", data)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ([], "names no kind"),
        ({"meta": {}}, "format None is no number"),
        ({"meta": {}, "kind": "model", "format": 0}, "format 0 is no number"),
        ({"meta": {}, "kind": "model", "format": 99}, "format 99 is newer than 1"),
        ({"meta": {}, "kind": "state", "format": 1}, "kind 'state', expected 'model'"),
        ({"meta": {}, "kind": "model", "format": 1}, "not a whole checkpoint .*arrays"),
        ({"meta": {}, "kind": "model", "format": 1, "arrays": ["w"]}, "no item named 'w.npy'"),
    ],
)
def test_a_checkpoint_of_another_kind_or_format_is_refused(header: Any, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        unpack("model", rewritten(header))


def test_an_archive_of_someone_else_is_refused() -> None:
    buffer = BytesIO()
    np.savez(buffer, w=ARRAYS["w"])

    with pytest.raises(CheckpointError, match=r"no member meta\.json"):
        unpack("model", buffer.getvalue())


def test_the_format_number_is_written() -> None:
    with zipfile.ZipFile(BytesIO(pack("model", {}, {}))) as archive:
        header = json.loads(archive.read("meta.json"))

    assert header["format"] == checkpoint.FORMAT


leaves = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text("aä$", max_size=5)
keys = st.sampled_from(["a", "b", "a/b", "$array", "$mapping", "a/b'"])
vectors = st.lists(st.integers(0, 9), max_size=3).map(np.array)
trees = st.recursive(
    leaves | vectors,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and np.array_equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool(a == b)


@given(st.dictionaries(keys, trees, max_size=3))
def test_any_nested_state_comes_back(state: dict[str, Any]) -> None:
    arrays, meta = unpack("state", pack("state", *flatten(state)))

    assert equal(unflatten(arrays, meta), state)
