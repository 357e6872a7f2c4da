"""The results of a CRF by brute force: all allowed tag sequences of a document and their scores."""

import itertools
import math

import numpy
import torch
from torch import Tensor

from spacy_bilstm.nn.biluo import biluo_constraints
from spacy_bilstm.nn.crf import LinearChainCRF

TagSequence = tuple[int, ...]


class Enumeration:
    """All allowed tag sequences of one document of at least one token.

    sequences: the sequences, in lexicographic order. Shape `(n_sequences, n_tokens)`.
    scores: the score of each sequence. Shape `(n_sequences,)`.
    """

    def __init__(self, crf: LinearChainCRF, emissions: Tensor, mask: Tensor | None = None) -> None:
        """Enumerate the sequences and add up their scores, by definition."""
        scores = emissions.detach().double()
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        sequences = numpy.array(list(itertools.product(range(crf.n_tags), repeat=len(emissions))))
        total = get_scores(crf.start_transitions, crf.allowed_start_transitions)[sequences[:, 0]]
        total = total + get_scores(crf.end_transitions, crf.allowed_end_transitions)[sequences[:, -1]]
        total = total + scores.numpy()[range(len(emissions)), sequences].sum(1)
        transitions = get_scores(crf.transitions, crf.allowed_transitions)
        total = total + transitions[sequences[:, :-1], sequences[:, 1:]].sum(1)
        is_allowed = total > -math.inf
        self.sequences, self.scores = sequences[is_allowed], total[is_allowed]

    @property
    def log_partition(self) -> float:
        """The log of the summed exponentiated scores, -inf without a sequence."""
        return log_sum(self.scores)

    def rank(self) -> list[tuple[TagSequence, float]]:
        """Return the sequences and their scores, best first."""
        order = numpy.argsort(-self.scores)
        return [(tuple(self.sequences[i].tolist()), float(self.scores[i])) for i in order]

    def log_probability(self, start: int, tags: TagSequence) -> float:
        """Return the log probability that the tags from a token on are these."""
        has_tags = (self.sequences[:, start : start + len(tags)] == tags).all(1)
        return log_sum(self.scores[has_tags]) - self.log_partition

    def marginals(self, n_tags: int) -> Tensor:
        """Return the log probability of each tag at each token."""
        tokens = range(self.sequences.shape[1])
        return torch.tensor(
            [[self.log_probability(token, (tag,)) for tag in range(n_tags)] for token in tokens], dtype=torch.float64
        )


def get_scores(parameter: Tensor, allowed: Tensor) -> numpy.ndarray:
    """Return a parameter in double precision, -inf for forbidden entries."""
    return parameter.detach().double().masked_fill(~allowed, -math.inf).numpy()


def log_sum(scores: numpy.ndarray) -> float:
    """Return the log of the summed exponentials, -inf of none."""
    return float(numpy.logaddexp.reduce(scores)) if len(scores) else -math.inf


def get_span_tags(length: int, label: int) -> TagSequence:
    """Return the tags of an entity, written out."""
    begin, inside, last, unit = range(4 * label + 1, 4 * label + 5)
    return (unit,) if length == 1 else (begin, *[inside] * (length - 2), last)


def is_biluo(sequence: TagSequence) -> bool:
    """Read a sequence from left to right, without the constraints of the package."""
    open_label = None
    for tag in sequence:
        label, position = (None, "O") if tag == 0 else ((tag - 1) // 4, "BILU"[(tag - 1) % 4])
        if position in "IL":
            if open_label != label:
                return False
        elif open_label is not None:
            return False
        open_label = label if position in "BI" else None
    return open_label is None


def make_biluo_crf(n_labels: int, generator: torch.Generator, scale: float = 1.0) -> LinearChainCRF:
    """Make a CRF of BILUO tags with random parameters, in double precision."""
    return randomize(LinearChainCRF(*biluo_constraints(n_labels)), generator, scale)


def make_random_crf(n_tags: int, generator: torch.Generator, scale: float = 1.0) -> LinearChainCRF:
    """Make a CRF with random constraints and parameters, in double precision. Tag 0 is allowed everywhere."""
    allowed = torch.rand(n_tags + 2, n_tags, generator=generator) < 0.8
    allowed[:, 0] = True
    return randomize(LinearChainCRF(allowed[:-2], allowed[-2], allowed[-1]), generator, scale)


def randomize(crf: LinearChainCRF, generator: torch.Generator, scale: float) -> LinearChainCRF:
    """Set the parameters of a CRF at random."""
    crf.double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * scale)
    return crf


def make_mask(emissions: Tensor, generator: torch.Generator) -> Tensor:
    """Make a random mask that allows tag 0 everywhere, and so at least one sequence."""
    mask = torch.rand(emissions.shape, generator=generator) < 0.7
    mask[:, 0] = True
    return mask
