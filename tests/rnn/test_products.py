import numpy as np
import pytest

from rnnd.rnn import products
from rnnd.rnn.cells import CELLS
from rnnd.rnn.parameters import Array, Parameters, aligned


def multiplied(w: Array, scale: Array, h: Array) -> Array:
    batch, hidden = h.shape
    out = aligned((w.shape[1], batch, w.shape[2]), w.dtype)
    multiply = products.multiplication(batch)
    multiply(products.factor(h), products.weights(w, scale, batch), products.product(out, hidden))
    return out


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("hidden", [7, 64, 256])
def test_products_by_blocks_are_the_products(
    monkeypatch: pytest.MonkeyPatch, blocks: bool, batch: int, hidden: int
) -> None:
    monkeypatch.setattr(products, "AVX512", blocks)
    rng = np.random.default_rng(0)
    h, w = rng.normal(size=(batch, hidden)), rng.normal(size=(hidden, 3, hidden))
    scale = np.array([1.0, 0.5, -1.0])

    found = multiplied(w, scale, h)

    expected = np.einsum("bk,kgh,g->gbh", h, w, scale)
    np.testing.assert_allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("batch", [1, 3, 32])
@pytest.mark.parametrize("hidden", [7, 64, 256])
def test_the_terms_on_the_way_back_add_up_to_the_product(
    monkeypatch: pytest.MonkeyPatch, blocks: bool, batch: int, hidden: int
) -> None:
    monkeypatch.setattr(products, "AVX512", blocks)
    rng = np.random.default_rng(0)
    d, w = rng.normal(size=(2, batch, 4, hidden)), rng.normal(size=(hidden, 3, hidden))
    count = products.terms(batch, 3, hidden)
    terms = aligned((count, batch, hidden), w.dtype)

    multiply = products.multiplication(batch)
    factor = products.gates_factor(np.ascontiguousarray(d.swapaxes(1, 2)), d, 3)[1]
    out = products.product(terms, 3 // count * hidden)
    multiply(factor, products.transposed(w, batch), out)

    expected = np.einsum("bgh,kgh->bk", d[1, :, :3], w)
    np.testing.assert_allclose(terms.sum(axis=0), expected, atol=1e-11)


@pytest.mark.parametrize("rows", [2048, 2000])
@pytest.mark.parametrize(("height", "width"), [(128, 256), (128, 65), (100, 100), (256, 256)])
def test_a_product_added_up_from_parts_is_the_product(
    monkeypatch: pytest.MonkeyPatch, rows: int, height: int, width: int
) -> None:
    monkeypatch.setattr(products, "AVX512", True)
    rng = np.random.default_rng(0)
    turned = products.Turned(rows, 256, height, width, np.float64)
    x, d = np.zeros((rows, height)), np.zeros((rows, 600))[:, :width]
    out = np.empty((height, width))

    for _ in range(2):  # the second product owes nothing to the first
        turned.begin(x, d)
        for start in reversed(range(0, rows, 256)):  # filled part by part, last one first
            part = slice(start, start + 256)
            x[part], d[part] = rng.normal(size=x[part].shape), rng.normal(size=d[part].shape)
            turned.add(start)
        turned.end(out)

    np.testing.assert_allclose(out, x.T @ d, atol=1e-11)


def test_blocks_are_used_where_they_are_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "AVX512", True)

    assert products.width(32, 256, 256) == 64
    assert products.width(32, 512, 512) == 32
    assert products.terms(32, 4, 256) == 4
    assert products.terms(8, 3, 128) == 1


@pytest.mark.parametrize("kind", sorted(CELLS))
def test_blocks_change_nothing_but_the_rounding(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    cell = CELLS[kind](5, 64, "cell")
    rng = np.random.default_rng(0)
    p = Parameters(cell.shapes, np.float64)
    cell.initialise(p, rng)
    x, dh = rng.integers(0, 5, (6, 32)), rng.normal(size=(6, 32, 64))
    state = np.zeros((32, cell.state_size))
    gradients = {}

    for blocks in (True, False):
        monkeypatch.setattr(products, "AVX512", blocks)
        gradients[blocks] = p.zeros()
        cell.backward(p, cell.forward(p, x, state), dh.__getitem__, gradients[blocks])

    np.testing.assert_allclose(gradients[True].vector, gradients[False].vector, atol=1e-11)


def test_work_space_begins_with_a_cache_line() -> None:
    for shape in ((3,), (2, 5), (1, 1, 7)):
        assert aligned(shape).ctypes.data % 64 == 0
    assert Parameters({"w": (3, 5)}).vector.ctypes.data % 64 == 0


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("columns", [5, 65, 128])
@pytest.mark.parametrize("times", [3, 16])
def test_many_rows_are_multiplied_as_by_one_product(
    monkeypatch: pytest.MonkeyPatch, blocks: bool, columns: int, times: int
) -> None:
    monkeypatch.setattr(products, "AVX512", blocks)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(times, 4, 192)), rng.normal(size=(192, columns))
    out = np.empty((times, 4, columns))

    products.by_rows(w, 4 * times)(x, out)

    np.testing.assert_allclose(out, x @ w, atol=1e-11)
