"""A conditional random field becomes a thinc layer, and its losses, paths and probabilities arrays.

The layer passes emissions through. It owns the field's parameters as thinc's own, so that thinc stores, averages,
copies and moves them, and the functions here take the layer together with the emissions that came out of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy
import torch
from numpy.typing import NDArray
from thinc.api import Model, Ops, get_torch_default_device
from thinc.types import ArrayXd, Floats2d, FloatsXd
from torch import Tensor, nn

from .convert import array_to_tensor, concatenate_rows, split_rows, tensor_to_array
from .fork import make_fork_safe
from .model_types import CRFLayer

Mask = NDArray[numpy.bool_]

# This room does not know nn. The field is a module like its `crf.LinearChainCRF`, the layout what that module takes.
MakeField = Callable[[int], Any]
MakeLayout = Callable[[Sequence[int], torch.device], Any]

_PARAMETERS = ("transitions", "start", "end")


class CRFLoss(NamedTuple):
    """A loss and its gradients.

    value: the loss, summed over documents.
    d_emissions: gradient of the emissions, one array a document. Shape `(length, n_tags)` each.
    d_parameters: gradient of each parameter of the layer, by its name.
    """

    value: float
    d_emissions: list[Floats2d]
    d_parameters: dict[str, FloatsXd]


def with_crf(name: str, make_field: MakeField, make_layout: MakeLayout, nO: int | None = None) -> CRFLayer:
    """Make a layer that owns the parameters of a conditional random field and passes emissions through.

    name: the layer's name.
    make_field: gives a field for a number of tags.
    make_layout: gives the layout of a batch for the documents' lengths and a device.
    nO: number of tags, >= 1; that of the sample when the layer is initialised, if None.
    RETURNS: the layer. Its parameters are zero after initialisation: transitions `(nO, nO)`, start and end `(nO,)`.
    """
    return Model(
        name,
        forward,
        init=init,
        dims={"nO": nO},
        params=dict.fromkeys(_PARAMETERS),
        attrs={"make_field": make_field, "make_layout": make_layout},
    )


def init(model: CRFLayer, X: list[Floats2d] | None = None, Y: list[Floats2d] | None = None) -> None:
    """Take the number of tags from the sample where it is not known, and set all parameters to zero."""
    sample = Y or X
    if sample and model.has_dim("nO") is None:
        model.set_dim("nO", sample[0].shape[1])
    n_tags = model.get_dim("nO")
    model.set_param("transitions", model.ops.alloc2f(n_tags, n_tags))
    model.set_param("start", model.ops.alloc1f(n_tags))
    model.set_param("end", model.ops.alloc1f(n_tags))


def forward(
    model: CRFLayer, X: list[Floats2d], is_train: bool
) -> tuple[list[Floats2d], Callable[[list[Floats2d]], list[Floats2d]]]:
    """Pass the emissions through, and their gradient back."""

    def backprop(dY: list[Floats2d]) -> list[Floats2d]:
        return dY

    return X, backprop


def resize(model: CRFLayer, nO: int) -> CRFLayer:
    """Give a copy of an initialised layer with more tags.

    model: the layer.
    nO: number of tags, not less than there are. The new ones come last, and their parameters are zero.
    RETURNS: a new layer, as an optimizer's state for the old one would not fit.
    """
    old = model.get_dim("nO")
    larger = with_crf(model.name, model.attrs["make_field"], model.attrs["make_layout"], nO)
    larger.initialize()
    for name in _PARAMETERS:
        weights: Any = larger.get_param(name)
        weights[(slice(old),) * weights.ndim] = model.get_param(name)
        larger.set_param(name, weights)
    return larger


@dataclass(frozen=True)
class _Batch:
    """A field and the emissions of a batch, ready for torch.

    field: the field, with the layer's parameters.
    rows: emissions of all rows in the caller's order. Shape `(n_rows, n_tags)`.
    layout: the layout of the rows.
    lengths: number of rows of each document.
    """

    field: Any
    rows: Tensor
    layout: Any
    lengths: list[int]

    @classmethod
    def read(cls, model: CRFLayer, emissions: list[Floats2d], temperature: float = 1.0) -> _Batch:
        make_fork_safe()
        device = _get_device(model.ops)
        lengths = [len(document) for document in emissions]
        rows = array_to_tensor(concatenate_rows(model.ops, emissions, model.get_dim("nO")), device)
        layout = model.attrs["make_layout"](lengths, device)
        # The field computes in double precision, and what it returns has the precision of the rows.
        return cls(_make_field(model, device, temperature), rows.double() / temperature, layout, lengths)

    def to_device(self, mask: Mask | None) -> Tensor | None:
        return None if mask is None else array_to_tensor(cast(ArrayXd, mask), self.rows.device)

    def in_callers_order(self, values: Tensor, empty: float) -> Tensor:
        """Values of all documents, from those of the documents that are not empty."""
        full = values.new_full((len(self.lengths), *values.shape[1:]), empty)
        full[self.layout.order] = values
        return full


def _get_device(ops: Ops) -> torch.device:
    # Emissions under thinc's operations for Apple's MPS are arrays of numpy, and its torch lacks double precision.
    return get_torch_default_device() if ops.device_type == "gpu" else torch.device("cpu")


def _make_field(model: CRFLayer, device: torch.device, temperature: float) -> Any:
    field = model.attrs["make_field"](model.get_dim("nO"))
    if device.type != "cpu":
        field.to(device)
    for name in _PARAMETERS:
        weights = array_to_tensor(model.get_param(name), device, torch.float64)
        setattr(field, name, nn.Parameter(weights / temperature))
    return field


def compute_loss(
    model: CRFLayer,
    emissions: list[Floats2d],
    gold: Mask,
    allowed: Mask | None = None,
    excluded: Sequence[tuple[int, NDArray[numpy.int64]]] = (),
) -> CRFLoss:
    """Negative log likelihood of what the gold annotation leaves open, summed over documents, and its gradients.

    Each excluded sequence of tags adds `-log(1 - p)`, with the probability p that it occurs at its place if the gold
    annotation is right.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    gold: tags that the gold annotation leaves open for each row of the concatenated documents, all of them where
        nothing is known. Shape `(n_rows, n_tags)`.
    allowed: tags that are possible at all, or None for all of them. Shape `(n_rows, n_tags)`.
    excluded: sequences of tags that are known to be wrong, each with its first row.
    RETURNS: the loss, exactly zero with zero gradients for documents of which nothing is known.
    RAISES: ValueError if a document has no path of tags that agrees with both masks.
    """
    batch = _Batch.read(model, emissions)
    batch.rows.requires_grad_()
    gold_mask, mask = batch.to_device(gold), batch.to_device(allowed)
    with torch.enable_grad():
        loss = batch.field.negative_log_likelihood(batch.rows, batch.layout, gold_mask, mask).sum()
        assert gold_mask is not None
        possible = gold_mask if mask is None else gold_mask & mask
        loss = loss + _compute_exclusion_loss(model, batch, possible, excluded)
    return _get_gradients(model, batch, loss)


def _compute_exclusion_loss(
    model: CRFLayer, batch: _Batch, possible: Tensor, excluded: Sequence[tuple[int, NDArray[numpy.int64]]]
) -> Tensor:
    """Sum of `-log(1 - p)` over excluded sequences; nothing for those that the gold annotation excludes already.

    Each sequence has a copy of its document, as paths through several of them are not counted by one mask.
    """
    ends = numpy.cumsum(batch.lengths)
    documents, masks, lengths = [], [], []
    for first_row, tags in excluded:
        doc = int(numpy.searchsorted(ends, first_row, side="right"))
        length = batch.lengths[doc]
        start = int(ends[doc]) - length
        sequence = torch.zeros_like(possible[: len(tags)])
        sequence[torch.arange(len(tags)), torch.as_tensor(tags)] = True
        mask = possible[start : start + length].clone()
        place = slice(first_row - start, first_row - start + len(tags))
        mask[place] &= sequence
        if bool(mask[place].any(1).all()):
            documents.append(torch.arange(start, start + length))
            masks.append(mask)
            lengths.append(length)
    if not documents:
        return batch.rows.new_zeros(())
    copies = torch.cat(documents).to(batch.rows.device)
    rows = batch.rows[copies]
    layout = model.attrs["make_layout"](lengths, rows.device)
    with_sequence = batch.field.log_partition(rows, layout, torch.cat(masks))
    log_probability = with_sequence - batch.field.log_partition(rows, layout, possible[copies])
    # The bound keeps the logarithm finite where rounding leaves no other path.
    return -torch.log(-torch.expm1(log_probability.clamp(max=-1e-12))).sum()


def compute_rehearsal_loss(
    model: CRFLayer, emissions: list[Floats2d], teacher: CRFLayer, teacher_emissions: list[Floats2d]
) -> CRFLoss:
    """Divergence (Kullback-Leibler) of a model's distribution of tag sequences from that of its teacher, exactly.

    Tags that the teacher does not know are left out of the model's distribution: what they have learned stays.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    teacher: the layer of the model to come back to, with the same tags or the first ones of them.
    teacher_emissions: the teacher's scores of its tags for the same documents. Shape `(length, n_teacher_tags)` each.
    RETURNS: the loss, summed over documents, >= 0 up to rounding.
    """
    batch, target = _Batch.read(model, emissions), _Batch.read(teacher, teacher_emissions)
    n_known = teacher.get_dim("nO")
    batch.rows.requires_grad_()
    target.rows.requires_grad_()
    with torch.enable_grad():
        # The gradient of a log partition is the expected count of whatever is added up in the scores of paths.
        log_partition = target.field.log_partition(target.rows, target.layout).sum()
        counts = torch.autograd.grad(log_partition, _get_scores(target))
        negative_entropy = _weigh(counts, _get_scores(target), n_known) - log_partition
        known = torch.zeros_like(batch.rows, dtype=torch.bool)
        known[:, :n_known] = True
        loss = batch.field.log_partition(batch.rows, batch.layout, known).sum()
        loss = loss - _weigh(counts, _get_scores(batch), n_known) + negative_entropy.detach()
    return _get_gradients(model, batch, loss)


def _get_scores(batch: _Batch) -> list[Tensor]:
    """All that the score of a path is summed from."""
    return [batch.rows, *(getattr(batch.field, name) for name in _PARAMETERS)]


def _weigh(counts: Sequence[Tensor], scores: Sequence[Tensor], n_tags: int) -> Tensor:
    """Expected score of a path, of the first tags only."""
    rows, transitions, start, end = scores
    known = [rows[:, :n_tags], transitions[:n_tags, :n_tags], start[:n_tags], end[:n_tags]]
    return torch.stack([(count * score).sum() for count, score in zip(counts, known, strict=True)]).sum()


def _get_gradients(model: CRFLayer, batch: _Batch, loss: Tensor) -> CRFLoss:
    d_rows, *d_parameters = torch.autograd.grad(loss, _get_scores(batch), allow_unused=True, materialize_grads=True)
    arrays = [tensor_to_array(gradient.float(), model.ops) for gradient in d_parameters]
    return CRFLoss(
        float(loss.detach()),
        split_rows(tensor_to_array(d_rows.float(), model.ops), batch.lengths),
        dict(zip(_PARAMETERS, arrays, strict=True)),
    )


def add_gradients(model: CRFLayer, loss: CRFLoss) -> None:
    """Add a loss's gradients of the layer's parameters to those that the layer holds for its next update.

    model: the layer.
    loss: what `compute_loss` or `compute_rehearsal_loss` gave for the layer.
    """
    for name, gradient in loss.d_parameters.items():
        model.inc_grad(name, gradient)


def decode(model: CRFLayer, emissions: list[Floats2d], allowed: Mask | None = None) -> NDArray[numpy.int64]:
    """Find the best sequence of tags of each document.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    allowed: tags that each row of the concatenated documents may have, or None for all. Shape `(n_rows, n_tags)`.
    RETURNS: the tags of all documents, one after the other. Shape `(n_rows,)`.
    RAISES: ValueError if a document has no path of allowed tags.
    """
    batch = _Batch.read(model, emissions)
    tags, _ = batch.field.viterbi(batch.rows, batch.layout, batch.to_device(allowed))
    return cast(NDArray[numpy.int64], tags.cpu().numpy())


def decode_k_best(
    model: CRFLayer, emissions: list[Floats2d], k: int, allowed: Mask | None = None, temperature: float = 1.0
) -> tuple[NDArray[numpy.int64], NDArray[numpy.float64]]:
    """Find the k best sequences of tags of each document, exactly, and their probabilities.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    k: number of sequences, >= 1.
    allowed: tags that each row of the concatenated documents may have, or None for all. Shape `(n_rows, n_tags)`.
    temperature: all scores are divided by it, > 0. The order of sequences does not depend on it.
    RETURNS: the tags of all documents in each sequence, best first, shape `(k, n_rows)`; and the sequences'
        probabilities, shape `(n_docs, k)`. Where a document has fewer sequences, tags are -1 and probabilities 0.
    RAISES: ValueError if k is below 1 or a document has no path of allowed tags.
    """
    batch = _Batch.read(model, emissions, temperature)
    mask = batch.to_device(allowed)
    tags, scores = batch.field.k_best(batch.rows, batch.layout, k, mask)
    with torch.no_grad():
        log_partitions = batch.field.log_partition(batch.rows, batch.layout, mask)
    probabilities = batch.in_callers_order((scores - log_partitions[:, None]).exp(), 0.0)
    probabilities[[length == 0 for length in batch.lengths], 0] = 1.0  # An empty document has one empty sequence.
    return tags.cpu().numpy(), probabilities.clamp(max=1.0).cpu().numpy()


def compute_span_probabilities(
    model: CRFLayer,
    emissions: list[Floats2d],
    starts: NDArray[numpy.int64],
    ends: NDArray[numpy.int64],
    labels: NDArray[numpy.int64],
    allowed: Mask | None = None,
    temperature: float = 1.0,
) -> NDArray[numpy.float64]:
    """Give the probability of each span to be, as a whole, an entity of its label.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    starts: first row of each span in the concatenated documents. Shape `(n_spans,)`.
    ends: row after the last one of each span. Shape `(n_spans,)`.
    labels: index of each span's label. Shape `(n_spans,)`.
    allowed: tags that each row of the concatenated documents may have, or None for all. Shape `(n_rows, n_tags)`.
    temperature: all scores are divided by it, > 0.
    RETURNS: the probabilities. Shape `(n_spans,)`.
    RAISES: ValueError if a document has no path of allowed tags.
    """
    # Most documents have no span, and a document's result does not depend on the others.
    lengths = numpy.array([len(document) for document in emissions], dtype="int64")
    documents = numpy.unique(numpy.searchsorted(lengths.cumsum(), starts, side="right"))
    is_kept = numpy.repeat(numpy.isin(numpy.arange(len(lengths)), documents), lengths)
    n_left_out = numpy.cumsum(~is_kept)
    starts, ends = starts - n_left_out[starts], ends - n_left_out[ends - 1]
    batch = _Batch.read(model, [emissions[i] for i in documents], temperature)
    spans = [array_to_tensor(cast(ArrayXd, array), batch.rows.device) for array in (starts, ends, labels)]
    mask = batch.to_device(None if allowed is None else allowed[is_kept])
    values = batch.field.span_log_probability(batch.rows, batch.layout, *spans, mask)
    return cast(NDArray[numpy.float64], values.exp().cpu().numpy())


def find_probable_spans(
    model: CRFLayer,
    emissions: list[Floats2d],
    threshold: float,
    allowed: Mask | None = None,
    temperature: float = 1.0,
) -> tuple[NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.int64], NDArray[numpy.float64]]:
    """Find all spans whose probability to be, as a whole, an entity of a label is at least a threshold.

    model: the layer.
    emissions: scores of the tags, one array a document. Shape `(length, n_tags)` each.
    threshold: the lowest probability, 0 < threshold <= 1.
    allowed: tags that each row of the concatenated documents may have, or None for all. Shape `(n_rows, n_tags)`.
    temperature: all scores are divided by it, > 0.
    RETURNS: first row of each span in the concatenated documents, row after its last one, index of its label, and its
        probability. They may overlap and are in no order. Shape `(n_spans,)` each.
    RAISES: ValueError if a document has no path of allowed tags, or for a threshold out of its range.
    """
    batch = _Batch.read(model, emissions, temperature)
    mask = batch.to_device(allowed)
    starts, ends, labels, values = batch.field.find_probable_spans(batch.rows, batch.layout, threshold, mask)
    return starts.cpu().numpy(), ends.cpu().numpy(), labels.cpu().numpy(), values.exp().cpu().numpy()
