"""The corpus reader of a student: streams texts that teachers annotated, mixed with a gold corpus, without end."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from zlib import crc32

from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.training.corpus import walk_corpus
from spacy.vocab import Vocab

from ..bridge.soft_targets import forget_soft_targets
from ..util.docbin import StoredDocs

PARTS = "parts"
"""The folder of the annotated parts in an annotation directory."""
HELD_OUT = "held-out.spacy"
"""The file in an annotation directory with the texts that are held out from training."""
_HASHES = 2**32
# Parts whose documents are mixed. More parts mix better and take more memory.
_N_MIXED = 2

Reader = Callable[[Language], Iterator[Example]]


def make_distillation_corpus_v1(
    path: Path,
    gold: Path | None = None,
    gold_share: float = 0.2,
    held_out: float = 0.02,
    soft_targets: bool = True,
) -> Reader:
    """Make a reader of texts that teachers have annotated, for a student.

    It repeats the texts without end, in a new order each time, and needs memory for two parts only. Set
    `[training] max_epochs = -1`, so that spaCy streams them, and give the labels of all components in
    `[initialize.components]`. `spacy bilstm distill` writes such configs. Python's random generator, which
    `[training] seed` sets, makes all random choices.

    path: the annotation directory that `spacy bilstm distill` has written, or its folder `parts`.
    gold: an annotated corpus in `.spacy` format to mix in, a file or a folder, or null. Its files are kept in memory.
    gold_share: the share of the words that come from the gold corpus, 0 <= gold_share < 1. It is repeated as often as
        needed.
    held_out: the share of the texts that is left out, for evaluation, 0 <= held_out < 1. The text decides.
    soft_targets: whether to learn the teachers' probabilities. Otherwise, their best labels are learned.
    RETURNS: the reader.
    RAISES: ValueError for a share outside its range.
    """
    check_gold_share(gold_share)
    if not 0 <= held_out < 1:
        raise ValueError(f"held_out is a share. Set it to 0 or more and less than 1, not {held_out}.")
    corpus = DistillationCorpus(Path(path), gold, gold_share, held_out, soft_targets)
    return corpus.read


def check_gold_share(share: float) -> None:
    """Check the share of a gold corpus.

    share: the share.
    RAISES: ValueError if it is out of range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"gold_share is a share of the words. Set it to 0 or more and less than 1, not {share}.")


class DistillationCorpus:
    """Texts that teachers have annotated, and a gold corpus.

    path, gold, gold_share, held_out, soft_targets: as for `make_distillation_corpus_v1`.
    """

    def __init__(
        self, path: Path, gold: Path | None, gold_share: float, held_out: float, soft_targets: bool = True
    ) -> None:
        self.path, self.gold, self.gold_share, self.held_out = path, gold, gold_share, held_out
        self.soft_targets = soft_targets

    def read(self, nlp: Language) -> Iterator[Example]:
        """Yield examples without end.

        nlp: the pipeline.
        RAISES: ValueError if there are no annotated parts, or if one of the corpora has no words.
        """
        annotated = self._read_annotated(nlp)
        if self.gold is None or not self.gold_share:
            yield from annotated
            return
        gold = self._read_gold(Path(self.gold), nlp)
        n_gold = n_words = 0
        while True:
            is_gold = n_gold <= self.gold_share * n_words
            example = next(gold if is_gold else annotated)
            n_words += len(example.reference)
            n_gold += len(example.reference) if is_gold else 0
            yield example

    def _read_annotated(self, nlp: Language) -> Iterator[Example]:
        parts = find_parts(self.path)
        while True:
            random.shuffle(parts)
            n_docs = 0
            for start in range(0, len(parts), _N_MIXED):
                for doc in _read_mixed(parts[start : start + _N_MIXED], nlp):
                    if not is_held_out(doc.text, self.held_out):
                        if not self.soft_targets:
                            forget_soft_targets(doc)
                        n_docs += 1
                        yield Example(copy_words(doc, nlp.vocab), doc)
            if not n_docs:
                raise ValueError(f"{self.path} has no words to train on. Use more texts, or a smaller `held_out`.")

    def _read_gold(self, gold: Path, nlp: Language) -> Iterator[Example]:
        """Yield examples as `spacy.Corpus.v1` does, without end."""
        paths = [Path(path) for path in walk_corpus(gold, ".spacy")]
        while True:
            n_docs = 0
            for doc in _read_mixed(paths, nlp):
                n_docs += 1
                yield Example(copy_words(doc, nlp.vocab) if doc.has_unknown_spaces else nlp.make_doc(doc.text), doc)
            if not n_docs:
                raise ValueError(f"{gold} has no words. Give a gold corpus in .spacy format.")


def _read_mixed(paths: Sequence[Path], nlp: Language) -> Iterator[Doc]:
    """Yield the docs of several files in random order, without empty ones."""
    stored = [StoredDocs(path, nlp.vocab) for path in paths]
    places = [(docs, i) for docs in stored for i in range(len(docs))]
    random.shuffle(places)
    for docs, i in places:
        doc = docs[i]
        if len(doc):
            yield doc


def copy_words(doc: Doc, vocab: Vocab) -> Doc:
    """Return a doc with the words and spaces of another, and no annotation.

    doc: the other doc.
    vocab: the vocab of the new doc.
    """
    return Doc(vocab, words=[token.text for token in doc], spaces=[bool(token.whitespace_) for token in doc])


def is_held_out(text: str, share: float) -> bool:
    """Return whether a text is left out of training. Equal texts are treated alike.

    text: the text.
    share: the share of texts to leave out, 0 <= share < 1.
    """
    return crc32(text.encode("utf8", errors="surrogatepass")) < share * _HASHES


def find_parts(path: Path) -> list[Path]:
    """Return the annotated parts of an annotation directory, in order.

    path: the directory, or its folder of parts.
    RAISES: ValueError if there are none.
    """
    folder = path / PARTS
    parts = sorted((folder if folder.is_dir() else path).glob("part-*.spacy"))
    if not parts:
        raise ValueError(f"{path} has no annotated texts. Annotate some with: python -m spacy bilstm distill")
    return parts
