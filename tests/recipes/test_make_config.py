"""`make_config`: a complete training config for any spaCy language and any mix of components."""

import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import spacy
import spacy.lang
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.schemas import ConfigSchemaPretrain
from spacy.training.pretrain import create_pretraining_model
from spacy.util import load_model_from_config
from thinc.api import Config
from toy_vectors import write_vectors

from spacy_bilstm.recipes import RECIPES, Recipe, RecipeError, add_pretraining, make_config

PIPES = ["tagger", "morphologizer", "trainable_lemmatizer", "senter", "parser", "ner", "entity_linker", "spancat"]
PIPES += ["textcat", "textcat_multilabel"]
LANGUAGES = sorted(module.name for module in pkgutil.iter_modules(spacy.lang.__path__) if module.ispkg)
NAMES = [recipe.value for recipe in Recipe]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a pipeline with static vectors."""
    return write_vectors(tmp_path_factory.mktemp("vectors"))


def collect(config: dict[str, Any], key: str) -> list[Any]:
    """Return the values of all entries of a config that have this key."""
    values = [config[key]] if key in config else []
    return values + [
        value for section in config.values() if isinstance(section, dict) for value in collect(section, key)
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_language_has_a_config_or_an_error_that_names_the_missing_package(lang: str) -> None:
    try:
        config = make_config(lang, ["tagger"])
    except RecipeError:
        with pytest.raises(ImportError) as missing:
            spacy.blank(lang)
        with pytest.raises(RecipeError, match=re.escape(str(missing.value))):
            make_config(lang, ["tagger"])
        pytest.skip("the language needs another package")
    assert config["nlp"]["lang"] == lang
    assert config["nlp"]["pipeline"] == ["tok2vec", "tagger"]


def test_another_iso_code_of_a_language_is_accepted() -> None:
    assert make_config("deu", ["tagger"])["nlp"]["lang"] == "de"


@pytest.mark.parametrize(
    ("pipeline", "with_vectors"), [*(([pipe], False) for pipe in PIPES), (PIPES, False), (PIPES, True)], ids=str
)
@pytest.mark.parametrize("optimize", NAMES)
def test_fill_config_changes_nothing_and_every_component_listens_to_the_tok2vec(
    optimize: str, pipeline: list[str], with_vectors: bool, vectors: str
) -> None:
    config = make_config("en", pipeline, optimize, vectors=vectors if with_vectors else None)
    assert config["paths"]["vectors"] == (vectors if with_vectors else None)
    assert collect(config, "include_static_vectors") == [with_vectors]
    assert collect(config, "upstream") == ["*"] * len(pipeline)
    nlp = load_model_from_config(config, auto_fill=True)
    assert nlp.config.to_str() == config.to_str()
    assert nlp.get_pipe("tok2vec").listening_components == pipeline


@settings(max_examples=10, deadline=None)
@given(
    pipeline=st.lists(st.sampled_from([*PIPES, "tok2vec"]), unique=True).filter(lambda pipes: set(pipes) - {"tok2vec"})
)
def test_components_can_be_named_in_any_order(pipeline: list[str]) -> None:
    config = make_config("xx", pipeline)
    with_sentences = {"senter", "parser"} & set(pipeline) or "entity_linker" not in pipeline
    first = ["tok2vec"] if with_sentences else ["tok2vec", "sentencizer"]
    assert config["nlp"]["pipeline"] == [*first, *(pipe for pipe in PIPES if pipe in pipeline)]
    assert sorted(config["components"]) == sorted(config["nlp"]["pipeline"])


@pytest.mark.parametrize("optimize", NAMES)
def test_a_gpu_config_shares_memory_computes_in_half_precision_and_has_larger_batches(optimize: str) -> None:
    on_cpu, on_gpu = (make_config("en", PIPES, optimize, gpu=gpu) for gpu in (False, True))
    assert on_gpu["system"]["gpu_allocator"] == "pytorch"
    assert set(collect(on_gpu, "mixed_precision")) == {True}
    assert set(collect(on_cpu, "mixed_precision")) == {False}
    assert on_gpu["training"]["batcher"]["batcher"]["size"] > on_cpu["training"]["batcher"]["batcher"]["size"]
    assert load_model_from_config(on_gpu).pipe_names == ["tok2vec", *PIPES]


@pytest.mark.parametrize("optimize", NAMES)
def test_a_config_has_all_settings_of_its_recipe(optimize: str) -> None:
    config = make_config("en", PIPES, optimize)
    assert config.merge(Config().from_disk(RECIPES / f"{optimize}.cfg")) == config


def test_accuracy_sets_every_setting_of_efficiency() -> None:
    efficiency, accuracy = (Config().from_disk(RECIPES / f"{name}.cfg") for name in ("efficiency", "accuracy"))
    assert accuracy.merge(efficiency).merge(accuracy) == accuracy


def test_fast_is_efficiency_with_a_narrower_layer() -> None:
    fast, efficiency = (make_config("en", PIPES, name) for name in ("fast", "efficiency"))
    widths = [config["components"]["tok2vec"]["model"]["encode"].pop("width") for config in (fast, efficiency)]
    assert widths[0] < widths[1]
    assert fast == efficiency


@pytest.mark.parametrize("optimize", NAMES)
def test_the_tokenizer_remembers_more_strings_than_spacys_default(optimize: str) -> None:
    nlp: Any = load_model_from_config(make_config("en", ["tagger"], optimize), auto_fill=True)
    assert nlp.tokenizer.max_cache_size == 200_000 > spacy.blank("en").tokenizer.max_cache_size


def test_efficiency_has_one_recurrent_layer() -> None:
    assert make_config("en", ["ner"])["components"]["tok2vec"]["model"]["encode"]["depth"] == 1


@pytest.mark.parametrize("optimize", NAMES)
def test_the_learning_rate_reaches_zero_at_the_last_step(optimize: str) -> None:
    training = make_config("en", ["ner"], optimize)["training"]
    assert training["optimizer"]["learn_rate"]["total_steps"] == training["max_steps"]


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    make_config("en", ["tagger"])
    assert capsys.readouterr() == ("", "")


def test_an_unknown_recipe_is_an_error_that_names_all_recipes() -> None:
    with pytest.raises(RecipeError, match=r"'gpu'.*efficiency, accuracy, fast"):
        make_config("en", ["tagger"], "gpu")


def test_a_pipeline_without_vectors_is_an_error(tmp_path: Path) -> None:
    spacy.blank("en").to_disk(tmp_path)
    with pytest.raises(RecipeError, match="has no vectors"):
        make_config("en", ["tagger"], vectors=str(tmp_path))


@pytest.mark.parametrize("optimize", NAMES)
def test_settings_of_pretraining_make_the_objective_of_every_recipe(optimize: str) -> None:
    recipe = make_config("en", ["ner"], optimize)
    config = add_pretraining(recipe, "raw.jsonl")
    assert not recipe["pretraining"]
    nlp = load_model_from_config(config)
    settings = spacy.util.registry.resolve(nlp.config.interpolate()["pretraining"], schema=ConfigSchemaPretrain)
    assert create_pretraining_model(nlp, settings).predict([nlp.make_doc("Marta lives in Leeds.")]).shape == (5,)


def test_the_paths_of_raw_text_and_pretrained_weights_can_be_set() -> None:
    config = add_pretraining(make_config("en", ["ner"]), "raw.jsonl", "model2.bin").interpolate()
    assert config["corpora"]["pretrain"]["path"] == "raw.jsonl"
    assert config["initialize"]["init_tok2vec"] == "model2.bin"


@pytest.mark.parametrize("optimize", NAMES)
def test_a_config_for_characters_splits_texts_into_them_and_reads_nothing_else(optimize: str) -> None:
    nlp = load_model_from_config(make_config("xx", ["ner"], optimize, characters=True))
    assert [token.text for token in nlp.make_doc("ACG")] == ["A", "C", "G"]
    embed = nlp.config["components"]["tok2vec"]["model"]["embed"]
    assert (embed["attrs"], embed["rows"], embed["char_encoder"]) == (["ORTH"], [1000], None)
