"""Time the embeddings of new words, with and without tables that are multiplied in advance.

python -m spacy_bilstm.experiments.embedding_timings
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from spacy.ml.models.tok2vec import MultiHashEmbed
from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..bridge.model_types import Tok2VecModel
from ..bridge.projected_embeddings import ProjectedEmbeddings
from .tables import Table
from .timing import get_medians
from .timing_program import run_timings

N_WORDS = (1, 10, 100, 1000)
# The two embeddings of en_core_web_sm 3.8.0: that of its `tok2vec` and that of its `ner`.
NER_ROWS = {"NORM": 5000, "PREFIX": 1000, "SUFFIX": 2500, "SHAPE": 2500}
TOK2VEC_ROWS = {**NER_ROWS, "SPACY": 50, "IS_SPACE": 50}
WIDTH = 96


def time_embeddings(rounds: int, n_words: Sequence[int] = N_WORDS) -> Table:
    """Time `ProjectedEmbeddings` and the layers that it replaces, on random words.

    rounds: a tenth of the number of rounds: a single doc is short.
    n_words: numbers of words in a doc.
    RETURNS: the table, in microseconds per word.
    """
    layers = [_make_layer(TOK2VEC_ROWS), _make_layer(NER_ROWS)]
    projected = ProjectedEmbeddings(layers)
    rows = []
    for n in n_words:
        doc = Doc(Vocab(), words=[f"word{i}" for i in range(n)])
        calls: dict[str, Callable[[], object]] = {
            "layers": partial(_predict, layers, doc),
            "projected": partial(projected.predict, doc),
        }
        medians = get_medians(calls, 10 * rounds)
        microseconds = {name: 1e6 * seconds / n for name, seconds in medians.items()}
        ratio = microseconds["layers"] / microseconds["projected"]
        rows.append((str(n), *(f"{value:.1f}" for value in microseconds.values()), f"{ratio:.1f}"))
    return Table(("words", "layers", "projected", "ratio"), rows)


def _predict(layers: Sequence[Tok2VecModel], doc: Doc) -> None:
    for layer in layers:
        layer.predict([doc])


def _make_layer(rows: dict[str, int]) -> Tok2VecModel:
    layer: Tok2VecModel = MultiHashEmbed(WIDTH, list(rows), list(rows.values()), include_static_vectors=False)
    layer.initialize(X=[Doc(Vocab(), words=["word"])])
    return layer


if __name__ == "__main__":
    run_timings(__doc__, {"embeddings": time_embeddings})
