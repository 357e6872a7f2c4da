"""Merge the entity tags of one file into the sentences of a treebank by their `sent_id`."""

from __future__ import annotations

from collections.abc import Sequence

from .columns import TaggedSentence
from .conllu import Sentence
from .corpus_file import CorpusFile

ID = "sent_id"


def merge_entities(
    sentences: Sequence[Sentence], tagged: Sequence[TaggedSentence], treebank: CorpusFile, annotation: CorpusFile
) -> None:
    """Replace the entity tags of sentences with those of sentences that have the same id and the same words.

    sentences: the sentences of the treebank. Their entities are missing afterwards if no sentence with the same words
        has their id.
    tagged: the sentences with entity tags.
    treebank, annotation: the files of `sentences` and of `tagged`. A sentence that is in one file only, or has other
        words in the other one, is a warning. Files without a common id are an error.
    """
    by_id = _index(tagged, annotation)
    unused = dict(by_id)
    for sentence in sentences:
        sent_id = sentence.comments.get(ID, "")
        gold = unused.pop(sent_id, None)
        for word in sentence.words:
            word.entity = ""
        sentence.spans = None
        if gold is None:
            reason = f"the {ID} '{sent_id}' is not in {annotation.name}" if sent_id else f"there is no '# {ID} ='"
            treebank.warn(sentence.start, f"{reason}. The entities of this sentence are missing.")
        elif gold.words != [word.form for word in sentence.words]:
            difference = _describe_difference(sentence, gold)
            annotation.warn(gold.start, f"{difference}. The entities of '{sent_id}' are missing.")
        else:
            for word, tag in zip(sentence.words, gold.tags, strict=True):
                word.entity = tag
            sentence.spans = gold.spans
    for sent_id, candidate in unused.items():
        annotation.warn(candidate.start, f"the {ID} '{sent_id}' is not in {treebank.name}. Its entities are not used.")
    if sentences and len(unused) == len(by_id):
        annotation.error(1, f"this file has no {ID} of {treebank.name}. Use two files of the same treebank.")


def _index(tagged: Sequence[TaggedSentence], annotation: CorpusFile) -> dict[str, TaggedSentence]:
    """Return the tagged sentences by their ids."""
    by_id: dict[str, TaggedSentence] = {}
    for sentence in tagged:
        sent_id = sentence.comments.get(ID, "")
        if not sent_id:
            annotation.warn(sentence.start, f"there is no '# {ID} ='. The entities of this sentence are not used.")
        elif sent_id in by_id:
            annotation.warn(sentence.start, f"the {ID} '{sent_id}' occurs again. The entities here are not used.")
        else:
            by_id[sent_id] = sentence
    return by_id


def _describe_difference(sentence: Sentence, gold: TaggedSentence) -> str:
    """Describe the first difference between the words of a sentence."""
    forms = [word.form for word in sentence.words]
    n_same = next(
        (i for i, (form, other) in enumerate(zip(forms, gold.words, strict=False)) if form != other),
        min(len(forms), len(gold.words)),
    )
    here, there = (f"'{words[n_same]}'" if n_same < len(words) else "missing" for words in (gold.words, forms))
    return f"word {n_same + 1} is {here} here and {there} in the treebank"
