import numpy as np
import pytest

from rnnd.config.loading import load_settings
from rnnd.config.schema import AppSettings
from rnnd.daemon.prediction.pace import learning_cost, paced
from rnnd.daemon.prediction.pipeline import AppPipeline
from rnnd.errors import ConfigError
from rnnd.rnn.learner import ForecasterSettings


def test_the_default_budget_leaves_room_for_all_learning() -> None:
    app = AppSettings(name="a", logs=())

    assert paced(ForecasterSettings(), app.cpu_budget * app.tick) == ForecasterSettings()


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.001])
def test_a_smaller_budget_is_kept_by_learning_less_often(share: float) -> None:
    usual = ForecasterSettings()

    slower = paced(usual, share * learning_cost(usual))

    assert learning_cost(slower) < 1.0001 * share * learning_cost(usual)
    assert slower.hazards_every % usual.hazards_every == 0
    assert slower.hazards_every * usual.memory_every == slower.memory_every * usual.hazards_every


def test_a_pipeline_heeds_the_budget_of_its_app() -> None:
    text = "apps: [{name: a, logs: [/a.log], tick: 1s, cpu_budget: 0.001%}]"
    (app,) = load_settings(text, "rnnd.yaml").apps
    pipeline = AppPipeline(app)
    lines = b"".join(
        b"2026-03-01T00:%02d:%02dZ INFO %d\n" % (s // 60, s % 60, s) for s in range(900)
    )

    pipeline.feed("a.log", lines, 0.0)
    ticks = len(list(pipeline.finish()))

    usual = ticks // ForecasterSettings().hazards_every
    assert pipeline.forecaster.updates < usual / 4
    assert np.isfinite(pipeline.forecaster.loss)


@pytest.mark.parametrize("written", ["5", "0%", "101%", "five", "-1%"])
def test_a_bad_share_is_told(written: str) -> None:
    with pytest.raises(ConfigError, match="share"):
        load_settings(f"apps: [{{name: a, logs: [/a.log], cpu_budget: {written}}}]", "rnnd.yaml")
