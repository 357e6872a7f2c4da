"""Any value of any argument of any registered function: an error that explains itself, or a pipeline that works.

The long form takes minutes: python -m pytest -m slow tests/fuzz/test_configs.py
"""

import inspect
import math
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy
import pytest
import spacy
from fuzz_pipelines import CRF, EMBED, LISTENER, TAGGER, TEXTCAT, TEXTCAT_V2, TOK2VEC, WIDTH
from fuzzing import N_BLOCKS, get_block, run_cases
from spacy.language import Language
from spacy.util import registry
from thinc.api import ConfigValidationError, fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import assert_same_annotations, get_annotations

Block = dict[str, Any]
ENCODE: Block = TOK2VEC["encode"]
NUMBERS = [-1, 0, 1, 2, 3, 5, 7, 16, 33, 0.0, 0.1, 0.5, 0.99, 1.0, 1.5, 1e-9, 1e9, 10**9 + 1, 2**70]
OTHERS = [None, True, False, "", "x", [], [1], [0.5, 2], {}, math.nan, math.inf, -math.inf, "1", "null"]
NAMES = ["NORM", "ORTH", "SHAPE", "LEMMA", "TAG", "ENT_TYPE", "IS_SPACE", "cnn", "bilstm", "sum", "mean", "concat"]
NAMES += ["mul", "rnn", "gru", "lstm", "max", "attention", "last", "float32", "bfloat16", "int8", "ner", "sc"]
BATCH = {"@batchers": "spacy-bilstm.batch_by_length.v1", "size": 20}
FUNCTIONS: dict[str, Block] = {
    "spacy-bilstm.BiLSTMEncoder.v1": {"width": WIDTH},
    "spacy-bilstm.RecurrentEncoder.v1": ENCODE,
    "spacy-bilstm.WordEmbed.v1": EMBED,
    "spacy-bilstm.Tok2Vec.v1": TOK2VEC,
    "spacy-bilstm.CRFTagger.v1": CRF,
    "spacy-bilstm.TextCat.v1": TEXTCAT | {"tok2vec": LISTENER},
    "spacy-bilstm.TextCat.v2": TEXTCAT_V2 | {"tok2vec": LISTENER},
    "spacy-bilstm.PretrainBiLM.v1": {"hidden_size": 8, "n_buckets": 10},
    "spacy-bilstm.PretrainBiLM.v2": {"width": 8, "n_candidates": 10},
    "spacy-bilstm.Adam.v1": {"@optimizers": "spacy-bilstm.Adam.v1"},
    "spacy-bilstm.batch_by_length.v1": BATCH,
    "spacy-bilstm.batch_augmented.v1": {"@batchers": "spacy-bilstm.batch_augmented.v1", "batcher": BATCH},
    "spacy-bilstm.ner_scorer.v1": {"@scorers": "spacy-bilstm.ner_scorer.v1"},
    "bilstm_tok2vec": {"model": TOK2VEC},
    "bilstm_tagger": {"model": TAGGER},
    "bilstm_morphologizer": {"model": TAGGER},
    "bilstm_ner": {"model": CRF},
    "bilstm_textcat": {"model": TEXTCAT | {"tok2vec": LISTENER}},
    "bilstm_textcat_multilabel": {"model": TEXTCAT | {"tok2vec": LISTENER, "exclusive_classes": False}},
}
"""Valid arguments of each registered function."""
BUILT = ("tok2vec", "embed", "encode", "model", "batcher", "scorer", "nlp", "name")
"""Arguments that are other functions' results."""
TYPES = (ValueError, ConfigValidationError)


def get_function(name: str) -> Callable[..., Any]:
    """Return a registered function."""
    groups = ("architectures", "optimizers", "batchers", "scorers")
    group = next((group for group in groups if registry.has(group, name)), None)
    function: Callable[..., Any] = registry.get(group or "factories", name)
    return function


def change_arguments(name: str, rng: random.Random) -> Block:
    """Return valid arguments of a function, of which some are replaced by random values."""
    block = dict(FUNCTIONS[name])
    arguments = [argument for argument in inspect.signature(get_function(name)).parameters if argument not in BUILT]
    for argument in rng.sample(arguments, min(len(arguments), rng.choice([1, 1, 2, 3]))):
        if rng.random() < 0.05:
            block.pop(argument, None)
        elif argument in ("attrs", "rows") and rng.random() < 0.8:
            values = NAMES[:8] if argument == "attrs" else NUMBERS
            block[argument] = [rng.choice(values) for _ in range(rng.randint(0, 5))]
        else:
            block[argument] = rng.choice(rng.choice([NUMBERS, NUMBERS, OTHERS, NAMES]))
    return block


def make_config(name: str, changed: Block) -> tuple[Block, Block]:
    """Return the configs of the components and the training block that use a function."""
    tok2vec = dict(TOK2VEC)
    training: Block = {"optimizer": FUNCTIONS["spacy-bilstm.Adam.v1"], "batcher": BATCH}
    short = name.split(".")[1] if "." in name else name
    if short in ("BiLSTMEncoder", "RecurrentEncoder"):
        tok2vec["encode"] = {"@architectures": name, **changed}
    elif short == "WordEmbed":
        tok2vec["embed"] = changed
    elif short == "Tok2Vec":
        tok2vec = changed
    elif short == "Adam":
        training["optimizer"] = changed
    elif short.startswith("batch"):
        training["batcher"] = changed
    pipes = {"bilstm_tok2vec": {"model": tok2vec}, "bilstm_ner": {"model": CRF}, "bilstm_tagger": {"model": TAGGER}}
    if short == "CRFTagger":
        pipes["bilstm_ner"] = {"model": changed}
    elif short == "ner_scorer":
        pipes["bilstm_ner"] = {"model": CRF, "scorer": changed}
    elif short == "TextCat":
        pipes = pipes | {"bilstm_textcat": {"model": changed}}
    elif short == "bilstm_tok2vec":
        pipes["bilstm_tok2vec"] = changed
    elif short.startswith("bilstm_"):
        pipes = {"bilstm_tok2vec": pipes["bilstm_tok2vec"], short: changed}
    return pipes, training


def train(pipes: Block, training: Block, rng: random.Random) -> Language:
    """Make a pipeline and train it for two steps."""
    fix_random_seed(rng.randrange(2**32))
    nlp = spacy.blank("xx")
    for pipe, config in pipes.items():
        nlp.add_pipe(pipe, config=config)
    resolved = registry.resolve({"training": training})["training"]
    examples = make_examples(nlp.vocab, 6)
    nlp.initialize(lambda: examples)
    for step, batch in enumerate(resolved["batcher"](examples)):
        nlp.update(batch, sgd=resolved["optimizer"], drop=0.1)
        resolved["optimizer"].step_schedules()
        if step == 1:
            break
    return nlp


def pretrain(name: str, arguments: Block) -> None:
    """Run a step of the objective of `spacy pretrain`."""
    vocab = spacy.blank("xx").vocab
    config = {"tok2vec": TOK2VEC, "objective": {"@architectures": name, **arguments}}
    resolved = registry.resolve(config)
    model = resolved["objective"](vocab, resolved["tok2vec"])
    docs = make_docs(vocab, 3)
    model.initialize(X=docs)
    scores, backprop = model.begin_update(docs)
    loss, gradient = model.attrs["loss"](model.ops, docs, scores)
    assert math.isfinite(loss)
    backprop(gradient)


def check_works(nlp: Language, is_exact: bool) -> None:
    """Check that a pipeline predicts, alone as in a batch, that it can be scored, and that it can be stored."""
    texts = ["Anna travels to London.", "", "The  red dog\nsaw 3.14 birds", "x"]
    predicted = get_annotations(nlp.pipe(texts))
    if is_exact:
        assert_same_annotations(get_annotations(map(nlp, texts)), predicted)
    nlp.evaluate(make_examples(nlp.vocab, 4))
    restored = spacy.blank("xx", vocab=nlp.vocab).from_config(nlp.config, vocab=nlp.vocab)
    restored.from_bytes(nlp.to_bytes())
    assert get_annotations(restored.pipe(texts)) == predicted


def check_message(error: Exception) -> None:
    """Check that an error says in a sentence what is incorrect."""
    message = str(error)
    assert len(message.split()) > 4, repr(error)


def check_config(rng: random.Random) -> None:
    name = rng.choice(list(FUNCTIONS))
    changed = change_arguments(name, rng)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "Pretrain" in name:
                pretrain(name, changed)
                return
            pipes, training = make_config(name, changed)
            nlp = train(pipes, training, rng)
    except TYPES as error:
        check_message(error)
        return
    except Exception as error:
        raise AssertionError(f"{name} {changed}: {type(error).__name__}: {error}") from error
    try:
        with numpy.errstate(all="ignore"):
            check_works(nlp, is_exact=changed.get("inference_precision", "float32") == "float32")
    except ValueError as error:
        if "diverged" not in str(error):  # The last update may have made the weights infinite.
            raise AssertionError(f"{name} {changed}: {error}") from error
    except Exception as error:
        raise AssertionError(f"{name} {changed}: {type(error).__name__}: {error}") from error


def test_each_registered_function_has_cases() -> None:
    from importlib.metadata import distribution

    groups = ("spacy_architectures", "spacy_factories", "spacy_scorers", "spacy_batchers", "thinc_optimizers")
    names = {point.name for point in distribution("spacy-bilstm").entry_points if point.group in groups}
    assert set(FUNCTIONS) == names


def test_few_configs() -> None:
    run_cases("configs", check_config, range(15))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(N_BLOCKS))
def test_many_configs(block: int) -> None:
    run_cases("configs", check_config, get_block(block, 3_000))
