"""`spacy pretrain` with `spacy-bilstm.PretrainBiLM.v1`, and `spacy train` with the pretrained weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import spacy
import srsly
from spacy.vocab import Vocab
from thinc.api import Config
from toy_corpus import make_docs
from toy_pipelines import LISTENER, WIDTH, get_distance, get_weights
from typer.testing import Result

TOK2VEC = {
    "@architectures": "spacy-bilstm.Tok2Vec.v1",
    "embed": {"@architectures": "spacy-bilstm.WordEmbed.v1", "width": WIDTH, "attrs": ["NORM"], "rows": [200]},
    "encode": {"@architectures": "spacy-bilstm.RecurrentEncoder.v1", "width": WIDTH},
}
OBJECTIVE = {"@architectures": "spacy-bilstm.PretrainBiLM.v1", "hidden_size": 32, "n_buckets": 50}


@pytest.fixture
def config_path(tmp_path: Path, corpus: Path, run_spacy: Callable[..., Result]) -> Path:
    """Write a config for pretraining and for one training step that changes no weights."""
    nlp = spacy.blank("en")
    nlp.add_pipe("tok2vec", config={"model": TOK2VEC})
    nlp.add_pipe("bilstm_textcat", config={"model": {"tok2vec": LISTENER}})
    nlp.config.to_disk(tmp_path / "blank.cfg")
    run_spacy("init", "fill-config", "--pretraining", tmp_path / "blank.cfg", tmp_path / "config.cfg")
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": doc.text} for doc in make_docs(Vocab())])
    config = Config().from_disk(tmp_path / "config.cfg", interpolate=False)
    config["paths"] |= {"raw_text": str(tmp_path / "raw.jsonl")}
    config["paths"] |= {"train": str(corpus / "train.spacy"), "dev": str(corpus / "dev.spacy")}
    config["pretraining"]["objective"] = OBJECTIVE
    config["pretraining"]["optimizer"]["learn_rate"] = 0.02
    config["training"] |= {"max_steps": 1}
    config["training"]["optimizer"]["learn_rate"] = 0.0
    config.to_disk(tmp_path / "config.cfg")
    return tmp_path / "config.cfg"


def test_pretraining_lowers_the_loss_and_training_starts_from_the_pretrained_weights(
    config_path: Path, tmp_path: Path, run_spacy: Callable[..., Result]
) -> None:
    run_spacy("pretrain", config_path, tmp_path / "pretrained", "--pretraining.max_epochs=10")
    losses = [line["epoch_loss"] for line in srsly.read_jsonl(tmp_path / "pretrained" / "log.jsonl")]
    assert losses[9] < 0.7 * losses[0]

    path = tmp_path / "pretrained" / "model9.bin"
    run_spacy("train", config_path, "--output", tmp_path / "fresh")
    run_spacy("train", config_path, "--output", tmp_path / "trained", f"--initialize.init_tok2vec={path}")
    fresh, trained = (
        spacy.load(tmp_path / name / "model-last").get_pipe("tok2vec").model for name in ("fresh", "trained")
    )
    start, end = get_weights(fresh), get_weights(trained)
    pretrained = get_weights(fresh.from_bytes(path.read_bytes()))
    assert get_distance(end, pretrained) == 0.0
    assert get_distance(start, pretrained, torch_only=True) > 0.01


def test_weights_of_another_width_are_an_error_that_says_so(
    config_path: Path, tmp_path: Path, run_spacy: Callable[..., Result]
) -> None:
    run_spacy("pretrain", config_path, tmp_path / "pretrained", "--pretraining.max_epochs=1")
    path = tmp_path / "pretrained" / "model0.bin"
    config = Config().from_disk(config_path, interpolate=False)
    config["components"]["tok2vec"]["model"]["encode"] |= {"width": 2 * WIDTH, "nI": WIDTH}
    config["components"]["bilstm_textcat"]["model"]["tok2vec"]["width"] = 2 * WIDTH
    config.to_disk(config_path)
    with pytest.raises(
        ValueError, match=rf"'norm.bias' has the shape \({WIDTH},\), but the model's is.*spacy pretrain"
    ):
        run_spacy("train", config_path, f"--initialize.init_tok2vec={path}")


def test_a_failed_load_of_weights_changes_nothing() -> None:
    wide = {**TOK2VEC, "encode": TOK2VEC["encode"] | {"width": 2 * WIDTH, "nI": WIDTH}}
    models = [spacy.blank("en").add_pipe("tok2vec", config={"model": model}).model for model in (TOK2VEC, wide)]
    for model in models:
        model.initialize(X=make_docs(Vocab(), 2))
    before = models[1].to_bytes()
    with pytest.raises(ValueError, match="The model has not changed"):
        models[1].from_bytes(models[0].to_bytes())
    assert models[1].to_bytes() == before
