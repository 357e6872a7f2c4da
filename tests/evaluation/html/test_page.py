"""`write_report`: the page shows what the pipeline predicts, and no text of a corpus becomes markup."""

import random
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.util import fix_random_seed
from toy_corpus import make_docs, make_examples
from toy_pipelines import GRU, add_stock_pipe, make_tok2vec

from spacy_bilstm.evaluation import Evaluation, evaluate, write_report

MARKUP = "<script>alert('x')</script>"
LABELS = ["<b>PER</b>", '$A$ & "B"', "</style><script>"]


class Page(HTMLParser):
    """The elements, links, event handlers and texts of a page."""

    def __init__(self, evaluation: Evaluation, path: Path) -> None:
        """Write the page of an evaluation and read it."""
        super().__init__()
        write_report(evaluation, path)
        self.source = path.read_text(encoding="utf8")
        self.elements: set[str] = set()
        self.links: set[str] = set()
        self.handlers: set[str] = set()
        self.text = ""
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on")}
        self.links |= {value or "" for name, value in attrs if name in ("href", "src", "xlink:href")}

    def handle_data(self, data: str) -> None:
        self.text += data


def train(nlp: Language, examples: list[Example]) -> Language:
    """Train a pipeline on a few examples."""
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    return nlp


def add_bilstm(nlp: Language, name: str, architecture: str, **settings: Any) -> None:
    model = {"@architectures": architecture, "tok2vec": make_tok2vec(GRU), **settings}
    nlp.add_pipe(name, config={"model": model})


def add_ner(nlp: Language) -> None:
    add_bilstm(nlp, "bilstm_ner", "spacy-bilstm.CRFTagger.v1")


def add_tagger(nlp: Language) -> None:
    add_bilstm(nlp, "bilstm_tagger", "spacy.Tagger.v2")


def add_stock_ner(nlp: Language) -> None:
    add_stock_pipe(nlp, "ner", make_tok2vec(GRU))


def add_textcat(nlp: Language) -> None:
    add_bilstm(nlp, "bilstm_textcat_multilabel", "spacy-bilstm.TextCat.v1", exclusive_classes=False)


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a corpus with a doc whose annotation no pipeline has learned."""
    *docs, odd = make_docs(spacy.blank("en").vocab, 20, seed=1)
    for token in odd:
        token.tag_ = "ODD"
    odd.set_ents([Span(odd, 1, 3, label="PERSON")], default="outside")
    odd.cats = {label: 1 - score for label, score in odd.cats.items()}
    path = tmp_path_factory.mktemp("gold") / "gold.spacy"
    DocBin(docs=[*docs, odd], store_user_data=True).to_disk(path)
    return path


def write_log(path: Path, names: list[str]) -> Path:
    """Write a training log with losses and scores of some names."""
    rows = [{"step": n, "losses": dict.fromkeys(names, 9 - n), "scores": dict.fromkeys(names, n)} for n in range(1, 4)]
    srsly.write_jsonl(path, rows)
    return path


@pytest.mark.parametrize(
    ("add", "shown", "hidden"),
    [
        (add_tagger, ["Tags: confusions"], ["Entities", "Categories"]),
        (add_ner, ["Entities F", "Confidences", "expected calibration error"], ["Tags", "Categories"]),
        (add_stock_ner, ["Entities F", "Gold"], ["Confidences", "Tags"]),
        (add_textcat, ["Categories macro AUC", "TRAVEL"], ["Entities", "Tags"]),
    ],
    ids=["tagger", "ner", "stock ner", "textcat"],
)
def test_a_page_shows_only_what_the_pipeline_predicts(
    add: Callable[[Language], None], shown: list[str], hidden: list[str], gold: Path, tmp_path: Path
) -> None:
    nlp = spacy.blank("en")
    add(nlp)
    evaluation = evaluate(train(nlp, make_examples(nlp.vocab)), gold, train=gold, n_resamples=50)
    page = Page(evaluation, tmp_path / "page.html")
    for text in (*shown, "Sentences with the most errors"):
        assert text in page.text
    for text in hidden:
        assert text not in page.text
    assert list(tmp_path.iterdir()) == [tmp_path / "page.html"]


@pytest.fixture(scope="module")
def evaluation(trained_path: Path, gold: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """Return the results of a pipeline with all components."""
    log = write_log(tmp_path_factory.mktemp("log") / "log.jsonl", ["ents_f"])
    return evaluate(trained_path, gold, train=gold, log=log, n_resamples=50)


def test_a_page_shows_all_components(evaluation: Evaluation, trained_path: Path, gold: Path, tmp_path: Path) -> None:
    text = Page(evaluation, tmp_path / "page.html").text
    names = ["Tags", "Parts of speech", "Morphology", "UAS", "LAS", "Sentences F", "Spans 'sc' F", "Learning curves"]
    for name in (*names, "50 resamples, seed 0"):
        assert name in text
    nlp = spacy.load(trained_path)
    scores = nlp.evaluate(list(Corpus(gold)(nlp)))
    assert f"{100 * scores['tag_acc']:.1f}" in text


def test_an_evaluation_is_always_the_same_page(evaluation: Evaluation, tmp_path: Path) -> None:
    assert len({Page(evaluation, tmp_path / name).source for name in ("a.html", "b.html")}) == 1


def test_no_text_of_a_corpus_is_markup(tmp_path: Path) -> None:
    nlp = spacy.blank("en")
    add_tagger(nlp)
    add_ner(nlp)
    rng = random.Random(0)
    docs = []
    for _ in range(12):
        words = [rng.choice([MARKUP, "&lt;", "'\"", "<!--", "saw"]) for _ in range(6)]
        ents = [f"B-{rng.choice(LABELS)}" if word != "saw" else "O" for word in words]
        docs.append(Doc(nlp.vocab, words, tags=[rng.choice(LABELS) for _ in words], ents=ents))
    corpus = tmp_path / "<i>&.spacy"
    DocBin(docs=docs).to_disk(corpus)
    train(nlp, [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    log = write_log(tmp_path / "log.jsonl", ["$a$", MARKUP])
    page = Page(evaluate(nlp, corpus, train=corpus, log=log, n_resamples=50), tmp_path / "page.html")
    for text in (MARKUP, *LABELS, "<i>&.spacy", "$a$"):
        assert text in page.text
    assert not page.elements & {"script", "link", "img", "iframe", "object"}
    assert page.source.count("<style") == page.source.count("</style>")
    assert not page.handlers
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"@import|url\((?!#)", page.source)
