"""Pipelines on a GPU: training, mixed precision, moving between devices, and determinism."""

import io
from pathlib import Path
from typing import Any

import numpy
import pytest
import spacy
import srsly
import toy_spans
from numpy.testing import assert_allclose
from spacy.language import Language
from spacy.training.initialize import init_nlp
from spacy.training.loop import train as train_config
from spacy.util import load_model_from_config
from thinc.api import Config, Optimizer, fix_random_seed, get_current_ops, require_cpu, require_gpu
from toy_corpus import make_docs, make_examples
from toy_pipelines import assert_same_annotations, get_annotations, get_distance, get_shims, get_weights, update

from spacy_bilstm.recipes import make_config
from spacy_bilstm.training.loop import resolve_training_settings

PIPES = ["tagger", "morphologizer", "senter", "parser", "ner", "textcat"]


def make_small_config(recipe: str = "accuracy", pipes: list[str] = PIPES, **changes: Any) -> Config:
    """Return a recipe's config for a GPU with narrow layers and small tables."""
    config = make_config("en", pipes, recipe, gpu=True)
    model = config["components"]["tok2vec"]["model"]
    model["embed"] |= {"width": 32, "attr_width": 16, "char_width": 8, "rows": [200, 100, 100, 100], "char_rows": 200}
    model["encode"] |= {"width": 32, **changes}
    if "parser" in pipes:
        config["components"]["parser"]["min_action_freq"] = 1
    return config


def make_pipeline(config: Config) -> tuple[Language, Optimizer]:
    """Return a new pipeline on the current device, initialised on the toy corpus, and its config's optimizer."""
    fix_random_seed(0)
    nlp = load_model_from_config(config, auto_fill=True)
    nlp.initialize(lambda: make_examples(nlp.vocab))
    optimizer: Optimizer = resolve_training_settings(nlp)["optimizer"]
    optimizer.learn_rate = 0.02
    return nlp, optimizer


def train(nlp: Language, optimizer: Optimizer, epochs: int) -> list[float]:
    """Train a pipeline. RETURNS: the sum of the losses of each epoch."""
    totals = []
    for _ in range(epochs):
        losses: dict[str, float] = {}
        update(nlp, optimizer, losses=losses)
        totals.append(sum(float(value) for name, value in losses.items() if name != "tok2vec"))
    return totals


def predict(nlp: Language) -> list[dict[str, Any]]:
    """Annotate texts that the pipeline has not seen."""
    return get_annotations(nlp.pipe(doc.text for doc in make_docs(nlp.vocab, 12, seed=5)))


def test_all_components_learn_and_predict_the_same_on_a_cpu(device: str, tmp_path: Path) -> None:
    """A pipeline of the recipe `accuracy`, in mixed precision on the GPU, saved there and loaded on a CPU."""
    nlp, optimizer = make_pipeline(make_small_config())
    losses = train(nlp, optimizer, 12)
    assert losses[-1] < 0.2 * losses[0]
    assert {shim.device.type for shim in get_shims(nlp)} == {"cuda" if device == "gpu" else "cpu"}
    scores = nlp.evaluate(make_examples(nlp.vocab, seed=5))
    assert min(scores[name] for name in ("tag_acc", "pos_acc", "ents_f", "sents_f", "cats_macro_f")) > 0.9
    annotation = predict(nlp)
    nlp.to_disk(tmp_path)
    require_cpu()
    assert_same_annotations(predict(spacy.load(tmp_path)), annotation, atol=0.01)


def test_the_vectors_of_a_pipeline_agree_on_both_devices(device: str, tmp_path: Path) -> None:
    nlp, optimizer = make_pipeline(make_small_config(pipes=["ner"]))
    train(nlp, optimizer, 2)
    docs = [doc.text for doc in make_docs(nlp.vocab, 12, seed=5)]
    to_numpy = get_current_ops().to_numpy
    vectors = [to_numpy(doc.tensor) for doc in nlp.pipe(docs)]
    nlp.to_disk(tmp_path)
    require_cpu()
    for moved, doc in zip(vectors, spacy.load(tmp_path).pipe(docs), strict=True):
        assert_allclose(moved, doc.tensor, atol=2e-2)


def test_a_pipeline_of_a_cpu_predicts_the_same_on_a_gpu(device: str, tmp_path: Path) -> None:
    require_cpu()
    nlp, optimizer = make_pipeline(make_small_config("efficiency"))
    train(nlp, optimizer, 8)
    annotation = predict(nlp)
    nlp.to_disk(tmp_path)
    if device == "gpu":
        require_gpu()
    assert_same_annotations(predict(spacy.load(tmp_path)), annotation, atol=0.01)


def test_a_model_moves_between_devices(device: str) -> None:
    """thinc's `to_gpu` and `to_cpu` move the weights; both predict the same to 1e-3."""
    require_cpu()
    config = make_small_config(pipes=["ner"], mixed_precision=False)
    config["components"]["tok2vec"]["model"]["embed"]["mixed_precision"] = False
    nlp, optimizer = make_pipeline(config)
    train(nlp, optimizer, 2)
    docs = [nlp.make_doc(doc.text) for doc in make_docs(nlp.vocab, 6, seed=5)]
    model = nlp.get_pipe("tok2vec").model
    expected = [vectors.copy() for vectors in model.predict(docs)]
    if device == "gpu":
        require_gpu()
        model.to_gpu(0)
        for vectors, before in zip(model.predict(docs), expected, strict=True):
            assert_allclose(get_current_ops().to_numpy(vectors), before, atol=1e-3)
        model.to_cpu()
        require_cpu()
    for vectors, before in zip(model.predict(docs), expected, strict=True):
        assert_allclose(vectors, before, atol=1e-5)


@pytest.mark.parametrize("mixed_precision", [False, True])
def test_the_same_seed_trains_nearly_the_same_weights(device: str, mixed_precision: bool) -> None:
    """Exactly the same on a CPU. On a GPU, sums of gradients over hash table rows have no fixed order."""
    weights = []
    for _ in range(2):
        nlp, optimizer = make_pipeline(make_small_config(pipes=["tagger", "ner"], mixed_precision=mixed_precision))
        train(nlp, optimizer, 1)
        weights.append(get_weights(nlp.get_pipe("tok2vec").model))
    assert get_distance(*weights) <= (0.02 if device == "gpu" else 0.0)


def test_an_overflow_in_half_precision_skips_the_update(device: str) -> None:
    """A gradient that overflows changes no weight of the encoder. The scale of gradients shrinks; training goes on."""
    nlp, optimizer = make_pipeline(make_small_config(pipes=["tagger"]))
    train(nlp, optimizer, 1)
    model = nlp.get_pipe("tok2vec").model
    shims = [shim for shim in get_shims(nlp) if shim.mixed_precision]
    docs = [nlp.make_doc("Anna sees the small dog .")]
    before = get_weights(model)
    output, backprop = model.begin_update(docs)
    scales = [shim._grad_scaler._scale.item() for shim in shims] if device == "gpu" else []
    backprop([vectors * 0 + 1e38 for vectors in output])
    if device == "gpu":
        model.finish_update(optimizer)
        assert get_distance(before, get_weights(model), torch_only=True) == 0.0
        assert min(shim._grad_scaler._scale.item() for shim in shims) < min(scales)
        assert all(numpy.isfinite(loss) for loss in train(nlp, optimizer, 1))
    else:
        # In single precision nothing overflows; the optimizer clips.
        model.finish_update(optimizer)
        assert all(numpy.isfinite(weights).all() for weights in get_weights(model).values())


def test_averages_are_used_in_their_block_only(device: str) -> None:
    nlp, optimizer = make_pipeline(make_small_config("efficiency", ["tagger"]))
    train(nlp, optimizer, 2)
    before = get_weights(nlp.get_pipe("tok2vec").model)
    with nlp.use_params(optimizer.averages):
        assert get_distance(before, get_weights(nlp.get_pipe("tok2vec").model), torch_only=True) > 0
    assert get_distance(before, get_weights(nlp.get_pipe("tok2vec").model)) == 0


def test_pretraining_lowers_its_loss(gpu_id: int, tmp_path: Path, run_spacy: Any) -> None:
    config = make_small_config("efficiency", ["tagger"])
    config["paths"]["raw_text"] = str(tmp_path / "raw.jsonl")
    srsly.write_jsonl(tmp_path / "raw.jsonl", [{"text": doc.text} for doc in make_docs(spacy.blank("en").vocab, 200)])
    config["pretraining"] = {
        "max_epochs": 2,
        "component": "tok2vec",
        "layer": "",
        "n_save_every": None,
        "n_save_epoch": 1,
        "dropout": 0.1,
        "objective": {"@architectures": "spacy-bilstm.PretrainBiLM.v1"},
        "corpus": "corpora.pretrain",
        "optimizer": {"@optimizers": "Adam.v1", "learn_rate": 0.01, "use_averages": True},
        "batcher": {"@batchers": "spacy.batch_by_words.v1", "size": 300, "discard_oversize": False, "tolerance": 0.2},
    }
    config["corpora"]["pretrain"] = {"@readers": "spacy.JsonlCorpus.v1", "path": "${paths.raw_text}"}
    config.to_disk(tmp_path / "config.cfg")
    run_spacy("pretrain", tmp_path / "config.cfg", tmp_path / "out", "--gpu-id", gpu_id)
    log = srsly.read_jsonl(tmp_path / "out" / "log.jsonl")
    losses = [line["epoch_loss"] / line["nr_word"] for line in log]
    assert losses[-1] < losses[0]


def test_lemmas_links_and_spans_are_learned(gpu_id: int, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    config = toy_spans.make_small_config(
        toy_spans.write_corpora(tmp_path), "trainable_lemmatizer", "senter", "ner", "entity_linker", "spancat"
    )
    train_config(
        init_nlp(config, use_gpu=gpu_id),
        tmp_path / "output",
        use_gpu=gpu_id,
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    require_cpu()
    performance = spacy.load(tmp_path / "output/model-last").meta["performance"]
    assert min(performance[name] for name in ("lemma_acc", "nel_micro_f", "spans_sc_f")) > 0.9


def test_a_text_classifier_with_ngrams_learns_and_predicts_the_same_on_a_cpu(device: str, tmp_path: Path) -> None:
    nlp, optimizer = make_pipeline(make_small_config("efficiency", ["textcat"]))
    losses = train(nlp, optimizer, 12)
    assert losses[-1] < 0.2 * losses[0]
    annotation = predict(nlp)
    nlp.to_disk(tmp_path)
    require_cpu()
    assert_same_annotations(predict(spacy.load(tmp_path)), annotation, atol=0.01)
