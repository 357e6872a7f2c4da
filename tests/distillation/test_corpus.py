"""The corpus reader of students: an endless mix of annotated and gold texts."""

from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.training import Example
from spacy.util import registry
from spacy.vocab import Vocab

from spacy_bilstm.bridge.soft_targets import get_soft_tags, set_soft_targets
from spacy_bilstm.distillation.corpus import is_held_out
from spacy_bilstm.pipeline.soft_tags import make_certain_tags

N_DOCS, N_PARTS = 30, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an annotation directory with three parts, and a gold corpus. Each doc has its own word."""
    folder = tmp_path_factory.mktemp("corpus")
    (folder / "parts").mkdir()
    vocab = Vocab()
    for part in range(N_PARTS):
        docs = [Doc(vocab, words=["teacher", str(part * 10 + i)], spaces=[True, False]) for i in range(10)]
        for doc in docs:
            set_soft_targets(doc, "ner", make_certain_tags(doc))
        DocBin(docs=docs, store_user_data=True).to_disk(folder / "parts" / f"part-{part:05d}.spacy")
    DocBin(docs=[Doc(vocab, words=["gold", str(i)], tags=["X", "X"]) for i in range(5)]).to_disk(folder / "gold.spacy")
    return folder


def read(folder: Path, n: int, **settings: object) -> list[Example]:
    make = registry.get("readers", "spacy-bilstm.DistillationCorpus.v1")
    return list(islice(make(folder, **settings)(spacy.blank("en")), n))


def count_words(examples: list[Example]) -> Counter[str]:
    return Counter(example.reference[1].text for example in examples)


def test_all_texts_come_once_in_each_pass_in_another_order(folder: Path) -> None:
    examples = read(folder, 2 * N_DOCS, held_out=0)
    first, second = examples[:N_DOCS], examples[N_DOCS:]
    assert set(count_words(first).values()) == {1}
    assert len(count_words(first)) == N_DOCS
    assert count_words(first) == count_words(second)
    assert [example.text for example in first] != [example.text for example in second]
    assert first[0].predicted.text == first[0].reference.text
    assert get_soft_tags(first[0].reference, "ner") is not None


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5])
def test_gold_texts_have_their_share_of_the_words(folder: Path, share: float) -> None:
    examples = read(folder, 50, gold=folder / "gold.spacy", gold_share=share, held_out=0)
    is_gold = [example.reference[0].text == "gold" for example in examples]
    assert sum(is_gold) == pytest.approx(50 * share, abs=1)
    assert all(example.reference[0].tag_ == "X" for example, gold in zip(examples, is_gold, strict=True) if gold)
    assert not share or len({example.text for example, gold in zip(examples, is_gold, strict=True) if gold}) == 5


def test_held_out_texts_are_left_out(folder: Path) -> None:
    examples = read(folder, N_DOCS, held_out=0.5)
    assert not any(is_held_out(example.reference.text, 0.5) for example in examples)
    assert 5 < len(count_words(examples)) < 25


@given(st.text(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_the_same_texts_and_more(text: str, one: float, other: float) -> None:
    assert is_held_out(text, min(one, other)) <= is_held_out(text, max(one, other))
    assert not is_held_out(text, 0.0)


def test_soft_targets_can_be_left_out(folder: Path) -> None:
    assert all(get_soft_tags(example.reference, "ner") is None for example in read(folder, 5, soft_targets=False))


def test_the_seed_of_the_training_decides_the_order(folder: Path) -> None:
    def draw(seed: int) -> list[str]:
        spacy.util.fix_random_seed(seed)
        return [example.text for example in read(folder, 20)]

    assert draw(0) == draw(0) != draw(1)


def test_a_reader_without_texts_is_an_error(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no annotated texts"):
        read(tmp_path, 1)
    with pytest.raises(ValueError, match="has no words to train on"):
        read(folder, 1, held_out=1 - 1e-12)
    DocBin().to_disk(tmp_path / "empty.spacy")
    with pytest.raises(ValueError, match=r"empty\.spacy has no words"):
        read(folder, 1, gold=tmp_path / "empty.spacy")


@pytest.mark.parametrize("settings", [{"gold_share": 1.0}, {"gold_share": -0.1}, {"held_out": 1.0}])
def test_a_share_outside_its_range_is_an_error(folder: Path, settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="is a share"):
        read(folder, 1, **settings)


def test_spacy_streams_the_reader_in_training(folder: Path) -> None:
    """The reader has no end, so spaCy must not collect it."""
    from spacy.training.loop import create_train_batches

    def batch(examples: list[Example]) -> object:
        return ([example] for example in examples)

    nlp: Language = spacy.blank("en")
    make = registry.get("readers", "spacy-bilstm.DistillationCorpus.v1")
    batches = create_train_batches(nlp, make(folder, held_out=0), batch, -1)
    assert len(list(islice(batches, 3 * N_DOCS))) == 3 * N_DOCS
