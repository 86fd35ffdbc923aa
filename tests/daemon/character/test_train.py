import io
import os
import re
import signal
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from rnnd.codecs.char import CharCodec
from rnnd.daemon.character import team
from rnnd.daemon.character import training as training_module
from rnnd.daemon.character.models import Model
from rnnd.daemon.character.training import DivergedError, Training
from rnnd.daemon.character.training_loop import Loop, Plan, fingerprint
from rnnd.daemon.character.training_report import Silence, Terminal
from rnnd.daemon.character.training_settings import TrainingSettings, preset
from rnnd.daemon.cli import main
from rnnd.daemon.commands.train import given_settings
from rnnd.errors import RnndError, UsageError

TEXT = "the cat sat on the mat, the rat sat on the cat.\n" * 40
SMALL = TrainingSettings(hidden=12, batch=4, length=16, epochs=3, processes=1)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def train(text: Path, model: Path, *options: str) -> int:
    small = ["--hidden", "12", "--batch", "4", "--length", "16", "--processes", "1"]
    return main(["train", str(text), "--model", str(model), *small, *options])


def loop(path: Path, settings: TrainingSettings = SMALL, **plan: Any) -> Loop:
    codec = CharCodec.of(TEXT)
    training = Training(settings, len(codec.alphabet), codec.symbols(TEXT))
    clock = iter(range(10**9))
    return Loop(
        training,
        codec,
        Plan(path, **plan),
        lambda: float(next(clock)),
        Silence(),
        fingerprint(TEXT),
    )


def test_training_says_how_well_it_went_and_leaves_a_model(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = train(text, tmp_path / "model", "--epochs", "20")

    out, err = capsys.readouterr()
    assert status == 0
    assert "20.00 epochs, loss" in out
    assert "bits) a character on unseen text" in out
    assert err == ""
    model = Model.load(tmp_path / "model")
    assert model.shape.hidden_size == 12
    assert model.codec.alphabet == "".join(sorted(set(TEXT)))


def test_training_learns(tmp_path: Path) -> None:
    run = loop(tmp_path / "model", TrainingSettings(hidden=32, batch=4, length=16, processes=1))

    run.run()

    assert run.best_loss < 0.5 < np.log(len(run.codec.alphabet))


def test_standard_input_is_a_text_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("naïve ☕\n".encode() * 50)))

    status = main(["train", "--model", str(tmp_path / "m"), "--hidden", "4", "--epochs", "1"])

    assert status == 0
    assert Model.load(tmp_path / "m").codec.alphabet == "".join(sorted("\n aenvï☕"))


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_a_training_stopped_and_resumed_gives_the_bytes_of_one_that_was_not(
    tmp_path: Path, processes: int
) -> None:
    settings = TrainingSettings(
        hidden=12, batch=4, length=8, epochs=4, dropout=0.2, dropconnect=0.3, processes=processes
    )
    straight, first = loop(tmp_path / "straight", settings), loop(tmp_path / "model", settings)
    with straight.training:
        straight.run()

    class StopAfter(Silence):
        def stepped(self, training: Training, share: float) -> None:
            first.stop = training.taken == 37

    first.reporter = StopAfter()
    with first.training:
        assert not first.run()
    second = loop(tmp_path / "model", settings)
    second.restore(Model.load(tmp_path / "model"))
    with second.training:
        assert second.run()

    assert (tmp_path / "model").read_bytes() == (tmp_path / "straight").read_bytes()


def test_two_processes_learn_what_one_learns() -> None:
    codec = CharCodec.of(TEXT)
    alone, together = (
        Training(
            TrainingSettings(
                hidden=12, batch=5, length=16, dropout=0, processes=n, precision="float64"
            ),
            len(codec.alphabet),
            codec.symbols(TEXT),
        )
        for n in (1, 2)
    )

    with alone, together:
        for _ in range(30):
            one, two = alone.step(0.5), together.step(0.5)
            assert two == pytest.approx(one, abs=1e-9)
        assert together.validate() == pytest.approx(alone.validate(), abs=0.1)

    np.testing.assert_allclose(together.weights.vector, alone.weights.vector, atol=1e-6)


@pytest.mark.parametrize("processors", [1, 2])
def test_waiting_for_each_other_asleep_or_awake_gives_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr(team.os, "sched_getaffinity", lambda _: set(range(processors)))
    monkeypatch.setattr(team, "PATIENCE", 1e-4)
    settings = TrainingSettings(hidden=12, batch=4, length=16, processes=2)
    symbols = CharCodec.of(TEXT).symbols(TEXT)

    with Training(settings, 20, symbols) as training:
        losses = [training.step(0.5) for _ in range(3)]

    with Training(settings, 20, symbols) as training:
        assert [training.step(0.5) for _ in range(3)] == losses


def test_three_processes_end_with_the_training() -> None:
    codec = CharCodec.of(TEXT)
    settings = TrainingSettings(hidden=12, batch=4, length=8, processes=3)
    training = Training(settings, len(codec.alphabet), codec.symbols(TEXT))
    training.step(0.5)
    processes = [worker._process for worker in training._workers]
    ending = threading.Thread(target=training.__exit__, daemon=True)

    ending.start()
    ending.join(60)

    assert len(processes) == 2
    alive = [process for process in processes if process.is_alive()]
    for process in alive:
        process.kill()
    assert not alive


def test_a_process_that_dies_ends_the_training_with_a_message() -> None:
    codec = CharCodec.of(TEXT)
    settings = TrainingSettings(hidden=12, batch=4, length=16, processes=2)

    with Training(settings, len(codec.alphabet), codec.symbols(TEXT)) as training:
        training.step(0.5)
        os.kill(training._workers[0]._process.pid or 0, signal.SIGKILL)
        with pytest.raises(RnndError, match="a process has died"):
            training.step(0.5)


def test_a_signal_to_all_processes_stops_none_but_the_first() -> None:
    settings = TrainingSettings(hidden=12, batch=4, length=16, processes=2)

    with Training(settings, 20, CharCodec.of(TEXT).symbols(TEXT)) as training:
        training.step(0.5)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(training._workers[0]._process.pid or 0, number)
            assert np.isfinite(training.step(0.5))


def test_ctrl_c_saves_what_can_be_resumed(
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step = Training.step

    def interrupted(self: Training, share: float) -> float:
        if self.taken == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, share)

    monkeypatch.setattr(Training, "step", interrupted)
    stopped = train(text, tmp_path / "model", "--epochs", "2")
    monkeypatch.setattr(Training, "step", step)
    resumed = train(text, tmp_path / "model", "--resume")

    assert stopped == 128 + signal.SIGINT
    assert resumed == 0
    assert "--resume goes on" in capsys.readouterr().err


def test_the_budget_of_time_ends_the_training(tmp_path: Path) -> None:
    run = loop(tmp_path / "model", budget=100.0)

    assert run.run()

    assert run.share == 1
    assert 10 < run.training.taken < 60


def test_the_model_file_is_written_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, saved = loop(tmp_path / "model", save_every=30), []
    monkeypatch.setattr(Model, "save", lambda self, path: saved.append(self.training["taken"]))

    run.run()

    assert len(saved) > 3
    assert saved == sorted(saved)
    assert saved[-1] == run.training.steps


def test_samples_are_shown_now_and_then(tmp_path: Path) -> None:
    run, samples = loop(tmp_path / "model", sample_every=50), []

    class Listener(Silence):
        def sampled(self, text: str) -> None:
            samples.append(text)

    run.reporter = Listener()
    run.run()

    assert len(samples) > 1
    assert all(len(sample) == 300 and set(sample) <= set(TEXT) for sample in samples)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 140])
def test_the_progress_line_fits_the_terminal_and_tells_the_time_left(width: int) -> None:
    settings = TrainingSettings(hidden=8, length=16, batch=2, processes=1)
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=width, color_system=None)

    with Training(settings, 3, np.arange(2000) % 3) as training, Terminal(console) as terminal:
        for step in range(3):
            training.step(step / 3)
            terminal.stepped(training, (step + 1) / 4)

    last = [part for part in drawn.getvalue().split("\r") if "epoch" in part][-1]
    assert re.search(r" nats.* left \d+:\d\d", last)
    assert "\N{HORIZONTAL ELLIPSIS}" not in last


@pytest.mark.parametrize("width", [40, 80])
def test_no_progress_is_shown_before_the_first_step(width: int) -> None:
    drawn = io.StringIO()

    with Terminal(Console(file=drawn, force_terminal=True, width=width, color_system=None)):
        pass

    assert "loss" not in drawn.getvalue()


def test_the_file_keeps_the_weights_that_did_best_on_unseen_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, losses, seen = loop(tmp_path / "model"), iter([3.0, 1.0, *[2.0] * 30]), []

    def validate(self: Training) -> float:
        seen.append(self.weights.vector.copy())
        return next(losses)

    monkeypatch.setattr(Training, "validate", validate)
    run.run()

    assert run.best_loss == 1.0
    saved = Model.load(tmp_path / "model").weights.vector
    np.testing.assert_array_equal(saved, seen[1])
    assert not np.array_equal(saved, seen[-1])


def test_numbers_that_are_none_end_the_training_and_leave_the_last_good_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = loop(tmp_path / "model", save_every=5)
    step = Training.step

    def poisoned(self: Training, share: float) -> float:
        if self.taken == 20:
            self._parts[0].trainer.memory[...] = np.nan
        return step(self, share)

    monkeypatch.setattr(training_module.Training, "step", poisoned)
    with pytest.raises(DivergedError, match=r"the loss is nan .* at step 20, .* model of step 1\d"):
        run.run()

    kept = Model.load(tmp_path / "model")
    assert np.isfinite(kept.weights.vector).all()
    assert np.isfinite(run.training.weights.vector).all()


def test_a_resumed_training_that_diverges_says_what_is_kept(tmp_path: Path) -> None:
    first = loop(tmp_path / "model")
    first.run()
    second = loop(tmp_path / "model", replace(SMALL, epochs=6))
    second.restore(Model.load(tmp_path / "model"))
    second.training.weights.vector[...] = np.nan

    with pytest.raises(DivergedError, match=f"keeps the model of step {first.training.taken}"):
        second.run()


def test_weights_that_are_no_numbers_are_never_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = loop(tmp_path / "model")
    run.save()
    step = Training.step

    def led_astray(self: Training, share: float) -> float:
        loss = step(self, share)
        if self.taken == self.steps:  # no further loss would tell
            self.weights.vector[3] = np.inf
        return loss

    monkeypatch.setattr(training_module.Training, "step", led_astray)
    with pytest.raises(DivergedError, match="led to weights that are no numbers"):
        run.run()

    training = Model.load(tmp_path / "model").training
    assert np.isfinite(training["weights"]).all()
    assert training["taken"] < run.training.taken


def test_validating_takes_little_of_a_budget_of_time_but_is_done_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = loop(tmp_path / "model", budget=2000.0)
    now = 0.0
    validated = []

    def clock() -> float:
        nonlocal now
        now += 1.0
        return now

    def slow(self: Training) -> float:
        nonlocal now
        validated.append(now)
        now += 20.0
        return 1.0

    run.clock = clock
    monkeypatch.setattr(training_module.Training, "validate", slow)
    run.run()

    assert 3 <= len(validated) <= 6
    assert validated[-1] >= 1980


def test_no_more_is_held_out_than_tells_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "HELD_OUT", 100)

    training = Training(SMALL, 20, CharCodec.of(TEXT).symbols(TEXT))

    assert len(training.validation) == 100
    assert len(training.text) == len(TEXT) - 100


def test_the_more_time_there_is_for_a_text_the_more_a_training_leaves_out() -> None:
    times = [preset(seconds, characters=1_000_000) for seconds in (60, 300, 900)]
    texts = [preset(300, characters) for characters in (10_000_000, 1_000_000, 100_000)]

    for few, some, many in (times, texts):
        assert few["dropout"] < some["dropout"] <= many["dropout"]
        assert few["dropconnect"] < some["dropconnect"] < many["dropconnect"]
    assert times[0]["hidden"] < times[1]["hidden"] < times[2]["hidden"]
    assert len({values["hidden"] for values in texts}) == 1
    assert preset(60, characters=0)


def test_settings_come_from_options_then_from_the_environment(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RNND_HIDDEN", "5")
    monkeypatch.setenv("RNND_CELL", "lstm")
    monkeypatch.setenv("RNND_PROCESSES", "1")

    main(["train", str(text), "--model", str(tmp_path / "a"), "--epochs", "0.1"])
    main(["train", str(text), "--model", str(tmp_path / "b"), "--epochs", "0.1", "--hidden", "6"])

    a, b = Model.load(tmp_path / "a").shape, Model.load(tmp_path / "b").shape
    assert (a.hidden_size, a.cell) == (5, "lstm")
    assert (b.hidden_size, b.cell) == (6, "lstm")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "many"], "--hidden: 'many' is not a whole number"),
        (["--hidden", "0"], "--hidden: 0 is not between 1 and"),
        (["--rate", "nan"], "--rate: nan is not between"),
        (["--cell", "gur"], "--cell: 'gur' is not one of rnn, gru, lstm"),
        (["--for", "soon"], "--for: 'soon' is not a duration"),
        (["--resume"], "model: the model cannot be read"),
    ],
)
def test_a_mistake_gets_one_line_and_status_2(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    status = train(text, tmp_path / "model", *options)

    err = capsys.readouterr().err
    assert status == 2
    assert message in err
    assert err.count("\n") == 1


def test_a_mistake_in_the_environment_names_the_variable(
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RNND_RATE", "fast")

    status = train(text, tmp_path / "model")

    assert status == 2
    assert capsys.readouterr().err == "rnnd: RNND_RATE: 'fast' is not a number\n"


def test_a_misspelt_variable_is_told_and_others_are_none_of_our_business() -> None:
    assert given_settings({}, {"RNND_PASSWORD": "x", "RNND_DATA": "y"}) == {}

    with pytest.raises(UsageError, match="RNND_HIDEN: is unknown, did you mean RNND_HIDDEN"):
        given_settings({}, {"RNND_HIDEN": "12"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "text.txt: the text is empty"),
        (b"a", "text.txt: the text is 'a' alone"),
        (b"zzzz", "text.txt: the text is 'z' alone"),
        (b"one\ntwo \xff\n", "text.txt: byte 0xff at offset 8, line 2, is not UTF-8"),
    ],
)
def test_a_text_that_teaches_nothing_is_refused(
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    message: str,
) -> None:
    text.write_bytes(content)

    assert train(text, tmp_path / "model") == 2
    assert message in capsys.readouterr().err


def test_the_shortest_text_of_all_can_be_learnt(text: Path, tmp_path: Path) -> None:
    text.write_text("ab", encoding="utf-8")

    assert train(text, tmp_path / "model", "--epochs", "2") == 0


def test_a_missing_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = train(tmp_path / "none.txt", tmp_path / "model")

    assert status == 2
    assert "none.txt: the text cannot be read: no such file" in capsys.readouterr().err


def test_a_model_that_cannot_be_written_is_an_error_before_anything_is_learnt(
    text: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Training, "step")

    for model, why in ((tmp_path / "nowhere" / "model", "no such file"), (tmp_path, "is a dir")):
        status = train(text, model, "--epochs", "1")

        assert status == 1
        assert f"the model cannot be written: {why}" in capsys.readouterr().err


def test_numbers_that_are_none_give_one_line_and_no_warnings(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--cell", "rnn", "--rate", "1000", "--clip", "0", "--hidden", "8")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        status = train(text, tmp_path / "model", *options, "--epochs", "100")

    assert status == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "a rate below 1000 may help" in message


def test_resuming_on_another_text_or_as_another_network_is_refused(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(text, tmp_path / "model", "--epochs", "1")
    wider = main(
        ["train", str(text), "--model", str(tmp_path / "model"), "--resume", "--hidden", "13"]
    )
    text.write_text(TEXT + "more", encoding="utf-8")
    other = train(text, tmp_path / "model", "--resume")

    assert (wider, other) == (2, 2)
    err = capsys.readouterr().err
    assert "--hidden: 13 is not 12, which" in err
    assert "was trained on another text" in err


def test_a_finished_training_can_be_given_more_epochs(text: Path, tmp_path: Path) -> None:
    train(text, tmp_path / "model", "--epochs", "1")
    before = Model.load(tmp_path / "model").training["taken"]

    train(text, tmp_path / "model", "--resume", "--epochs", "3")

    assert Model.load(tmp_path / "model").training["taken"] == 3 * before
