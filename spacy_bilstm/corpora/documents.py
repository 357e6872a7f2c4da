"""Group sentences into documents, and make the Doc of each document."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from spacy.tokens import Doc
from spacy.vocab import Vocab

from .corpus_file import CorpusFile
from .docs import MAX_LENGTH, AnnotatedText, make_doc


def group_sentences(sentences: Sequence[AnnotatedText], sentences_per_doc: int | None) -> list[list[AnnotatedText]]:
    """Group the sentences of a corpus into documents.

    sentences: the sentences, in order.
    sentences_per_doc: the largest number of sentences in a document; None sets no limit.
    RETURNS: the sentences of each document. A document starts where the file marks one or, in a file that marks
        paragraphs only, at each paragraph. In a file without marks, each sentence is a document if there is no limit.
        A document also ends where sentences with trees meet sentences without, because spaCy finds the sentences of a
        document with trees by the trees alone.
    """
    has_documents = any(sentence.starts_document for sentence in sentences)
    has_paragraphs = any(sentence.starts_paragraph for sentence in sentences)
    if sentences_per_doc is None and not has_documents and not has_paragraphs:
        return [[sentence] for sentence in sentences]
    groups: list[list[AnnotatedText]] = []
    for sentence in sentences:
        starts = sentence.starts_document or (sentence.starts_paragraph and not has_documents)
        if (
            not groups
            or starts
            or len(groups[-1]) == sentences_per_doc
            or (sentence.heads is None) != (groups[-1][-1].heads is None)
        ):
            groups.append([])
        groups[-1].append(sentence)
    return groups


def make_document(
    sentences: Sequence[AnnotatedText], vocab: Vocab, file: CorpusFile, spans_key: str | None = None
) -> Doc | None:
    """Make the Doc of a document.

    sentences: its sentences, at least one.
    vocab: the vocabulary of the Doc.
    file: the file that the sentences come from. Sentences that spaCy rejects and documents that are too long are
        recorded there as errors, as are texts with categories that would be joined.
    spans_key: the group of `doc.spans` to write all entities to; None writes no group.
    RETURNS: the Doc, or None after an error. A space follows each sentence but the last, unless the file has none there
        in the middle of a paragraph.
    """
    if len(sentences) > 1 and any(sentence.cats for sentence in sentences):
        file.error(
            sentences[0].line,
            "categories belong to a whole text, so this text can't be joined with others. Leave out sentences per doc.",
        )
        return None
    for sentence, following in pairwise(sentences):
        sentence.spaces[-1] = sentence.space_after or following.starts_paragraph
    docs = [doc for sentence in sentences if (doc := make_doc(sentence, vocab, file, spans_key)) is not None]
    if len(docs) < len(sentences):
        return None
    if len(docs) == 1:
        return docs[0]
    length = sum(len(doc.text) for doc in docs)
    if length > MAX_LENGTH:
        file.error(
            sentences[0].line,
            f"the document that starts here has {length:,} characters, but spaCy's pipelines accept {MAX_LENGTH:,}. "
            "Split it, such as with --sentences-per-doc 20.",
        )
        return None
    return Doc.from_docs(docs, ensure_whitespace=False)
