"""A tokenizer whose tokens are single characters, for sequences such as DNA, proteins or codes of strokes."""

from __future__ import annotations

from collections.abc import Callable

from spacy.language import Language
from spacy.tokens import Doc
from spacy.util import DummyTokenizer
from spacy.vocab import Vocab


class CharTokenizer(DummyTokenizer):
    """Makes a token of each character of a text.

    A space after a token belongs to it, as with spaCy's tokenizer, so "A C G" and "ACG" have the same three tokens.
    Further spaces and other whitespace, such as line breaks, are tokens. A character is a Unicode code point. The text
    of the Doc is the text itself.
    """

    def __init__(self, vocab: Vocab) -> None:
        """Create a tokenizer without settings.

        vocab: the vocabulary of its docs.
        """
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        """Split a text.

        text: the text.
        RETURNS: the Doc.
        """
        words: list[str] = []
        spaces: list[bool] = []
        for character in text:
            if character == " " and words and not spaces[-1]:
                spaces[-1] = True
            else:
                words.append(character)
                spaces.append(False)
        return Doc(self.vocab, words=words, spaces=spaces)


def make_char_tokenizer_v1() -> Callable[[Language], CharTokenizer]:
    """Make a tokenizer whose tokens are single characters, for `[nlp.tokenizer]` in a config.

    It has no settings. A space after a character belongs to its token; further spaces and other whitespace are tokens.

    RETURNS: a function that takes the pipeline and returns its tokenizer.
    """

    def make(nlp: Language) -> CharTokenizer:
        """Make the tokenizer of a pipeline."""
        return CharTokenizer(nlp.vocab)

    return make
