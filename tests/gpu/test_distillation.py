"""Distillation and bulk annotation on a GPU."""

import json
from pathlib import Path

import spacy
from thinc.api import require_cpu
from toy_pipelines import get_annotations
from toy_teachers import OVERRIDES, make_teacher, write_texts

from spacy_bilstm.annotation import annotate
from spacy_bilstm.distillation import distill

TEXTS = ["Anna sees the red cat .", "Zoe liked the old birds . Boris travels to Oslo ."]


def test_a_student_with_the_embedding_of_its_teacher_predicts_the_same_on_a_cpu(gpu_id: int, tmp_path: Path) -> None:
    """Teacher and student compute on the GPU. The vectors of unseen words are computed on the CPU and copied."""
    make_teacher(epochs=4).to_disk(tmp_path / "teacher")
    texts = write_texts(tmp_path / "texts.txt")
    result = distill(
        tmp_path / "teacher",
        texts,
        tmp_path / "student",
        teacher_embedding=True,
        held_out=0.15,
        overrides=OVERRIDES,
        gpu_id=gpu_id,
    )
    assert result.agreement["tag_acc"] > 0.95
    assert result.agreement["ents_f"] > 0.9
    annotations = get_annotations(spacy.load(tmp_path / "student").pipe(TEXTS))
    require_cpu()
    assert get_annotations(spacy.load(tmp_path / "student").pipe(TEXTS)) == annotations


def test_bulk_annotation_on_a_gpu_writes_what_a_cpu_writes(device: str, tmp_path: Path) -> None:
    make_teacher(epochs=4).to_disk(tmp_path / "pipeline")
    texts = write_texts(tmp_path / "texts.txt", n=60)
    targets = [tmp_path / device, tmp_path / "expected"]
    for target, num_gpus in zip(targets, (int(device == "gpu"), 0), strict=True):
        annotate(texts, target, tmp_path / "pipeline", format="jsonl", part_size=25, num_gpus=num_gpus)
        require_cpu()
    written, expected = ([path.read_text("utf8") for path in sorted(t.glob("part-*.jsonl"))] for t in targets)
    assert len(written) == 3
    assert written == expected
    assert any(json.loads(line)["entities"] for line in written[0].splitlines())
