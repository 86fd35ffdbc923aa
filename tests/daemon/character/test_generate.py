import io
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnd.codecs.char import CharCodec
from rnnd.daemon.character.models import Model
from rnnd.daemon.character.writing import continue_text, until
from rnnd.daemon.cli import main
from rnnd.errors import CheckpointError
from rnnd.rnn.checkpoint import flatten, pack, unflatten, unpack
from rnnd.rnn.network import Network, NetworkShape
from rnnd.rnn.sampling import Soft, hard


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model that has learnt nothing, but writes."""
    codec = CharCodec("\n abcdeé")
    shape = NetworkShape("gru", 8, 16, 8)
    weights = Network(shape).initial(np.random.default_rng(4))
    weights.vector[...] *= 3
    path = tmp_path / "model.rnnd"
    Model(shape, weights, codec, {}).save(path)
    return path


def generate(model: Path, *options: str) -> int:
    return main(["generate", "--model", str(model), *options])


def written(capsys: pytest.CaptureFixture[str], model: Path, *options: str) -> str:
    assert generate(model, *options) == 0
    return capsys.readouterr().out


def test_the_length_asked_for_is_written(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(capsys, model, "--prompt", "abc", "--length", "321")

    assert len(text) == 321
    assert set(text) <= set("\n abcdeé")


def test_the_same_seed_writes_the_same_and_another_something_else(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again, other = (
        written(capsys, model, "--prompt", "a", "--seed", seed) for seed in ("1", "1", "2")
    )

    assert first == again != other


def test_the_hard_choice_needs_no_seed(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, again = (written(capsys, model, "--prompt", "a", "--choice", "hard") for _ in range(2))

    assert first == again


def test_a_low_temperature_writes_what_the_hard_choice_does(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cold = written(capsys, model, "--prompt", "a", "--temperature", "0.0001")
    narrow = written(capsys, model, "--prompt", "a", "--top-p", "0.0001")

    hardest = written(capsys, model, "--prompt", "a", "--choice", "hard")
    assert cold == narrow == hardest


def test_standard_input_is_the_prompt(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given_as_option = written(capsys, model, "--prompt", "dé", "--seed", "3")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("dé".encode())))

    assert written(capsys, model, "--seed", "3") == given_as_option


def test_the_prompt_is_printed_when_asked_for(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = written(capsys, model, "--prompt", "abc", "--seed", "3")

    assert written(capsys, model, "--prompt", "abc", "--seed", "3", "--echo") == "abc" + without


def test_characters_never_learnt_are_named_and_left_out(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = written(capsys, model, "--prompt", "abc", "--seed", "3")

    assert generate(model, "--prompt", "aXb☃c", "--seed", "3") == 0

    out, err = capsys.readouterr()
    assert out == known
    assert err == "rnnd: prompt: left out, as the model never saw them: 'X' '☃'\n"


def test_a_prompt_without_any_known_character_is_no_prompt(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from_nothing = written(capsys, model, "--prompt", "", "--seed", "3")

    assert written(capsys, model, "--prompt", "XYZ", "--seed", "3") == from_nothing


def test_writing_ends_before_the_stop(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = written(capsys, model, "--prompt", "a", "--seed", "3")
    stop = whole[200:203]

    text = written(capsys, model, "--prompt", "a", "--seed", "3", "--stop", stop)

    assert text == whole[: whole.index(stop)]


@given(st.text("ab", max_size=30), st.text("ab", min_size=1, max_size=4))
def test_until_cuts_any_text_at_the_first_stop(text: str, stop: str) -> None:
    expected = text[: text.index(stop)] if stop in text else text

    assert "".join(until(text, stop)) == expected


def test_a_piece_that_cannot_be_the_stop_is_given_at_once() -> None:
    given_so_far = until(iter("abX"), "abc")

    assert next(given_so_far) == "a"


def test_text_continues_as_the_network_says(model: Path) -> None:
    loaded = Model.load(model)

    text = "".join(islice(continue_text(loaded, "abc", hard), 20))

    longer = "".join(islice(continue_text(loaded, "abc" + text[:7], hard), 13))
    assert longer == text[7:]


def test_an_alphabet_without_newline_can_begin_too(tmp_path: Path) -> None:
    shape = NetworkShape("rnn", 3, 4, 3)
    weights = Network(shape).initial(np.random.default_rng(0))
    model = Model(shape, weights, CharCodec("abc"), {})

    text = "".join(islice(continue_text(model, "", Soft(np.random.default_rng(0))), 10))

    assert len(text) == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--temperature", "0"], "--temperature: 0 is not a number above 0"),
        (["--temperature", "nan"], "--temperature: nan is not"),
        (["--top-p", "1.5"], "--top-p: 1.5 is not above 0 and at most 1"),
        (["--length", "-1"], "--length: -1 is below 0"),
        (["--seed", "-1"], "--seed: -1 is below 0"),
    ],
)
def test_a_mistake_gets_one_line_and_status_2(
    model: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert generate(model, "--prompt", "a", *options) == 2

    assert message in capsys.readouterr().err


def test_a_file_that_is_no_model_is_refused(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign, other, torn = (tmp_path / name for name in ("foreign", "other", "torn"))
    foreign.write_bytes(b"PK not really")
    other.write_bytes(pack("state", {}, {}))
    torn.write_bytes(model.read_bytes()[:-100])

    statuses = [generate(path, "--prompt", "a") for path in (foreign, other, torn)]

    assert statuses == [1, 1, 1]
    errors = capsys.readouterr().err.splitlines()
    assert "foreign: not a whole checkpoint" in errors[0]
    assert "other: checkpoint: kind 'state', expected 'character model'" in errors[1]
    assert "torn: not a whole checkpoint" in errors[2]


def test_a_missing_model_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate(tmp_path / "none", "--prompt", "a") == 2

    assert "none: the model cannot be read: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["network", "weights", "codec", "training"])
def test_a_model_with_a_part_missing_is_refused(model: Path, missing: str) -> None:
    state = unflatten(*unpack("character model", model.read_bytes()))
    del state[missing]

    with pytest.raises(CheckpointError, match=missing):
        Model.from_bytes(pack("character model", *flatten(state)))


def test_weights_of_another_shape_are_refused(model: Path) -> None:
    state = unflatten(*unpack("character model", model.read_bytes()))
    state["weights"]["output.b"] = np.zeros(9, np.float32)

    with pytest.raises(CheckpointError, match=r"output.b: shape \(9,\), expected \(8,\)"):
        Model.from_bytes(pack("character model", *flatten(state)))


def test_weights_for_another_alphabet_or_in_no_mapping_are_refused(model: Path) -> None:
    state = unflatten(*unpack("character model", model.read_bytes()))

    with pytest.raises(CheckpointError, match="alphabet: 2 characters, not 8"):
        Model.from_bytes(pack("character model", *flatten({**state, "codec": {"alphabet": "ab"}})))
    with pytest.raises(CheckpointError, match="AttributeError"):
        Model.from_bytes(pack("character model", *flatten({**state, "weights": []})))
