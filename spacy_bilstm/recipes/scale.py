"""How the settings of a recipe grow with the number of words to train on."""

from __future__ import annotations

import math
from typing import Any

RECIPE_WORDS = 200_000
"""The number of words that the recipes are made for."""
# Attributes with more values in more text. First letters are nearly all in the first 200,000 words.
_GROWING = ("NORM", "SUFFIX", "SHAPE")


def scale_settings(config: dict[str, Any], n_words: int) -> dict[str, Any]:
    """Map a number of words to the settings that fit it.

    With a factor of the square root of `n_words / 200,000`, at least 1:

    - The tables of `NORM`, `SUFFIX` and `SHAPE` get factor times as many rows. From 0.2 to 3.5 million words of raw
      text, a factor of 4.2, the words that occur at least three times grow 5.2 times, suffixes 3.5 times and shapes
      5.8 times. Rarer words are left to their characters. More rows take memory, but no time.
    - The training has factor times as many steps, so that it passes more seldom over more text: 6 times over 200,000
      words, 1.2 times over 5 million, and over 38 % of 50 million (`efficiency`). A text that is not repeated can't
      be learned by heart, and each pass teaches less than the one before.
    - The warmup and all that is counted in steps grows as the training does, so the schedule keeps its shape.
    - Widths stay. They decide the speed that a recipe is for.
    - `identity_dropout` stays. A word is dropped more seldom the more contexts it has, so the share of dropped words
      falls by itself as the share of unseen words does: after 0.2, 1 and 3.5 million words it is 5.3, 2.1 and 1.3 %,
      where 5.5, 2.5 and 1.3 % of the words of other texts are unseen.

    `spacy_bilstm.experiments.vocabulary` counts all of these.

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
