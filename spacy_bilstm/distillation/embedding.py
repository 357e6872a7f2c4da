"""Give a student the word embedding of its teacher, as static vectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import spacy
from spacy.attrs import IDS, intify_attr
from spacy.language import Language

from ..bridge.embedding_vectors import EmbeddingVectors
from ..bridge.model_types import Tok2VecModel
from ..util.files import replace_directory
from .teachers import TeacherError

# Attributes of tokens, which components set, and positions.
_TOKEN_ATTRS = "TAG POS MORPH LEMMA DEP HEAD ENT_IOB ENT_TYPE ENT_ID ENT_KB_ID SENT_START IDX"
_NOT_OF_WORDS = {IDS[name] for name in _TOKEN_ATTRS.split()}
VECTORS = "spacy-bilstm.EmbeddingVectors.v1"


def find_embeddings(nlp: Language) -> list[tuple[dict[str, Any], Tok2VecModel]]:
    """Find the word embeddings of a pipeline: that of its shared `tok2vec`, and those of components with their own.

    nlp: the pipeline.
    RETURNS: the config and the layer of each, in pipeline order.
    RAISES: TeacherError if there is none, if the config of one is not known, or if one reads attributes that depend on
        more than the word.
    """
    found: list[tuple[dict[str, Any], Tok2VecModel]] = []
    components = nlp.config.interpolate()["components"]
    for name, pipe in nlp.pipeline:
        configs = list(_find_configs(components[name].get("model", {})))
        model: Any = getattr(pipe, "model", None)
        layers = [] if model is None else [node.get_ref("embed") for node in model.walk() if node.has_ref("embed")]
        if len(configs) != len(layers):
            raise TeacherError(
                f"The embedding of the teacher's '{name}' can't be copied: its config has no block `embed`, as with "
                "`spacy.HashEmbedCNN.v2`. Leave out --teacher-embedding."
            )
        attrs = {attr for config in configs for attr in config.get("attrs", []) if intify_attr(attr) in _NOT_OF_WORDS}
        if attrs:
            raise TeacherError(
                f"The embedding of the teacher's '{name}' reads {', '.join(sorted(map(str, attrs)))}, which depends on "
                "more than the word. Leave out --teacher-embedding."
            )
        found += zip(configs, layers, strict=True)
    if not found:
        raise TeacherError("The teacher has no embedding of words, as `tok2vec` has. Leave out --teacher-embedding.")
    return found


def write_embedding(nlp: Language, directory: Path) -> None:
    """Write a pipeline whose static vectors are the word embeddings of another one.

    nlp: the pipeline with the embeddings.
    directory: the directory to write, which is replaced.
    RAISES: TeacherError as `find_embeddings` does.
    """
    embeddings = find_embeddings(nlp)
    settings = {"tokenizer": nlp.config["nlp"]["tokenizer"], "vectors": {"@vectors": VECTORS}}
    blank = spacy.blank(str(nlp.lang), config={"nlp": settings})
    vectors: EmbeddingVectors = blank.vocab.vectors
    vectors.set_layers(nlp, embeddings)
    with replace_directory(directory) as draft:
        blank.to_disk(draft)


def _find_configs(config: Any) -> Iterator[dict[str, Any]]:
    if isinstance(config, dict):
        for name, inner in config.items():
            if name == "embed" and "@architectures" in inner:
                yield dict(inner)
            else:
                yield from _find_configs(inner)
