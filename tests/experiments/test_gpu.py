"""The program that measures a GPU, on a CPU."""

from pathlib import Path

from spacy.tokens import DocBin
from spacy.vocab import Vocab
from toy_corpus import make_docs

from spacy_bilstm.benchmarks.device import Device
from spacy_bilstm.experiments.gpu import measure_pipeline
from spacy_bilstm.recipes import make_config


def test_the_loss_falls_while_training_is_measured(tmp_path: Path) -> None:
    """The recipes warm up from a learning rate of 0, so the schedule must advance."""
    corpus = tmp_path / "train.spacy"
    DocBin(docs=make_docs(Vocab(), 24)).to_disk(corpus)
    config = make_config("en", ["tagger", "ner"])
    config["training"]["optimizer"]["learn_rate"]["warmup_steps"] = 10
    model = config["components"]["tok2vec"]["model"]
    model["embed"] |= {"width": 32, "attr_width": 16, "char_width": 16}
    model["encode"]["width"] = 32
    first, last = measure_pipeline(Device(-1, 1), config, corpus, steps=40, rounds=1).losses
    assert last < 0.7 * first
