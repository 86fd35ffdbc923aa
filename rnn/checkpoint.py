"""Checkpoints as bytes: arrays and JSON in one archive, never pickle.

The bytes are an ``.npz`` file as `numpy.load` reads it: a zip archive of ``.npy`` members, each
with a checksum, and one member ``meta.json`` that names the kind of thing saved, the format's
number and whatever is no array. The same content always gives the same bytes. Nothing here opens
a file.
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rnnd.errors import CheckpointError

FORMAT = 1
"""Grows by one when older programs could no longer read what is written."""

META = "meta.json"
ARRAY = "$array"
"""The key that stands for an array in what `flatten` gives; the name follows."""

MAPPING = "$mapping"
"""The key that stands for a mapping with a key of these two names; its pairs follow."""

Arrays = dict[str, NDArray[Any]]


def pack(kind: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> bytes:
    """Return *arrays* and *meta*, which must be JSON, as the bytes of a checkpoint of this *kind*.

    >>> data = pack("sum", {"total": np.arange(3)}, {"unit": "s"})
    >>> unpack("sum", data)
    ({'total': array([0, 1, 2])}, {'unit': 's'})
    """
    buffer = io.BytesIO()
    write(buffer, kind, arrays, meta)
    return buffer.getvalue()


def write(
    file: IO[bytes], kind: str, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]
) -> None:
    """Write what `pack` returns to a *file*, array by array, without a copy of them in memory."""
    header = {"format": FORMAT, "kind": kind, "arrays": sorted(arrays), "meta": meta}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_member(META), json.dumps(header))
        for name, array in sorted(arrays.items()):
            with archive.open(_member(f"{name}.npy"), "w") as member:
                _write_array(member, np.asarray(array, order="C"))


def _write_array(member: IO[bytes], array: NDArray[Any]) -> None:
    if array.dtype.hasobject:
        raise ValueError(f"an array of {array.dtype} would have to be pickled")
    header = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(member, header)
    member.write(array.reshape(-1).view(np.uint8).data)


def unpack(kind: str, data: bytes) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays and the meta that `pack` was given.

    Raises `CheckpointError` when *data* is torn, no checkpoint at all, of another kind, or of a
    format newer than this program knows.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            header = _read_header(archive)
            _check(kind, header)
            arrays = {name: _read_array(archive, name) for name in header["arrays"]}
    except _TORN as error:
        raise CheckpointError(f"not a whole checkpoint ({error})") from error
    return arrays, header["meta"]


# What zipfile, json and NumPy raise for bytes that were cut short, changed or made elsewhere.
_TORN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    NotImplementedError,
    OverflowError,
    OSError,
    RuntimeError,
    SyntaxError,
)


def _member(name: str) -> zipfile.ZipInfo:
    """Return the member's header with a fixed time, so that equal content gives equal bytes."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    if META not in archive.namelist():
        raise CheckpointError(f"not a checkpoint of rnnd: no member {META}")
    header = json.loads(archive.read(META).decode())
    if not isinstance(header, dict) or not isinstance(header.get("meta"), dict):
        raise CheckpointError(f"not a checkpoint of rnnd: {META} names no kind")
    return header


def _check(kind: str, header: Mapping[str, Any]) -> None:
    number = header.get("format")
    if not isinstance(number, int) or number < 1:
        raise CheckpointError(f"not a checkpoint of rnnd: format {number!r} is no number")
    if number > FORMAT:
        raise CheckpointError(
            f"checkpoint: format {number} is newer than {FORMAT}, the newest this rnnd can read"
        )
    if header.get("kind") != kind:
        raise CheckpointError(f"checkpoint: kind {header.get('kind')!r}, expected {kind!r}")


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    data = io.BytesIO(archive.read(f"{name}.npy"))
    array: NDArray[Any] = np.lib.format.read_array(data, allow_pickle=False)
    return array


def flatten(state: Mapping[str, Any]) -> tuple[Arrays, dict[str, Any]]:
    """Return the arrays of a nested *state* by path, and the rest as JSON with marks for them.

    Keys are strings; tuples come back as lists, NumPy's numbers as Python's.

    >>> flatten({"clock": 3, "net": {"w": np.zeros(2)}})
    ({'net/w': array([0., 0.])}, {'clock': 3, 'net': {'w': {'$array': 'net/w'}}})
    """
    arrays: Arrays = {}
    return arrays, {name: _flatten(value, name, arrays) for name, value in state.items()}


def _flatten(value: Any, path: str, arrays: Arrays) -> Any:
    if isinstance(value, np.ndarray):
        while path in arrays:  # a key with a slash in it
            path += "'"
        arrays[path] = value
        return {ARRAY: path}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        pairs = [(name, _flatten(item, f"{path}/{name}", arrays)) for name, item in value.items()]
        return {MAPPING: pairs} if ARRAY in value or MAPPING in value else dict(pairs)
    if isinstance(value, list | tuple):
        return [_flatten(item, f"{path}/{index}", arrays) for index, item in enumerate(value)]
    return value


def unflatten(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return the nested state that `flatten` took apart."""
    return {name: _unflatten(value, arrays) for name, value in meta.items()}


def _unflatten(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if ARRAY in value:
            return arrays[value[ARRAY]]
        pairs = value.get(MAPPING, value.items())
        return {name: _unflatten(item, arrays) for name, item in pairs}
    if isinstance(value, list):
        return [_unflatten(item, arrays) for item in value]
    return value
