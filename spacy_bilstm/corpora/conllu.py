"""CoNLL-U text becomes spaCy docs, one a sentence, whose text is the sentence's own text.

The format: https://universaldependencies.org/format.html. Entities stand in the MISC column as `NER=B-PER`, `NER=I-PER`
or `NER=O`; a token without such a key has no entity annotation, which is not the same as being outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from spacy.parts_of_speech import IDS as UPOS
from spacy.tokens import Doc
from spacy.vocab import Vocab

from .problems import Problems
from .tags import Scheme, join_tags, take_as_missing, to_iob2

N_COLUMNS = 10
UNKNOWN = "_"


@dataclass
class Word:
    """One token of a sentence: a word, or a multiword token whose words do not spell it.

    entity: its entity tag in IOB2, or "" where it has no entity annotation.
    """

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
    entity: str = ""


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


def read_sentences(lines: Iterable[str], source: str, problems: Problems) -> Iterator[Sentence]:
    """Read the sentences of a CoNLL-U file.

    lines: the file's lines.
    source: the file's name, for messages.
    problems: takes up what is wrong: a sentence that is not CoNLL-U is an error; an entity tag, a part of speech or a
        tree that is not valid is taken as missing.
    RETURNS: the sentences without errors, in order.
    """
    block: list[tuple[int, str]] = []
    for number, raw_line in enumerate(lines, start=1):
        line = raw_line.rstrip("\r\n")
        if line.strip():
            block.append((number, line))
        elif block:
            yield from _read_block(block, source, problems)
            block = []
    if block:
        yield from _read_block(block, source, problems)


def sentence_to_doc(sentence: Sentence, vocab: Vocab, source: str, problems: Problems) -> Doc | None:
    """Make a doc of a sentence.

    A multiword token whose words spell it ("don't": do, n't) becomes these words. One whose words do not (Spanish
    "del": de, el) stays one token, with the coarse tag, head and relation of the word that governs the others, and the
    fine tags, lemmas and features of all.

    sentence: the sentence.
    vocab: the doc's vocabulary.
    source: the file's name, for messages.
    problems: takes up what is wrong: annotation of which no doc can be made is an error; a text that is not the
        `# text` and a multiword token that holds a part of an entity only are warnings.
    RETURNS: the doc: words, spaces, lemmas, coarse (UPOS) and fine (XPOS) tags, morphology, heads and relations where
        the sentence has them, and entities; None if there was an error.
    """
    words = _merge_contractions(sentence)
    entities = [word.entity for word, _ in words]
    for i, (word, ids) in enumerate(words):
        if join_tags([sentence.words[id_ - 1].entity for id_ in ids]) is None:
            problems.warn(
                source,
                word.line,
                f"an entity starts or ends inside the multiword token '{word.form}': it is taken as missing.",
            )
            take_as_missing(entities, i)
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
            # What follows the sentence is not part of its text.
            spaces=[*(token.space_after for token in tokens[:-1]), False],
            lemmas=[_known(token.lemma) if token.form != UNKNOWN else token.lemma for token in tokens],
            pos=[_known(token.upos) for token in tokens],
            tags=[_known(token.xpos) or _known(token.upos) for token in tokens],
            morphs=[_known(token.feats) for token in tokens],
            heads=heads,
            deps=["ROOT" if token.deprel == "root" else token.deprel for token in tokens] if has_tree else None,
            sent_starts=None if has_tree else [i == 0 for i in range(len(tokens))],
            ents=entities,
        )
    except ValueError as error:
        problems.error(source, sentence.start, f"the sentence's annotation is not valid: {error}")
        return None
    text = sentence.comments.get("text")
    if text is not None and doc.text != text:
        problems.warn(
            source,
            sentence.start,
            f"the words spell '{doc.text}', but '# text' says '{text}': the doc's text is that of the words. Mend the "
            "forms or their SpaceAfter=No.",
        )
    return doc


def _read_block(block: list[tuple[int, str]], source: str, problems: Problems) -> Iterator[Sentence]:
    """Read the lines of one sentence; nothing is given if they hold an error."""
    n_errors = len(problems.errors)
    sentence = Sentence(start=block[0][0])
    for number, line in block:
        if line.startswith("#"):
            key, separator, value = line[1:].partition("=")
            if separator:
                sentence.comments[key.strip()] = value.strip()
        else:
            _read_row(sentence, line, number, source, problems)
    if len(problems.errors) == n_errors:
        _check_words(sentence, source, problems)
    if len(problems.errors) == n_errors:
        _mend_tree(sentence, source, problems)
        _mend_entities(sentence, source, problems)
        yield sentence


def _read_row(sentence: Sentence, line: str, number: int, source: str, problems: Problems) -> None:
    columns = line.split("\t")
    if len(columns) != N_COLUMNS:
        return problems.error(
            source, number, f"{len(columns)} columns where CoNLL-U has {N_COLUMNS}, separated by tabs."
        )
    if not all(columns):
        return problems.error(source, number, "an empty column. CoNLL-U writes '_' for what is not annotated.")
    id_, form, lemma, upos, xpos, feats, head, deprel, _, misc_column = columns
    misc = dict(key_value.partition("=")[::2] for key_value in misc_column.split("|"))
    space_after = misc.get("SpaceAfter") != "No"
    try:
        if "." in id_:  # An empty node is no part of the text.
            return None
        if "-" in id_:
            first, last = (int(part) for part in id_.split("-"))
            sentence.contractions.append((first, last, form, space_after))
            return None
        word_id = int(id_)
        if head != UNKNOWN:
            int(head)
    except ValueError:
        return problems.error(source, number, f"the id '{id_}' or the head '{head}' is not a number.")
    if upos != UNKNOWN and upos not in UPOS:
        problems.warn(source, number, f"'{upos}' is not one of the universal parts of speech: it is taken as missing.")
        upos = UNKNOWN
    entity = misc.get("NER", "")
    sentence.words.append(
        Word(word_id, form, lemma, upos, xpos, feats, head, deprel, misc, space_after, number, entity)
    )
    return None


def _check_words(sentence: Sentence, source: str, problems: Problems) -> None:
    n_words = len(sentence.words)
    if not n_words:
        problems.error(source, sentence.start, "a sentence without words. Remove its lines.")
    for expected, word in enumerate(sentence.words, start=1):
        if word.id != expected:
            return problems.error(source, word.line, f"the id is {word.id}, not {expected}. Number words from 1.")
    for first, last, form, _ in sentence.contractions:
        if not 1 <= first < last <= n_words:
            problems.error(
                source,
                sentence.start,
                f"the multiword token '{form}' spans {first}-{last}, but the sentence has the words 1 to {n_words}.",
            )
    return None


def _mend_tree(sentence: Sentence, source: str, problems: Problems) -> None:
    """Take heads and relations that are no tree as missing."""
    heads = [word.head for word in sentence.words]
    if all(head == UNKNOWN for head in heads):
        return
    wrong = _first_off_the_tree(heads)
    if wrong is None:
        return
    word = sentence.words[wrong]
    problems.warn(
        source,
        word.line,
        f"from the head {word.head} no way leads to the root, so the sentence's tree is taken as missing.",
    )
    for word in sentence.words:
        word.head = word.deprel = UNKNOWN


def _first_off_the_tree(heads: list[str]) -> int | None:
    """Give the position of the first word from which no path leads to the root, if there is one."""
    safe = {"0"}
    for i in range(len(heads)):
        path: set[str] = set()
        node = str(i + 1)
        while node not in safe:
            if node in path or not node.isdigit() or int(node) > len(heads):
                return i
            path.add(node)
            node = heads[int(node) - 1]
        safe |= path
    return None


def _mend_entities(sentence: Sentence, source: str, problems: Problems) -> None:
    """Take entity tags that are not valid IOB2 as missing."""
    tags, wrong = to_iob2([word.entity for word in sentence.words], Scheme.iob2)
    for i, message in wrong:
        problems.warn(source, sentence.words[i].line, message)
    for word, tag in zip(sentence.words, tags, strict=True):
        word.entity = tag


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
                spaced = replace(word, space_after=space_after if word is words[-1] else False)
                tokens.append((spaced, [word.id]))
        else:
            tokens.append((_merge(words, form, space_after), [word.id for word in words]))
        i = last
    return tokens


def _merge(words: list[Word], form: str, space_after: bool) -> Word:
    ids = {str(word.id) for word in words}
    governor = next((word for word in words if word.head not in ids), words[0])
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


def _join_feats(feats: list[str]) -> str:
    values: dict[str, set[str]] = {}
    for feat in feats:
        key, _, value = feat.partition("=")
        values.setdefault(key, set()).update(value.split(","))
    return "|".join(f"{key}={','.join(sorted(values[key]))}" for key in sorted(values)) or UNKNOWN


def _known(value: str) -> str:
    return "" if value == UNKNOWN else value
