"""How the settings of a recipe grow with the number of words to train on."""

from __future__ import annotations

import math
from typing import Any

RECIPE_WORDS = 200_000
"""The number of words that the recipes are made for."""
# Attributes with more values in more text. First letters and shapes are nearly all in the first 200,000 words.
_GROWING = ("NORM", "SUFFIX")


def scale_settings(config: dict[str, Any], n_words: int) -> dict[str, Any]:
    """Map a number of words to the settings that fit it.

    With a factor of the square root of `n_words / 200,000`, at least 1:

    - The tables of `NORM` and `SUFFIX` get factor times as many rows. In 0.2, 1 and 3.5 million words of raw text,
      6,071, 16,228 and 31,803 words occur at least three times: they grow with the 0.58th power of the number of words.
      Rarer words are left to their characters. More rows take memory, but no time.
    - The training has factor times as many steps, so that it passes more seldom over more text: 6 times over 200,000
      words, 1.2 times over 5 million, and over 38 % of 50 million (`efficiency`). A text that is not repeated can't
      be learned by heart, and each pass teaches less than the one before.
    - The warmup and all that is counted in steps grows as the training does, so the schedule keeps its shape.
    - Widths stay. They decide the speed that a recipe is for.
    - `identity_dropout` stays. A word is dropped more seldom the more contexts it has, so the share of dropped words
      falls by itself as the share of unseen words does: in the same texts, with 0.5, it is 4.2, 1.9 and 1.2 %, where
      5.6, 2.3 and 1.2 % of the words of other texts are unseen.

    config: a config of `make_config`.
    n_words: number of words to train on, >= 1. For up to 200,000 words, the settings are the recipe's own.
    RETURNS: the settings that grow, with dotted names.
    """
    factor = math.sqrt(max(n_words, RECIPE_WORDS) / RECIPE_WORDS)
    embed = config["components"]["tok2vec"]["model"]["embed"]
    rows = [
        round(n_rows * factor) if attr in _GROWING else n_rows
        for attr, n_rows in zip(embed["attrs"], embed["rows"], strict=True)
    ]
    training = config["training"]
    steps = {name: round(training[name] * factor) for name in ("max_steps", "patience", "eval_frequency")}
    schedule = training["optimizer"]["learn_rate"]
    return {
        "components.tok2vec.model.embed.rows": rows,
        **{f"training.{name}": n_steps for name, n_steps in steps.items()},
        "training.optimizer.learn_rate.warmup_steps": round(schedule["warmup_steps"] * factor),
        "training.optimizer.learn_rate.total_steps": steps["max_steps"],
    }
