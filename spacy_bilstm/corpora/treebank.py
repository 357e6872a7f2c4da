"""Turn CoNLL-U sentences into spaCy's tokens, with their own entities or those of another file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from spacy.language import Language

from .columns import read_tagged_sentences
from .conllu import UNKNOWN, Sentence, Word, read_sentences
from .corpus_file import CorpusFile
from .docs import AnnotatedText
from .merge import merge_entities
from .misc_entities import assign_entities
from .spans import TokenSpan
from .tags import Scheme, join_tags, remove_entity


def read_treebank(
    file: CorpusFile, nlp: Language, scheme: Scheme | None, entities: CorpusFile | None = None
) -> Iterator[AnnotatedText]:
    """Read the sentences of a CoNLL-U file.

    A multiword token that its words spell ("don't": do, n't) becomes these words. One that its words do not spell
    (Spanish "del": de, el) stays one token. It has the coarse tag, head and relation of the word that governs the
    others, and the fine tags, lemmas and features of all words.

    file: the file, which records the problems.
    nlp: not used; the file has its own tokens.
    scheme: the scheme of the entity tags; None detects it.
    entities: a file in columns whose entities replace those of the CoNLL-U file.
    RETURNS: the sentences without errors, in order.
    """
    sentences = list(read_sentences(file))
    if entities is None:
        assign_entities(sentences, file, scheme)
    else:
        merge_entities(sentences, read_tagged_sentences(entities, scheme), file, entities)
    for sentence in file.track(sentences, "Convert"):
        yield annotate(sentence, file)


def annotate(sentence: Sentence, file: CorpusFile) -> AnnotatedText:
    """Turn a CoNLL-U sentence into spaCy's tokens and annotation.

    sentence: the sentence.
    file: the file of the sentence. A multiword token that contains only a part of an entity is a warning.
    RETURNS: words, spaces, lemmas, coarse (UPOS) and fine (XPOS) tags, morphology and entities; heads and relations if
        the sentence has them.
    """
    words = _merge_multiword_tokens(sentence)
    tokens = [word for word, _ in words]
    position = {word_id: i for i, (_, ids) in enumerate(words) for word_id in ids}
    has_tree = all(token.head != UNKNOWN for token in tokens)
    heads = (
        [position[int(token.head)] if token.head != "0" else i for i, token in enumerate(tokens)] if has_tree else None
    )
    return AnnotatedText(
        line=sentence.start,
        words=[token.form for token in tokens],
        # Whitespace after the sentence is not part of its text.
        spaces=[*(token.space_after for token in tokens[:-1]), False],
        entities=_tag_entities(sentence, words, file),
        spans=_find_spans(sentence, position),
        lemmas=[_get_known(token.lemma) if token.form != UNKNOWN else token.lemma for token in tokens],
        pos=[_get_known(token.upos) for token in tokens],
        tags=[_get_known(token.xpos) or _get_known(token.upos) for token in tokens],
        morphs=[_get_known(token.feats) for token in tokens],
        heads=heads,
        deps=["ROOT" if token.deprel == "root" else token.deprel for token in tokens] if has_tree else None,
        sent_starts=None if has_tree else [i == 0 for i in range(len(tokens))],
        text=sentence.comments.get("text"),
        starts_document=sentence.starts_document,
        starts_paragraph=sentence.starts_paragraph,
        space_after=tokens[-1].space_after,
    )


def _tag_entities(sentence: Sentence, words: list[tuple[Word, list[int]]], file: CorpusFile) -> list[str]:
    """Return the entity tag of each token."""
    tags = [word.entity for word, _ in words]
    boundaries = {boundary for span in sentence.spans or () for boundary in (span.start, span.end)}
    for i, (word, ids) in enumerate(words):
        is_cut = join_tags([sentence.words[id_ - 1].entity for id_ in ids]) is None
        if is_cut or boundaries & set(ids[:-1]):
            file.warn(
                word.line,
                f"an entity starts or ends inside the multiword token '{word.form}'. It is treated as missing.",
            )
        if is_cut:
            remove_entity(tags, i)
    return tags


def _find_spans(sentence: Sentence, position: dict[int, int]) -> list[TokenSpan] | None:
    """Return the entities as spans of tokens, without those that start or end inside a token."""
    if sentence.spans is None:
        return None
    positions = [position[word.id] for word in sentence.words]
    inside = {i for i, (previous, following) in enumerate(pairwise(positions), start=1) if previous == following}
    return [
        span._replace(start=positions[span.start], end=positions[span.end - 1] + 1)
        for span in sentence.spans
        if span.start not in inside and span.end not in inside
    ]


def _merge_multiword_tokens(sentence: Sentence) -> list[tuple[Word, list[int]]]:
    """Return the tokens of the Doc, each with the ids of its words."""
    multiword_tokens = {
        first: (last, form, space_after) for first, last, form, space_after in sentence.multiword_tokens
    }
    tokens: list[tuple[Word, list[int]]] = []
    i = 0
    while i < len(sentence.words):
        last, form, space_after = multiword_tokens.get(
            i + 1, (i + 1, sentence.words[i].form, sentence.words[i].space_after)
        )
        words = sentence.words[i:last]
        if "".join(word.form for word in words) == form:
            for word in words:
                spaced = replace(word, space_after=space_after if word is words[-1] else False)
                tokens.append((spaced, [word.id]))
        else:
            tokens.append((_merge(words, form, space_after, sentence), [word.id for word in words]))
        i = last
    return tokens


def _merge(words: list[Word], form: str, space_after: bool, sentence: Sentence) -> Word:
    ids = {str(word.id) for word in words}
    outside = [word for word in words if word.head not in ids]
    # Another word with a head outside may be below the token. Its head would make a cycle.
    governor = min(outside, key=lambda word: _count_steps(word, sentence)) if outside else words[0]
    feats = sorted({feat for word in words for feat in word.feats.split("|")} - {UNKNOWN})
    return replace(
        governor,
        form=form,
        lemma=" ".join(word.lemma for word in words),
        xpos="_".join(word.xpos for word in words) if governor.xpos != UNKNOWN else UNKNOWN,
        feats=_join_feats(feats),
        misc=words[0].misc,
        space_after=space_after,
        entity=words[0].entity,
    )


def _count_steps(word: Word, sentence: Sentence) -> int:
    """Return the number of heads between a word and the root; 0 without a tree."""
    n_steps = 0
    while word.head not in ("0", UNKNOWN) and n_steps < len(sentence.words):
        word = sentence.words[int(word.head) - 1]
        n_steps += 1
    return n_steps


def _join_feats(feats: list[str]) -> str:
    values: dict[str, set[str]] = {}
    for feat in feats:
        key, _, value = feat.partition("=")
        values.setdefault(key, set()).update(value.split(","))
    return "|".join(f"{key}={','.join(sorted(values[key]))}" for key in sorted(values)) or UNKNOWN


def _get_known(value: str) -> str:
    return "" if value == UNKNOWN else value
