"""Read, convert, merge and describe annotated corpora in CoNLL-U, columns and JSONL; download corpora."""

from .conversion import AnnotatedCorpus, ConversionResult, convert, read_corpus
from .fetch import FetchedAsset, FetchError, fetch_assets
from .formats import Format
from .problems import CorpusReadError, Problem, Problems
from .statistics import CorpusStatistics, count_corpus
from .tags import Scheme

__all__ = [
    "AnnotatedCorpus",
    "ConversionResult",
    "CorpusReadError",
    "CorpusStatistics",
    "FetchError",
    "FetchedAsset",
    "Format",
    "Problem",
    "Problems",
    "Scheme",
    "convert",
    "count_corpus",
    "fetch_assets",
    "read_corpus",
]
