"""The daemon tailing a log and a backtest of it predict the same, to the last bit."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from rnnd.config.schema import AppSettings
from rnnd.daemon.app import App
from rnnd.daemon.backtesting.replay import Replay
from rnnd.daemon.prediction.pipeline import AppPipeline, Prediction
from rnnd.daemon.state import StateFile

START = datetime(2026, 3, 1, tzinfo=UTC).timestamp()


def told(prediction: Prediction) -> Any:
    return (
        prediction.time,
        prediction.probabilities,
        prediction.healths,
        prediction.observed,
        prediction.surprise,
        prediction.outcomes,
    )


def story(hours: float) -> list[tuple[float, bytes]]:
    """Return when each line was written, and the line."""
    rng = np.random.default_rng(0)
    lines = []
    for second in np.arange(0.0, hours * 3600, 15.0):
        bad = second % 2700 < 15 and second > 0
        text = "CRITICAL out of workers" if bad else f"INFO request took {rng.integers(90)} ms"
        moment = datetime.fromtimestamp(START + second, UTC)
        lines.append((START + second, f"{moment:%Y-%m-%dT%H:%M:%SZ} {text}\n".encode()))
    return lines


def test_live_and_backtest_predict_the_same_to_the_last_bit_across_a_restart(
    tmp_path: Path,
) -> None:
    log = tmp_path / "shop.log"
    settings = AppSettings(name="shop", logs=(str(log),), tick=60.0)
    state = StateFile(tmp_path / "shop.state")
    live: list[Any] = []

    def start() -> App:
        app = App(settings, AppPipeline(settings), state, 3.0, [lambda p: live.append(told(p))])
        app.load()
        return app

    rng = np.random.default_rng(1)
    app = start()
    with log.open("ab", buffering=0) as file:
        for number, (written, line) in enumerate(story(5)):
            cut = int(rng.integers(len(line)))
            for piece in (line[:cut], line[cut:]):  # a reader may come between any two bytes
                file.write(piece)
                if rng.random() < 0.3:
                    app.turn(written, written)
            if number == 700:
                state.save(app.snapshot())
                app.close()
                app = start()
    while app.turn(written + 300, written + 300):
        pass
    app.close()

    backtest = list(map(told, Replay(AppPipeline(settings), settings.logs).predictions()))

    assert len(backtest) == 300
    assert live[:300] == backtest
