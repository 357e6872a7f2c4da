"""`spacy bilstm report`: any pipeline gets its page, whatever the corpus holds; what goes wrong leaves no page."""

import random
import re
from collections.abc import Callable
from html.parser import HTMLParser
from importlib import import_module
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
from typer.testing import CliRunner, Result

from spacy_bilstm.cli import app

command = import_module("spacy_bilstm.cli.report")  # the package has a function of this name

MARKUP = "<script>alert('x')</script>"
LABELS = ["<b>PER</b>", '$A$ & "B"', "</style><script>"]


class Page(HTMLParser):
    """What is in a page: its elements, the values of its attributes by name, and its texts."""

    def __init__(self, path: Path) -> None:
        super().__init__()
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


def run(*args: Any, exit_code: int = 0) -> Result:
    """Run `report` with arguments; fail unless it ends with that exit code."""
    result = CliRunner().invoke(app, ["report", *map(str, args), "--resamples", "50"])
    assert result.exit_code == exit_code, (result.output, result.exception)
    return result


def train(nlp: Language, examples: list[Example], path: Path) -> Path:
    """Train a pipeline on few examples. RETURNS: where it is."""
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.02
    for _ in range(20):
        nlp.update(examples, sgd=optimizer)
    nlp.to_disk(path)
    return path


def add_ours(nlp: Language, name: str, architecture: str, **settings: Any) -> None:
    model = {"@architectures": architecture, "tok2vec": make_tok2vec(GRU), **settings}
    nlp.add_pipe(name, config={"model": model})


def add_ner(nlp: Language) -> None:
    add_ours(nlp, "bilstm_ner", "spacy-bilstm.CRFTagger.v1")


def add_tagger(nlp: Language) -> None:
    add_ours(nlp, "bilstm_tagger", "spacy.Tagger.v2")


def add_stock_ner(nlp: Language) -> None:
    add_stock_pipe(nlp, "ner", make_tok2vec(GRU))


def add_textcat(nlp: Language) -> None:
    add_ours(nlp, "bilstm_textcat_multilabel", "spacy-bilstm.TextCat.v1", exclusive_classes=False)


@pytest.fixture(scope="module")
def gold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a corpus in which one doc is annotated in a way that no pipeline has learned."""
    *docs, odd = make_docs(spacy.blank("en").vocab, 20, seed=1)
    for token in odd:
        token.tag_ = "ODD"
    odd.set_ents([Span(odd, 1, 3, label="PERSON")], default="outside")
    odd.cats = {label: 1 - score for label, score in odd.cats.items()}
    path = tmp_path_factory.mktemp("gold") / "gold.spacy"
    DocBin(docs=[*docs, odd], store_user_data=True).to_disk(path)
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
def test_a_pipeline_gets_a_page_on_what_it_predicts(
    add: Callable[[Language], None], shown: list[str], hidden: list[str], gold: Path, tmp_path: Path
) -> None:
    nlp = spacy.blank("en")
    add(nlp)
    model = train(nlp, make_examples(nlp.vocab), tmp_path / "model")
    run(model, gold, tmp_path / "page.html", "--train", gold)
    page = Page(tmp_path / "page.html")
    assert "Sentences with most errors" in page.text
    for text in shown:
        assert text in page.text
    for text in hidden:
        assert text not in page.text
    assert not list(tmp_path.glob(".*"))


def test_the_page_of_a_trained_pipeline_shows_all_and_is_the_same_again(
    trained_path: Path, gold: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    srsly.write_jsonl(log, [{"step": n, "losses": {"ner": 9 - n}, "scores": {"ents_f": n}} for n in range(1, 4)])
    sources = []
    for name in ("a.html", "b.html"):
        run(trained_path, gold, tmp_path / name, "--train", gold, "--log", log)
        sources.append(re.sub(r"[\d,]+ words/s", "", (tmp_path / name).read_text(encoding="utf8")))
    assert sources[0] == sources[1]
    text = Page(tmp_path / "a.html").text
    for name in (
        "Tags",
        "Parts of speech",
        "Morphology",
        "UAS",
        "LAS",
        "Sentences F",
        "Spans 'sc' F",
        "Learning curves",
    ):
        assert name in text
    assert "50 resamples, seed 0" in text
    nlp = spacy.load(trained_path)
    scores = nlp.evaluate(list(Corpus(gold)(nlp)))
    assert f"{100 * scores['tag_acc']:.1f}" in text


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
    model = train(nlp, [Example(nlp.make_doc(doc.text), doc) for doc in docs], tmp_path / "model")
    log = tmp_path / "log.jsonl"
    names = {"$a$": 1.0, MARKUP: 2.0}
    srsly.write_jsonl(log, [{"step": n, "losses": names, "scores": names} for n in range(3)])
    run(model, corpus, tmp_path / "page.html", "--train", corpus, "--log", log)
    page = Page(tmp_path / "page.html")
    assert not page.elements & {"script", "link", "img", "iframe", "object"}
    assert page.source.count("<style") == page.source.count("</style>")
    assert not page.handlers
    assert all(link.startswith("#") for link in page.links)
    assert not re.search(r"@import|url\((?!#)", page.source)
    for text in (MARKUP, *LABELS, "<i>&.spacy", "$a$"):
        assert text in page.text


def test_what_cannot_be_read_is_named_and_nothing_is_written(gold: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    (tmp_path / "bad.spacy").write_text("no corpus", encoding="utf8")
    DocBin(docs=[]).to_disk(tmp_path / "empty.spacy")
    (tmp_path / "log.jsonl").write_text("[]", encoding="utf8")
    spacy.blank("en").to_disk(tmp_path / "blank")
    assert "Can't find model" in run("no_such_pipeline", gold, output, exit_code=1).output
    for name, said in (("bad", "spaCy's binary format"), ("empty", "has no words")):
        result = run(tmp_path / "blank", tmp_path / f"{name}.spacy", output, exit_code=1)
        assert said in " ".join(result.output.split())
    assert "Line 1 of" in run(tmp_path / "blank", gold, output, "--log", tmp_path / "log.jsonl", exit_code=1).output
    assert not output.exists()


def test_an_interrupt_leaves_the_old_page(gold: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "make_page", interrupt)
    spacy.blank("en").to_disk(tmp_path / "blank")
    output = tmp_path / "out" / "page.html"
    output.parent.mkdir()
    output.write_text("old", encoding="utf8")
    assert "Stopped" in run(tmp_path / "blank", gold, output, exit_code=130).output
    assert output.read_text(encoding="utf8") == "old"
    assert list(output.parent.iterdir()) == [output]
