"""`spacy-bilstm.WordEmbed.v1`: its config, its errors, and a tagger that reads characters with it."""

from collections.abc import Iterator
from typing import Any

import numpy
import pytest
import spacy
from spacy import registry
from spacy.attrs import LOWER, NORM, ORTH, TAG
from spacy.language import Language
from spacy.tokens import Doc
from spacy.training import Example
from spacy.vectors import Vectors
from spacy.vocab import Vocab
from thinc.api import Config, fix_random_seed
from toy_embeddings import make_embedding

from spacy_bilstm.bridge.shim import TorchShim


def test_a_config_names_attributes_by_name_or_id() -> None:
    config = Config().from_str(
        """
        [model]
        @architectures = "spacy-bilstm.WordEmbed.v1"
        width = 8
        attrs = ["NORM", "lower", 65, "TAG"]
        rows = [50, 50, 50, 50]
        """
    )
    model = registry.resolve(config)["model"]
    assert model.attrs["attrs"] == [NORM, LOWER, ORTH, TAG]
    assert model.get_dim("nO") == 8
    assert isinstance(model.shims[0], TorchShim)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": [5]}, r"3 attrs \(\['NORM', 'PREFIX', 'SHAPE'\]\) and 1 rows \(\[5\]\)"),
        ({"attrs": ["NROM"], "rows": [5]}, "Unknown attribute 'NROM'.*Use some of: .*NORM"),
        ({"attrs": [9999], "rows": [5]}, "Unknown attribute '9999'"),
        ({"attrs": [""], "rows": [5]}, "Unknown attribute ''"),
        ({"attrs": [], "rows": []}, "nothing to embed"),
        ({"char_encoder": "rnn"}, "Unknown char_encoder 'rnn'"),
        ({"max_chars": 0}, "max_chars >= 1"),
        ({"word_dropout": 1.5}, "word_dropout is a rate"),
        ({"identity_dropout": -0.1}, "identity_dropout is a strength and must be at least 0, but it is -0.1"),
        ({"identity_dropout": float("nan")}, "must be at least 0, but it is nan"),
        ({"identity_dropout": float("inf")}, "must be at least 0, but it is inf"),
        ({"width": 0}, "width >= 1"),
        ({"width": 10**9}, "width = 1000000000.* would have about .* weights"),
        ({"rows": [10, 10**12, 10]}, r"rows = \[10, 1000000000000, 10\]"),
        ({"attr_width": 10**9}, "attr_width = 1000000000"),
        ({"maxout_pieces": 10**9}, "maxout_pieces = 1000000000"),
        ({"char_encoder": "cnn", "char_rows": 10**9}, "char_rows = 1000000000"),
        ({"char_encoder": "bilstm", "char_width": 10**6}, "char_width = 1000000"),
    ],
)
def test_a_bad_argument_is_an_error_that_names_it(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_embedding(**arguments)


# A tagger that reads the endings of words

ENDINGS = {"ing": "VERB", "ness": "NOUN", "ly": "ADV"}


def make_examples(vocab: Vocab, stems: str) -> list[Example]:
    """Return examples of words whose ending determines the tag."""
    examples = []
    for i, stem in enumerate(stems):
        words = [stem * (1 + (i + j) % 4) + ending for j, ending in enumerate(ENDINGS)]
        words = words[i % 3 :] + words[: i % 3]
        tags = [tag for word in words for ending, tag in ENDINGS.items() if word.endswith(ending)]
        examples.append(Example(Doc(vocab, words=words), Doc(vocab, words=words, tags=tags)))
    return examples


def make_tagger(char_encoder: str) -> Language:
    """Return an untrained tagger on all kinds of features."""
    nlp = spacy.blank("en")
    nlp.vocab.vectors = Vectors(strings=nlp.vocab.strings, shape=(2, 5))
    nlp.vocab.set_vector("bing", numpy.ones(5, dtype="f"))
    embed = {
        "@architectures": "spacy-bilstm.WordEmbed.v1",
        "width": 32,
        "attrs": ["NORM"],
        "rows": [50],
        "char_encoder": char_encoder,
        "include_static_vectors": True,
        "word_dropout": 0.05,
    }
    encode = {"@architectures": "spacy-bilstm.BiLSTMEncoder.v1", "width": 32}
    tok2vec = {"@architectures": "spacy-bilstm.Tok2Vec.v1", "embed": embed, "encode": encode}
    nlp.add_pipe("bilstm_tagger", config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": tok2vec}})
    return nlp


@pytest.fixture(scope="module", params=["cnn", "bilstm"])
def trained(request: pytest.FixtureRequest) -> Iterator[tuple[Language, str]]:
    """A trained tagger, and its character encoder."""
    fix_random_seed(0)
    nlp = make_tagger(request.param)
    examples = make_examples(nlp.vocab, "bcdfghjklmnp")
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    for _ in range(40):
        nlp.update(examples, sgd=optimizer, drop=0.1)
    return nlp, request.param


def test_a_tagger_learns_from_characters(trained: tuple[Language, str]) -> None:
    """The words have other stems than in training, so only their endings help."""
    nlp, _ = trained
    assert nlp.evaluate(make_examples(nlp.vocab, "qrstvwxz"))["tag_acc"] > 0.9


@pytest.mark.parametrize("way", ["disk", "bytes"])
def test_a_saved_tagger_predicts_the_same(trained: tuple[Language, str], way: str, tmp_path: Any) -> None:
    nlp, char_encoder = trained
    if way == "disk":
        nlp.to_disk(tmp_path)
        loaded = spacy.load(tmp_path)
    else:
        loaded = make_tagger(char_encoder).from_bytes(nlp.to_bytes())
    texts = ["bing qqness", "zly"]
    tags, expected = ([[token.tag_ for token in doc] for doc in x.pipe(texts)] for x in (loaded, nlp))
    assert tags == expected
