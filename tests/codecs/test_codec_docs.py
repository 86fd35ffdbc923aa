"""The codec that docs/writing-a-codec.md shows is one."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnd.codecs.base import Codec

PAGE = Path(__file__).parents[2] / "docs" / "writing-a-codec.md"


@pytest.fixture
def codec() -> Any:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": "example"}
    exec(code, names)
    return names["LotteryCodec"]()


def test_the_codec_of_the_docs_is_a_codec(codec: Any) -> None:
    assert isinstance(codec, Codec)


def test_the_codec_of_the_docs_gives_back_what_it_was_given(codec: Any) -> None:
    draw = [2, 3, 4, 5, 6, 1]

    assert list(codec.decode(codec.encode(draw))) == draw


def test_the_codec_of_the_docs_chooses_hard_and_soft(codec: Any) -> None:
    probabilities = np.array([0.1, 0.5, 0.4, 0, 0, 0])

    assert codec.apply_dist(probabilities, None).argmax() == 1
    rng = np.random.default_rng(0)
    drawn = {int(codec.apply_dist(probabilities, rng).argmax()) for _ in range(50)}
    assert drawn == {0, 1, 2}
