"""`spacy bilstm compare`: train encoders side by side on probe tasks or on a corpus."""

import typer

from .corpus import corpus
from .future_context import future_context
from .long_gap import long_gap
from .merge import merge
from .next_word import next_word
from .price import price
from .reading_frame import reading_frame

compare = typer.Typer(help="Compare encoders: what they can learn, and what they cost.", no_args_is_help=True)
compare.command("long-gap")(long_gap)
compare.command("future-context")(future_context)
compare.command("merge")(merge)
compare.command("reading-frame")(reading_frame)
compare.command("next-word")(next_word)
compare.command("corpus")(corpus)
compare.command("price")(price)


@compare.callback()
def callback() -> None:
    """Compare encoders: what they can learn, and what they cost.

    Each encoder is trained in a real spaCy pipeline, or as a language model for next-word, with the same embedding,
    optimizer and number of steps. A command that was stopped continues from its --output file.
    """
