"""`rnnd train`: train a character model on a text."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import Field, fields, replace
from difflib import get_close_matches
from math import inf, isnan
from pathlib import Path
from types import FrameType
from typing import Any, get_args

from rich.console import Console

from rnnd.codecs.char import CharCodec
from rnnd.config.units import parse_duration
from rnnd.daemon.character.models import Model, check_place
from rnnd.daemon.character.texts import read_texts
from rnnd.daemon.character.training import Training
from rnnd.daemon.character.training_loop import Loop, Plan, fingerprint
from rnnd.daemon.character.training_report import Silence, Terminal, bits
from rnnd.daemon.character.training_settings import TrainingSettings, preset
from rnnd.errors import UsageError

PREFIX = "RNND_"
ALIKE = 0.7  # as `difflib` measures it: RNND_PASSWORD is like none
SCHEDULE = {"epochs", "rate", "warmup", "floor", "decay", "dropout", "dropconnect", "clip"}
"""Settings that may change when a training is resumed; the others decide what was saved."""

RANGES: Mapping[str, tuple[float, float]] = {
    "hidden": (1, 16384),
    "layers": (1, 32),
    "length": (1, 65536),
    "batch": (1, 65536),
    "epochs": (0, 1e6),
    "rate": (1e-12, 1e3),
    "warmup": (0, 0.99),
    "floor": (0, 1),
    "decay": (0, 1e3),
    "dropout": (0, 0.95),
    "dropconnect": (0, 0.95),
    "clip": (0, 1e9),
    "validation": (0, 0.9),
    "processes": (1, 256),
    "seed": (0, 2**63 - 1),
}
"""The least and the greatest value of each number among the settings."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd train` takes; settings not given come from the environment or defaults."""
    parser.epilog = (
        "With --for, hidden units, rate, dropout and dropconnect default to what does best in that "
        "time with so much text. Each hyper-parameter may also be set through the environment: "
        "RNND_HIDDEN=512 is --hidden 512. An option wins."
    )
    parser.add_argument(
        "texts", nargs="*", default=["-"], metavar="TEXT", help="UTF-8 files (default: -, stdin)"
    )
    parser.add_argument(
        "--model", required=True, type=Path, metavar="FILE", help="the file to write"
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training that left the model file"
    )
    parser.add_argument(
        "--for", metavar="TIME", dest="budget", help="train for so long, instead of --epochs"
    )
    parser.add_argument(
        "--save-every", metavar="TIME", default="1m", help="write the file so often (default: 1m)"
    )
    parser.add_argument(
        "--sample-every",
        metavar="TIME",
        default="1m",
        help="on a terminal, show so often what the model writes (default: 1m)",
    )
    group = parser.add_argument_group("hyper-parameters")
    for item in fields(TrainingSettings):
        group.add_argument(
            f"--{item.name}",
            metavar="|".join(get_args(item.type)) or ("N" if item.type is int else "X"),
            help=f"{item.metadata['help']} (default: {item.default})",
        )


def run(arguments: argparse.Namespace) -> int:
    """Train, write the model file, and print the loss on the text that was held out."""
    given = given_settings(vars(arguments), os.environ)
    plan = Plan(
        arguments.model,
        _seconds("--for", arguments.budget),
        _seconds("--save-every", arguments.save_every) or inf,
        _seconds("--sample-every", arguments.sample_every) or inf,
    )
    check_place(plan.path)
    model = Model.load(arguments.model) if arguments.resume else None
    text = read_texts(arguments.texts)
    codec = CharCodec.of(text)
    if model is None:
        settings = TrainingSettings(**(preset(plan.budget, len(text)) | given))
    else:
        settings = resumed(model, given, text, plan)
    with ExitStack() as stack:
        training = stack.enter_context(Training(settings, len(codec.alphabet), codec.symbols(text)))
        console = Console(stderr=True)
        reporter: Terminal | Silence = Terminal(console) if console.is_terminal else Silence()
        stack.enter_context(reporter)
        loop = Loop(training, codec, plan, time.monotonic, reporter, fingerprint(text))
        if model is not None:
            loop.restore(model)
        with _stopping(loop):
            complete = loop.run()
    print(summary(loop))
    if not complete:
        print(f"rnnd: stopped; --resume goes on with {plan.path}", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def given_settings(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that were given, by an option or else by the environment.

    Raises `UsageError` for a value that is not of its type or out of its range, and for a variable
    that is misspelt.

    >>> given_settings({"hidden": "64"}, {"RNND_HIDDEN": "32", "RNND_RATE": "0.1"})
    {'hidden': 64, 'rate': 0.1}
    """
    given = {}
    _look_for_slips(environment)
    for item in fields(TrainingSettings):
        variable = PREFIX + item.name.upper()
        if (text := options.get(item.name)) is not None:
            given[item.name] = _parse(item, f"--{item.name}", text)
        elif (text := environment.get(variable)) is not None:
            given[item.name] = _parse(item, variable, text)
    return given


def _look_for_slips(environment: Mapping[str, str]) -> None:
    names = [item.name.upper() for item in fields(TrainingSettings)]
    for variable in environment:
        name = variable.removeprefix(PREFIX)
        if name == variable or name in names:
            continue
        if close := get_close_matches(name, names, 1, ALIKE):
            raise UsageError(f"{variable}: is unknown, did you mean {PREFIX}{close[0]}?")


def _parse(item: "Field[Any]", source: str, text: str) -> Any:
    if choices := get_args(item.type):
        if text not in choices:
            raise UsageError(f"{source}: {text!r} is not one of {', '.join(choices)}")
        return text
    low, high = RANGES[item.name]
    kind, noun = (int, "a whole number") if item.type is int else (float, "a number")
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"{source}: {text!r} is not {noun}") from None
    if not low <= value <= high:
        raise UsageError(f"{source}: {text} is not between {low:g} and {high:g}")
    return value


def _seconds(option: str, text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def resumed(model: Model, given: Mapping[str, Any], text: str, plan: Plan) -> TrainingSettings:
    """Return the settings that *model*'s training goes on with.

    Raises `UsageError` where the text is another or a setting given would need another model.
    """
    if not model.training:
        raise UsageError(f"{plan.path}: the model holds no training that could go on")
    if model.training["text"] != fingerprint(text):
        raise UsageError(f"{plan.path}: the model was trained on another text than this")
    settings = TrainingSettings(**model.training["settings"])
    for name, value in given.items():
        saved = getattr(settings, name)
        if name not in SCHEDULE and value != saved:
            raise UsageError(f"--{name}: {value} is not {saved}, which {plan.path} began with")
    return replace(settings, **given)


@contextmanager
def _stopping(loop: Loop) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the training after the step; a second Ctrl-C at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        loop.stop = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def summary(loop: Loop) -> str:
    """Return one line that says what was trained and how well."""
    training = loop.training
    epochs = training.taken / training.windows.epoch
    loss = loop.best_loss
    if isnan(loss):
        found = f"loss {training.loss:.3f} nats a character on the text itself"
    else:
        found = f"loss {loss:.3f} nats ({bits(loss):.3f} bits) a character on unseen text"
    return f"{loop.plan.path}: {epochs:.2f} epochs, {found}"
