"""Copy what a student takes over from its teacher unchanged."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.util import registry

from ..util.files import replace_directory


def write_copies(teacher: str, nlp: Language, components: Collection[str], directory: Path) -> None:
    """Write a pipeline with the tokenizer and some components of a teacher, but without its static vectors.

    If a student sourced its components from the teacher itself, spaCy would give it the keys of the teacher's vectors,
    even if it has no vectors.

    teacher: name or path of the teacher.
    nlp: the loaded teacher.
    components: names of the components to copy.
    directory: the directory to write, which is replaced.
    """
    copies = spacy.load(teacher, exclude=[name for name in nlp.component_names if name not in components])
    create_vectors = registry.resolve({"vectors": copies.config["nlp"]["vectors"]})["vectors"]
    copies.vocab.vectors = create_vectors(copies.vocab)
    with replace_directory(directory) as draft:
        copies.to_disk(draft)
