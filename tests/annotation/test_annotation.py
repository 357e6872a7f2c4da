"""Whole runs of `annotate` in one process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from spacy_bilstm.annotation import PartsError, Progress, RayMissingError, annotate, read_parts
from spacy_bilstm.annotation import annotation as annotation_module
from spacy_bilstm.annotation import shards as shards_module


def read_rows(target: Path) -> list[dict[str, Any]]:
    paths = sorted(target.glob("part-*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def read_files(target: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(target.glob("part-*"))}


@pytest.fixture
def interrupted(source: Path, tmp_path: Path, pipeline: Path) -> Iterator[Path]:
    """Return a target whose run was stopped with Ctrl-C after two parts."""

    def stop(progress: Progress) -> None:
        if progress.documents >= 10:
            raise KeyboardInterrupt

    target = tmp_path / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        annotate(source, target, pipeline, format="jsonl", part_size=5, progress=stop)
    return target


def test_the_rows_are_those_of_the_pipeline(source: Path, tmp_path: Path, pipeline: Path) -> None:
    summary = annotate(source, tmp_path / "out", pipeline, format="jsonl", part_size=10, text=True)
    rows = read_rows(tmp_path / "out")
    docs = list(spacy.load(pipeline).pipe(row["text"] for row in rows))
    assert [row["id"] for row in rows] == [f"a.txt:{i + 1}" for i in range(20)] + [
        f"b.jsonl:{i + 1}" for i in range(23)
    ]
    for row, doc in zip(rows, docs, strict=True):
        assert row["tokens"] == [token.text for token in doc]
        assert [(e["start"], e["end"], e["label"]) for e in row["entities"]] == [
            (e.start, e.end, e.label_) for e in doc.ents
        ]
        assert row["sentence_starts"] == [sent.start for sent in doc.sents]
    assert any(row["entities"] for row in rows)
    assert (summary.documents, summary.words, summary.bad) == (43, sum(map(len, docs)), 0)


def test_the_manifest_has_counts_versions_hash_and_settings(source: Path, tmp_path: Path, pipeline: Path) -> None:
    annotate(source, tmp_path / "out", pipeline, format="jsonl")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_bytes())
    assert manifest["complete"] is True
    assert manifest["counts"]["documents"] == 43
    assert manifest["facts"]["versions"]["spacy"] == spacy.__version__
    assert len(manifest["settings"]["model_hash"]) == 32
    assert [file["name"] for file in manifest["settings"]["sources"]] == ["a.txt", "b.jsonl"]


@pytest.mark.parametrize("format", ["jsonl", "spacy", "parquet"])
def test_an_interrupted_run_ends_with_the_same_files(source: Path, tmp_path: Path, pipeline: Path, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra 'annotate'")

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            annotate(source, tmp_path / "stopped", pipeline, format=format, part_size=7, progress=stop)
    again = annotate(source, tmp_path / "stopped", pipeline, format=format, part_size=7)
    whole = annotate(source, tmp_path / "whole", pipeline, format=format, part_size=7)
    assert (again.documents, again.new_documents) == (43, 29)
    assert (whole.documents, whole.new_documents) == (43, 43)
    assert read_files(tmp_path / "stopped") == read_files(tmp_path / "whole")


def test_confidences_are_probabilities(source: Path, tmp_path: Path, pipeline: Path) -> None:
    annotate(source, tmp_path / "without", pipeline, format="jsonl")
    annotate(source, tmp_path / "with", pipeline, format="jsonl", confidences=True)
    without, rows = read_rows(tmp_path / "without"), read_rows(tmp_path / "with")
    nlp = spacy.load(pipeline, config={"components": {"ner": {"confidences": "x"}}})
    for row, plain in zip(rows, without, strict=True):
        assert all(entity["confidence"] is None for entity in plain["entities"])
        group = nlp("".join(w + " " * s for w, s in zip(row["tokens"], row["spaces"], strict=True))).spans["x"]
        assert [e["confidence"] for e in row["entities"]] == pytest.approx(group.attrs["scores"], abs=1e-4)
        assert row["spans"] == []


def test_docs_keep_their_tokens(tmp_path: Path, pipeline: Path) -> None:
    doc = Doc(spacy.blank("en").vocab, words=["Marta-lives", "in", "Leeds"], spaces=[True, True, False])
    DocBin(docs=[doc]).to_disk(tmp_path / "a.spacy")
    annotate(tmp_path / "a.spacy", tmp_path / "out", pipeline, format="spacy")
    (annotated,) = read_parts(tmp_path / "out")
    assert [token.text for token in annotated] == ["Marta-lives", "in", "Leeds"]


def test_bad_records_do_not_stop_the_run(tmp_path: Path, pipeline: Path) -> None:
    lines = [
        b'{"text": "Marta."}',
        b'{"text": 1}',
        b"\xff",
        b'{"text": "%s"}' % (b"x" * 1_000_001),
        b'{"text": "Leeds"}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    summary = annotate(tmp_path / "a.jsonl", tmp_path / "out", pipeline, format="jsonl", part_size=2)
    assert (summary.records, summary.documents, summary.bad) == (5, 2, 3)
    bad = [json.loads(line) for line in (tmp_path / "out" / "_bad.jsonl").read_text("utf8").splitlines()]
    assert [record["place"] for record in bad] == ["a.jsonl:2", "a.jsonl:3", "a.jsonl:4"]
    assert "1,000,001 characters" in bad[2]["reason"]


@Language.component("test_annotation_fails")
def fail_at_some(doc: Doc) -> Doc:
    """A component that can't annotate some texts."""
    if "fail" in doc.text:
        raise RuntimeError(f"can't read {doc[0].text}")
    return doc


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """Return the path of a pipeline that fails at some texts."""
    nlp = spacy.blank("en")
    nlp.add_pipe("test_annotation_fails")
    nlp.to_disk(tmp_path / "failing")
    return tmp_path / "failing"


def test_a_text_that_the_pipeline_fails_at_is_a_bad_record(tmp_path: Path, failing: Path) -> None:
    (tmp_path / "a.txt").write_text("good one\nfail now\ngood two\n")
    summary = annotate(tmp_path / "a.txt", tmp_path / "out", failing, format="jsonl")
    assert (summary.documents, summary.bad) == (2, 1)
    bad = json.loads((tmp_path / "out" / "_bad.jsonl").read_bytes())
    assert (bad["place"], bad["reason"]) == ("a.txt:2", "RuntimeError: can't read fail")


def test_long_texts_that_the_pipeline_fails_at_are_bad_records(tmp_path: Path, failing: Path) -> None:
    """Even if no other text is annotated in the same batch."""
    long = " fail" * 50_000
    (tmp_path / "a.txt").write_text(f"{long}\n{long}\ngood\n")
    summary = annotate(tmp_path / "a.txt", tmp_path / "out", failing, format="jsonl")
    assert (summary.documents, summary.bad) == (1, 2)


def test_a_pipeline_that_fails_at_all_texts_is_an_error(tmp_path: Path, failing: Path) -> None:
    (tmp_path / "a.txt").write_text("fail one\nfail two\n")
    with pytest.raises(RuntimeError, match="can't read"):
        annotate(tmp_path / "a.txt", tmp_path / "out", failing, format="jsonl")


@Language.component("test_annotation_leaves_a_set")
def leave_a_set(doc: Doc) -> Doc:
    """A component that leaves a value in some Docs that no format can store."""
    if "fail" in doc.text:
        doc.user_data["seen"] = {1}
        doc.cats["seen"] = {1}  # type: ignore[assignment]
    return doc


@pytest.mark.parametrize("format", ["jsonl", "spacy", "parquet"])
def test_a_doc_that_cannot_be_written_is_a_bad_record(tmp_path: Path, format: str) -> None:
    if format == "parquet":
        pytest.importorskip("pyarrow", reason="needs the extra 'annotate'")
    nlp = spacy.blank("en")
    nlp.add_pipe("test_annotation_leaves_a_set")
    nlp.to_disk(tmp_path / "pipeline")
    (tmp_path / "a.txt").write_text("good one\nfail now\ngood two\n")
    summary = annotate(tmp_path / "a.txt", tmp_path / "out", tmp_path / "pipeline", format=format)
    assert (summary.documents, summary.words, summary.bad) == (2, 4, 1)
    bad = json.loads((tmp_path / "out" / "_bad.jsonl").read_bytes())
    assert bad["place"] == "a.txt:2"
    assert bad["reason"].startswith("the annotation can't be written: ")


@pytest.mark.parametrize("format", ["jsonl", "spacy"])
def test_a_very_large_id_is_written_as_a_string(tmp_path: Path, pipeline: Path, format: str) -> None:
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "id": {10**29}}}\n{{"text": "b", "id": 1}}\n')
    summary = annotate(tmp_path / "a.jsonl", tmp_path / "out", pipeline, format=format, id_column="id")
    assert (summary.documents, summary.bad) == (2, 0)
    if format == "spacy":
        assert [doc.user_data["id"] for doc in read_parts(tmp_path / "out")] == [str(10**29), 1]
    else:
        assert [row["id"] for row in read_rows(tmp_path / "out")] == [str(10**29), "1"]


def test_another_model_is_refused(interrupted: Path, source: Path, failing: Path) -> None:
    with pytest.raises(PartsError, match="the pipeline has other files"):
        annotate(source, interrupted, failing, format="jsonl", part_size=5)


@pytest.mark.parametrize(
    "changed", [{"text": True}, {"format": "spacy"}, {"part_size": 6}, {"confidences": True}, {"id_column": "n"}]
)
def test_other_settings_are_refused_by_name(
    interrupted: Path, source: Path, pipeline: Path, changed: dict[str, Any]
) -> None:
    settings: dict[str, Any] = {"format": "jsonl", "part_size": 5} | changed
    with pytest.raises(PartsError, match=f"{next(iter(changed))} was"):
        annotate(source, interrupted, pipeline, **settings)


def test_another_source_is_refused(interrupted: Path, source: Path, pipeline: Path) -> None:
    (source / "c.txt").write_text("more\n")
    with pytest.raises(PartsError, match=r"sources was .*c\.txt"):
        annotate(source, interrupted, pipeline, format="jsonl", part_size=5)


def test_a_source_that_changed_without_changing_its_size_is_refused(
    interrupted: Path, source: Path, pipeline: Path
) -> None:
    path = source / "a.txt"
    path.write_text(path.read_text().replace("Number 0", "Number 9"))
    with pytest.raises(PartsError, match="source has changed"):
        annotate(source, interrupted, pipeline, format="jsonl", part_size=5)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_rows_do_not_depend_on_the_line_ends(source: Path, tmp_path: Path, pipeline: Path, end: str) -> None:
    annotate(source, tmp_path / "expected", pipeline, format="jsonl")
    for path in source.iterdir():
        path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    annotate(source, tmp_path / "out", pipeline, format="jsonl")
    assert read_files(tmp_path / "out") == read_files(tmp_path / "expected")


def test_a_moved_source_and_model_go_on(interrupted: Path, source: Path, tmp_path: Path, pipeline: Path) -> None:
    moved = source.rename(tmp_path / "moved")
    assert annotate(moved, interrupted, pipeline, format="jsonl", part_size=5).documents == 43


def test_files_are_divided_into_shards(
    source: Path, tmp_path: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "SHARD_BYTES", 100)
    annotate(source, tmp_path / "out", pipeline, format="jsonl", part_size=15)
    assert sorted(read_files(tmp_path / "out")) == [
        f"part-{shard:05d}-{i:05d}.jsonl" for shard, i in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert len(read_rows(tmp_path / "out")) == 43


def test_progress_ends_at_the_whole_source(source: Path, tmp_path: Path, pipeline: Path) -> None:
    seen: list[Progress] = []
    annotate(source, tmp_path / "out", pipeline, format="jsonl", part_size=5, progress=seen.append)
    shares = [progress.share for progress in seen]
    assert shares == sorted(shares, key=lambda share: share or 0)
    assert shares[-1] == 1
    assert seen[-1].documents == 43
    assert seen[-1].seconds_left == 0


@pytest.mark.parametrize("wrong", [{"part_size": 0}, {"workers": 0}, {"format": "xml"}, {"threads": 0}])
def test_arguments_out_of_range_are_errors(source: Path, tmp_path: Path, pipeline: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"at least|xml"):
        annotate(source, tmp_path / "out", pipeline, **{"format": "jsonl"} | wrong)
    assert not (tmp_path / "out").exists()


def test_a_missing_pipeline_is_an_error_before_anything_is_written(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pipeline 'nowhere'"):
        annotate(source, tmp_path / "out", "nowhere", format="jsonl")
    assert not (tmp_path / "out").exists()


def test_several_workers_without_ray_are_an_error(
    source: Path, tmp_path: Path, pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(purpose: str) -> None:
        raise RayMissingError(purpose)

    monkeypatch.setattr(annotation_module, "check_ray", refuse)
    with pytest.raises(RayMissingError, match=r"spacy-bilstm\[ray\]"):
        annotate(source, tmp_path / "out", pipeline, format="jsonl", workers=2)
    assert not (tmp_path / "out").exists()


def test_sources_and_targets_at_addresses(pipeline: Path) -> None:
    import fsspec

    fs = fsspec.filesystem("memory")
    fs.pipe_file("/in/a.txt", b"Marta lives.\nIn Leeds.\n")
    summary = annotate("memory://in/a.txt", "memory://out", pipeline, format="jsonl")
    assert summary.documents == 2
    assert len(fs.cat_file("/out/part-00000-00000.jsonl").splitlines()) == 2
    assert annotate("memory://in/a.txt", "memory://out", pipeline, format="jsonl").new_documents == 0
    with pytest.raises(PartsError, match="format"):
        annotate("memory://in/a.txt", "memory://out", pipeline, format="spacy")


def test_a_target_inside_the_source_is_not_read(source: Path, pipeline: Path) -> None:
    target = source / "annotated"

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        annotate(source, target, pipeline, format="jsonl", part_size=20, progress=stop)
    assert annotate(source, target, pipeline, format="jsonl", part_size=20).documents == 43
    assert annotate(source, target, pipeline, format="jsonl", part_size=20).new_documents == 0
    assert len(read_rows(target)) == 43


def test_a_target_that_would_harm_something_is_refused(source: Path, tmp_path: Path, pipeline: Path) -> None:
    before = sorted(pipeline.rglob("*"))
    with pytest.raises(PartsError, match="is inside the pipeline"):
        annotate(source, pipeline / "out", pipeline, format="jsonl")
    with pytest.raises(PartsError, match="is a file"):
        annotate(source, source / "a.txt", pipeline, format="jsonl")
    with pytest.raises(PartsError, match="is the source"):
        annotate(source, source, pipeline, format="jsonl")
    assert sorted(pipeline.rglob("*")) == before
    assert sorted(path.name for path in source.iterdir()) == ["a.txt", "b.jsonl"]


def test_a_directory_that_is_no_pipeline_is_refused_before_the_work(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no meta\.json"):
        annotate(source, tmp_path / "out", source, format="jsonl")
    assert not (tmp_path / "out").exists()


def test_the_wrong_column_can_be_corrected_in_the_same_target(tmp_path: Path, pipeline: Path) -> None:
    (tmp_path / "a.csv").write_text("body\nMarta.\n", encoding="utf8")
    with pytest.raises(ValueError, match="no column 'text'"):
        annotate(tmp_path / "a.csv", tmp_path / "out", pipeline, format="jsonl")
    assert annotate(tmp_path / "a.csv", tmp_path / "out", pipeline, format="jsonl", text_column="body").documents == 1
