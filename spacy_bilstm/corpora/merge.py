"""Entity tags of one file join the sentences of a treebank by their `sent_id`."""

from __future__ import annotations

from collections.abc import Sequence

from .columns import TaggedSentence
from .conllu import Sentence
from .problems import Problems

ID = "sent_id"


def merge_entities(
    sentences: Sequence[Sentence],
    tagged: Sequence[TaggedSentence],
    sources: tuple[str, str],
    problems: Problems,
) -> None:
    """Set the words' entity tags from sentences of the same id and the same words.

    sentences: the treebank's sentences; tags that they have are replaced. Where no sentence with the same words has the
        id, entity annotation is missing.
    tagged: the sentences with entity tags.
    sources: names of the treebank's file and of the file with the tags, for messages.
    problems: takes up each sentence that is in one file only or has other words there. That no id is in both files is
        an error.
    """
    treebank, annotation = sources
    by_id: dict[str, TaggedSentence] = {}
    for candidate in tagged:
        sent_id = candidate.comments.get(ID, "")
        if not sent_id:
            problems.warn(annotation, candidate.start, f"no '# {ID} =': its entities are not used.")
        elif sent_id in by_id:
            problems.warn(annotation, candidate.start, f"the {ID} '{sent_id}' again: the entities here are not used.")
        else:
            by_id[sent_id] = candidate
    unused = dict(by_id)
    for sentence in sentences:
        sent_id = sentence.comments.get(ID, "")
        gold = unused.pop(sent_id, None)
        for word in sentence.words:
            word.entity = ""
        if gold is None:
            said = f"the {ID} '{sent_id}' is not in {annotation}" if sent_id else f"no '# {ID} ='"
            problems.warn(treebank, sentence.start, f"{said}: its entities are missing.")
        elif gold.words != [word.form for word in sentence.words]:
            problems.warn(annotation, gold.start, f"'{sent_id}' has {_difference(sentence, gold)}: missing entities.")
        else:
            for word, tag in zip(sentence.words, gold.tags, strict=True):
                word.entity = tag
    for sent_id, candidate in unused.items():
        problems.warn(annotation, candidate.start, f"'{sent_id}' is not in {treebank}: its entities are not used.")
    if sentences and len(unused) == len(by_id):
        problems.error(annotation, 1, f"no {ID} of {treebank} is in this file. Are they of the same treebank?")


def _difference(sentence: Sentence, gold: TaggedSentence) -> str:
    """Say where the words first differ."""
    forms = [word.form for word in sentence.words]
    n_same = next(
        (i for i, (form, other) in enumerate(zip(forms, gold.words, strict=False)) if form != other),
        min(len(forms), len(gold.words)),
    )
    here, there = (words[n_same] if n_same < len(words) else "nothing" for words in (gold.words, forms))
    return f"'{here}' as word {n_same + 1}, where the treebank has '{there}'"
