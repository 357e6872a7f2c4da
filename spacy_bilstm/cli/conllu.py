"""Room cli: CoNLL-U text becomes spaCy docs, one a sentence, whose text is the sentence's own text.

The format: https://universaldependencies.org/format.html. Entities stand in the MISC column as `NER=B-PER`, `NER=I-PER`
or `NER=O`; a token without such a key has no entity annotation, which is not the same as being outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from spacy.tokens import Doc
from spacy.vocab import Vocab

N_COLUMNS = 10
UNKNOWN = "_"


class CorpusError(ValueError):
    """Something is wrong in a corpus file; the message names the file, the line and the mend."""


@dataclass
class Word:
    """One token of a sentence: a word, or a multiword token whose words do not spell it."""

    id: int
    form: str
    lemma: str
    upos: str
    xpos: str
    feats: str
    head: str
    deprel: str
    misc: dict[str, str]
    space_after: bool
    line: int


@dataclass
class Sentence:
    """The lines of one sentence.

    start: number of its first line in the file, from 1.
    comments: its `# key = value` lines.
    words: its words, without empty nodes.
    contractions: for each multiword token its first and last word's id, its form and whether a space follows.
    """

    start: int
    comments: dict[str, str] = field(default_factory=dict)
    words: list[Word] = field(default_factory=list)
    contractions: list[tuple[int, int, str, bool]] = field(default_factory=list)


def read_docs(lines: Iterable[str], vocab: Vocab, source: str) -> Iterator[Doc]:
    """Read the sentences of a CoNLL-U file as docs.

    lines: the file's lines.
    vocab: the docs' vocabulary.
    source: the file's name, for messages.
    RETURNS: one doc a sentence: words, spaces, lemmas, coarse (UPOS) and fine (XPOS) tags, morphology, heads and
        relations where the file has them, and entities.
    RAISES: CorpusError at the first line that is not CoNLL-U.
    """
    for sentence in read_sentences(lines, source):
        yield sentence_to_doc(sentence, vocab, source)


def read_sentences(lines: Iterable[str], source: str) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL-U file.

    lines: the file's lines.
    source: the file's name, for messages.
    RETURNS: the sentences, in order.
    RAISES: CorpusError at the first line that is not CoNLL-U.
    """
    sentence: Sentence | None = None
    for number, raw_line in enumerate(lines, start=1):
        line = raw_line.rstrip("\r\n")
        if not line.strip():
            if sentence is not None:
                yield _checked(sentence, source)
            sentence = None
            continue
        if sentence is None:
            sentence = Sentence(start=number)
        if line.startswith("#"):
            key, separator, value = line[1:].partition("=")
            if separator:
                sentence.comments[key.strip()] = value.strip()
        else:
            _add_row(sentence, line, number, source)
    if sentence is not None:
        yield _checked(sentence, source)


def sentence_to_doc(sentence: Sentence, vocab: Vocab, source: str) -> Doc:
    """Make a doc of a sentence.

    A multiword token whose words spell it ("don't": do, n't) becomes these words. One whose words do not (Spanish
    "del": de, el) stays one token, with the coarse tag, head and relation of the word that governs the others, and the
    fine tags, lemmas and features of all.

    sentence: the sentence.
    vocab: the doc's vocabulary.
    source: the file's name, for messages.
    RETURNS: the doc.
    RAISES: CorpusError if the annotation does not make a doc.
    """
    words = _merge_contractions(sentence)
    position = {word_id: i for i, (_, ids) in enumerate(words) for word_id in ids}
    tokens = [word for word, _ in words]
    has_tree = all(token.head != UNKNOWN for token in tokens)
    heads = (
        [position[int(token.head)] if token.head != "0" else i for i, token in enumerate(tokens)] if has_tree else None
    )
    try:
        doc = Doc(
            vocab,
            words=[token.form for token in tokens],
            spaces=[token.space_after for token in tokens],
            lemmas=[_known(token.lemma) if token.form != UNKNOWN else token.lemma for token in tokens],
            pos=[_known(token.upos) for token in tokens],
            tags=[_known(token.xpos) or _known(token.upos) for token in tokens],
            morphs=[_known(token.feats) for token in tokens],
            heads=heads,
            deps=["ROOT" if token.deprel == "root" else token.deprel for token in tokens] if has_tree else None,
            sent_starts=None if has_tree else [i == 0 for i in range(len(tokens))],
            ents=[token.misc.get("NER", "") for token in tokens],
        )
    except ValueError as error:
        raise CorpusError(
            f"{source}, line {sentence.start}: the sentence's annotation is not valid: {error}"
        ) from error
    text = sentence.comments.get("text")
    if text is not None and doc.text.strip() != text:
        raise CorpusError(
            f"{source}, line {sentence.start}: the words spell '{doc.text.strip()}', but '# text' says '{text}'. Mend "
            "the forms or their SpaceAfter=No."
        )
    return doc


def _add_row(sentence: Sentence, line: str, number: int, source: str) -> None:
    columns = line.split("\t")
    if len(columns) != N_COLUMNS:
        raise CorpusError(
            f"{source}, line {number}: {len(columns)} columns where CoNLL-U has {N_COLUMNS}, separated by tabs."
        )
    if not all(columns):
        raise CorpusError(f"{source}, line {number}: an empty column. CoNLL-U writes '_' for what is not annotated.")
    id_, form, lemma, upos, xpos, feats, head, deprel, _, misc_column = columns
    misc = dict(key_value.partition("=")[::2] for key_value in misc_column.split("|"))
    space_after = misc.get("SpaceAfter") != "No"
    try:
        if "." in id_:  # An empty node is no part of the text.
            return
        if "-" in id_:
            first, last = (int(part) for part in id_.split("-"))
            sentence.contractions.append((first, last, form, space_after))
            return
        word_id = int(id_)
        if head != UNKNOWN:
            int(head)
    except ValueError:
        raise CorpusError(f"{source}, line {number}: the id '{id_}' or the head '{head}' is not a number.") from None
    if word_id != len(sentence.words) + 1:
        raise CorpusError(
            f"{source}, line {number}: the id is {word_id}, not {len(sentence.words) + 1}. Number words from 1."
        )
    sentence.words.append(Word(word_id, form, lemma, upos, xpos, feats, head, deprel, misc, space_after, line=number))


def _checked(sentence: Sentence, source: str) -> Sentence:
    if not sentence.words:
        raise CorpusError(f"{source}, line {sentence.start}: a sentence without words. Remove its lines.")
    n_words = len(sentence.words)
    previous = "O"
    for word in sentence.words:
        if word.head != UNKNOWN and not 0 <= int(word.head) <= n_words:
            raise CorpusError(f"{source}, line {word.line}: the head {word.head} is not in the sentence.")
        tag = word.misc.get("NER", "O")
        if tag != "O" and (tag[:2] not in ("B-", "I-") or not tag[2:]):
            raise CorpusError(f"{source}, line {word.line}: 'NER={tag}' is not O, B-TYPE or I-TYPE.")
        if tag.startswith("I-") and previous[2:] != tag[2:]:
            raise CorpusError(
                f"{source}, line {word.line}: 'NER={tag}' follows 'NER={previous}'. An entity starts with B-{tag[2:]}."
            )
        previous = tag
    for first, last, form, _ in sentence.contractions:
        if not 1 <= first < last <= n_words:
            raise CorpusError(
                f"{source}, line {sentence.start}: the multiword token '{form}' spans {first}-{last}, but the sentence "
                f"has the words 1 to {n_words}."
            )
    return sentence


def _merge_contractions(sentence: Sentence) -> list[tuple[Word, list[int]]]:
    """Give the doc's tokens, each with the ids of the words that it stands for."""
    contraction_at = {first: (last, form, space_after) for first, last, form, space_after in sentence.contractions}
    tokens: list[tuple[Word, list[int]]] = []
    i = 0
    while i < len(sentence.words):
        last, form, space_after = contraction_at.get(
            i + 1, (i + 1, sentence.words[i].form, sentence.words[i].space_after)
        )
        words = sentence.words[i:last]
        if "".join(word.form for word in words) == form:
            for word in words:
                word.space_after = space_after if word is words[-1] else False
                tokens.append((word, [word.id]))
        else:
            tokens.append((_merge(words, form, space_after), [word.id for word in words]))
        i = last
    return tokens


def _merge(words: list[Word], form: str, space_after: bool) -> Word:
    ids = {str(word.id) for word in words}
    governor = next((word for word in words if word.head not in ids), words[0])
    feats = sorted({feat for word in words for feat in word.feats.split("|")} - {UNKNOWN})
    return Word(
        id=governor.id,
        form=form,
        lemma=" ".join(word.lemma for word in words),
        upos=governor.upos,
        xpos="_".join(word.xpos for word in words) if governor.xpos != UNKNOWN else UNKNOWN,
        feats=_join_feats(feats),
        head=governor.head,
        deprel=governor.deprel,
        misc=words[0].misc,
        space_after=space_after,
        line=governor.line,
    )


def _join_feats(feats: list[str]) -> str:
    values: dict[str, set[str]] = {}
    for feat in feats:
        key, _, value = feat.partition("=")
        values.setdefault(key, set()).update(value.split(","))
    return "|".join(f"{key}={','.join(sorted(values[key]))}" for key in sorted(values)) or UNKNOWN


def _known(value: str) -> str:
    return "" if value == UNKNOWN else value
