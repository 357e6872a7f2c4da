"""What an entity recogniser predicts from the scores of words: entities, the best analyses, and distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
from spacy.tokens import Doc, Span

from ..bridge.crf import compute_span_probabilities, compute_tag_pairs, decode, decode_k_best, find_probable_spans
from ..bridge.model_types import CRFLayer
from ..bridge.soft_targets import SoftTags
from .entities import Bools, Floats, Spans, choose_spans, find_allowed_tags, find_doc_starts, make_doc_spans
from .soft_tags import leave_out_whitespace, make_soft_tags
from .words import WordSequences

Parse = tuple[float, list[Span]]
"""The probability of an analysis, and its entities."""


def find_entities(
    crf: CRFLayer, words: WordSequences, allowed: Bools | None, settings: Mapping[str, Any]
) -> tuple[Spans, Floats | None]:
    """Find the entities of docs.

    crf: the conditional random field.
    words: the tokens that it reads.
    allowed: tags that these tokens may have, or None for all. Shape `(n_tokens, n_tags)`.
    settings: the settings of `bilstm_ner`: `threshold`, `temperature` and `confidences`.
    RETURNS: the entities, as spans of the tokens that the CRF reads, and their probabilities if the settings need them.
    """
    if settings["threshold"]:
        return find_probable_entities(crf, words, allowed, settings["threshold"], settings["temperature"])
    needs_probabilities = settings["confidences"] is not None
    return find_best_entities(crf, words, allowed, settings["temperature"] if needs_probabilities else None)


def find_best_entities(
    crf: CRFLayer, words: WordSequences, allowed: Bools | None, temperature: float | None
) -> tuple[Spans, Floats | None]:
    """Find the entities of the most probable analysis of each doc.

    crf, words, allowed: as for `find_entities`.
    temperature: all scores are divided by it where probabilities are computed, > 0; None computes no probabilities.
    RETURNS: the entities, as spans of the tokens that the CRF reads, and their probabilities or None.
    """
    spans = Spans.from_tags(decode(crf, words.emissions, allowed))
    if temperature is None:
        return spans, None
    return spans, compute_span_probabilities(
        crf, words.emissions, spans.starts, spans.ends, spans.labels, allowed, temperature
    )


def find_probable_entities(
    crf: CRFLayer, words: WordSequences, allowed: Bools | None, threshold: float, temperature: float
) -> tuple[Spans, Floats]:
    """Find all spans with at least a certain probability to be an entity, the most probable first where they overlap.

    crf, words, allowed: as for `find_entities`.
    threshold: the lowest probability, 0 < threshold <= 1.
    temperature: all scores are divided by it, > 0.
    RETURNS: the entities, as spans of the tokens that the CRF reads, and their probabilities.
    """
    *found, probabilities = find_probable_spans(crf, words.emissions, threshold, allowed, temperature)
    spans = Spans(*found)
    chosen = choose_spans(spans, probabilities, len(words.tokens))
    return spans.select(chosen), probabilities[chosen]


def find_analyses(
    crf: CRFLayer,
    words: WordSequences,
    docs: Sequence[Doc],
    labels: Sequence[str],
    label_hashes: Sequence[int],
    k: int,
    temperature: float,
) -> list[list[Parse]]:
    """Find the k most probable analyses of docs.

    crf: the conditional random field.
    words: the tokens that it reads.
    docs: the docs.
    labels: the labels.
    label_hashes: hash of each label.
    k: number of analyses, >= 1.
    temperature: all scores are divided by it, > 0.
    RETURNS: for each doc its analyses, most probable first, or fewer than k if there are no more: the probability and
        all entities, with those that were set already.
    RAISES: ValueError if k is below 1.
    """
    allowed = find_allowed_tags(words.tokens, label_hashes)
    tags, probabilities = decode_k_best(crf, words.emissions, k, allowed, temperature)
    by_rank = [make_doc_spans(docs, words.restore(Spans.from_tags(sequence)), labels) for sequence in tags]
    analyses: list[list[Parse]] = []
    for i, start in enumerate(find_doc_starts(words.emissions.lengths)):
        n_analyses = int((tags[:, start] >= 0).sum()) if words.emissions.lengths[i] else 1
        foreign = [entity for entity in docs[i].ents if entity.label_ not in labels]
        spans = [sorted(of_all[i] + foreign) for of_all in by_rank[:n_analyses]]
        analyses.append(list(zip(probabilities[i].tolist(), spans, strict=False)))
    return analyses


def compute_soft_tags(
    crf: CRFLayer,
    words: WordSequences,
    labels: Sequence[str],
    label_hashes: Sequence[int],
    min_probability: float,
    temperature: float,
) -> list[SoftTags | None]:
    """Compute the distribution over the tag sequences of the words of each doc.

    crf: the conditional random field.
    words: the tokens that it reads.
    labels: the labels.
    label_hashes: hash of each label.
    min_probability: tags of a token that are less probable are left out, unless they are the best ones.
    temperature: all scores are divided by it, > 0.
    RETURNS: the distributions. None for a doc with a preset entity that starts or ends in whitespace.
    """
    allowed = find_allowed_tags(words.tokens, label_hashes)
    pairs = compute_tag_pairs(crf, words.emissions, min_probability, allowed, temperature)
    if words.positions is not None:
        pairs = pairs._replace(tokens=words.positions[pairs.tokens])
    lengths = words.all_tokens.lengths
    is_space = numpy.split(words.all_tokens.is_space, numpy.cumsum(lengths, dtype="int64"))[:-1]
    targets = make_soft_tags(pairs, lengths, labels)
    return [leave_out_whitespace(of_doc, of_tokens) for of_doc, of_tokens in zip(targets, is_space, strict=True)]
