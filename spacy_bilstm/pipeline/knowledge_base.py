"""Loads the knowledge base of an entity linker, and says how to make one if there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spacy.kb import KnowledgeBase
from spacy.ml.models.entity_linker import load_kb
from spacy.vocab import Vocab


def make_knowledge_base_v1(kb_path: Path | None) -> Callable[[Vocab], KnowledgeBase]:
    """Make a function that loads a knowledge base, for `initialize.components.entity_linker.kb_loader` in a config.

    It is `spacy.KBFromFile.v1` with errors that say how to make a knowledge base.

    kb_path: the folder that `InMemoryLookupKB.to_disk` has written, or null.
    RETURNS: the function.
    """

    def load(vocab: Vocab) -> KnowledgeBase:
        """Load the knowledge base. RAISES: ValueError if there is none."""
        if kb_path is None:
            raise ValueError(f"An entity linker needs a knowledge base, and the config names none. {_HOW_TO}")
        if not (Path(kb_path) / "contents").is_file():
            raise ValueError(f"There is no knowledge base in {kb_path}. {_HOW_TO}")
        return load_kb(Path(kb_path))(vocab)

    return load


_HOW_TO = (
    "Make one from your entities, their aliases and vectors with spacy.kb.InMemoryLookupKB, save it with "
    "kb.to_disk('kb'), and train with: --paths.kb kb. The guide 'Spans, lemmas and links' shows how."
)
