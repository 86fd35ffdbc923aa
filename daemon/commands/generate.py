"""`rnnd generate`: let a trained model write, character by character."""

import argparse
import sys
from itertools import islice
from pathlib import Path

import numpy as np

from rnnd.daemon.character.models import Model
from rnnd.daemon.character.texts import decode
from rnnd.daemon.character.writing import continue_text, until
from rnnd.errors import UsageError
from rnnd.rnn.sampling import Choice, Soft, hard


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd generate` takes."""
    parser.add_argument(
        "--model", required=True, type=Path, metavar="FILE", help="what `rnnd train` wrote"
    )
    parser.add_argument(
        "--prompt",
        metavar="TEXT",
        help="text to continue; without it, standard input unless that is a terminal",
    )
    parser.add_argument(
        "--echo", action="store_true", help="print the prompt too, before what follows it"
    )
    parser.add_argument(
        "--length", type=int, default=500, metavar="N", help="characters (default: 500)"
    )
    parser.add_argument("--stop", metavar="TEXT", help="end before this text")
    parser.add_argument(
        "--choice",
        choices=["hard", "soft"],
        default="soft",
        help="hard: the most probable character; soft: one drawn (default: soft)",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        default=1.0,
        metavar="T",
        help="below 1 the probable becomes more probable, above 1 less (default: 1)",
    )
    parser.add_argument(
        "--top-p",
        type=float,
        default=1.0,
        metavar="P",
        help="draw from the most probable characters that together have this probability "
        "(default: 1, all)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="draw the same again (default: never the same)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write on standard output, and warn on standard error of characters never learnt."""
    choose = choice(arguments)
    model = Model.load(arguments.model)
    prompt = _prompt(arguments.prompt)
    if unknown := model.codec.unknown(prompt):
        names = " ".join(map(repr, unknown[:20])) + (" …" if len(unknown) > 20 else "")
        print(
            f"rnnd: prompt: left out, as the model never saw them: {names}",
            file=sys.stderr,
        )
    characters = islice(continue_text(model, prompt, choose), arguments.length)
    if arguments.echo:
        sys.stdout.write(prompt)
    for character in until(characters, arguments.stop) if arguments.stop else characters:
        sys.stdout.write(character)
        sys.stdout.flush()
    if sys.stdout.isatty():
        sys.stdout.write("\n")
    return 0


def choice(arguments: argparse.Namespace) -> Choice:
    """Return how characters are chosen; raises `UsageError` for numbers out of range."""
    if arguments.length < 0:
        raise UsageError(f"--length: {arguments.length} is below 0")
    if not 0 < arguments.temperature < float("inf"):
        raise UsageError(f"--temperature: {arguments.temperature:g} is not a number above 0")
    if not 0 < arguments.top_p <= 1:
        raise UsageError(f"--top-p: {arguments.top_p:g} is not above 0 and at most 1")
    if arguments.seed is not None and arguments.seed < 0:
        raise UsageError(f"--seed: {arguments.seed} is below 0")
    if arguments.choice == "hard":
        return hard
    rng = np.random.default_rng(arguments.seed)
    return Soft(rng, arguments.temperature, arguments.top_p)


def _prompt(given: str | None) -> str:
    if given is not None:
        return given
    return "" if sys.stdin.isatty() else decode("-", sys.stdin.buffer.read())
