"""Emissions of a linear-chain conditional random field. Docs come in, scores of tags go out."""

from thinc.api import Linear, chain, with_array, zero_init

from ..bridge.crf import resize, with_crf
from ..bridge.model_types import CRFLayer, OutputLayer, Tok2VecModel, TokenScoresModel
from ..nn.biluo import biluo_constraints
from ..nn.crf import LinearChainCRF
from ..nn.layout import PackedLayout
from .output_layer import copy_outputs


def build_crf_tagger_v1(tok2vec: Tok2VecModel, nO: int | None = None) -> TokenScoresModel:
    """Score BILUO tags for `bilstm_ner`: a linear layer and a conditional random field on top of a tok2vec.

    What goes out are the emissions. The field (Lafferty et al. 2001; Lample et al. 2016), its transitions and its start
    and end terms, is the reference `crf`, which the component decodes and trains with.

    tok2vec: the embedding in context, from docs to one array of shape `(len(doc), width)` each.
    nO: number of tags, 1 + 4 for each label; that of the sample when the model is initialised, if None.
    RETURNS: the model, from docs to one array of shape `(len(doc), nO)` each, with the references `tok2vec`,
        `output_layer` and `crf`. Its attribute `resize_output` adds tags to it.
    RAISES: ValueError if there are no labels of which nO is the number of tags.
    """
    if nO is not None:
        make_biluo_field(nO)
    width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    output_layer = Linear(nO, width, init_W=zero_init)
    crf = with_crf("crf", make_biluo_field, PackedLayout.from_lengths, nO)
    model: TokenScoresModel = chain(tok2vec, with_array(output_layer), crf)
    model.set_ref("tok2vec", tok2vec)
    _set_output_refs(model, output_layer, crf)
    model.attrs["resize_output"] = resize_output
    return model


def make_biluo_field(n_tags: int) -> LinearChainCRF:
    """Give a field whose paths are the valid sequences of BILUO tags.

    n_tags: number of tags, 1 + 4 for each label.
    RETURNS: the field.
    RAISES: ValueError for another number.
    """
    n_labels, rest = divmod(n_tags - 1, 4)
    if n_tags < 1 or rest:
        raise ValueError(
            f"A CRF of BILUO tags has 1 + 4 * n_labels of them (O, and B, I, L and U for each label), but nO is "
            f"{n_tags}. Set nO = null: it is then set when the model is initialised with the labels."
        )
    return LinearChainCRF(*biluo_constraints(n_labels))


def resize_output(model: TokenScoresModel, new_nO: int) -> TokenScoresModel:
    """Add tags after those that there are.

    The new tags' weights are zero, and all others stay as they are. The layers are new ones, with ids of their own, as
    an optimizer's state for the old ones would not fit.

    model: the model, as `build_crf_tagger_v1` makes it.
    new_nO: number of tags, not less than there are.
    RETURNS: the model itself.
    RAISES: ValueError if there are more tags than that.
    """
    old_layer: OutputLayer = model.get_ref("output_layer")
    old_crf: CRFLayer = model.get_ref("crf")
    if not old_crf.has_param("transitions"):
        return _set_output_dims(model, new_nO)
    output_layer = copy_outputs(old_layer, Linear(new_nO, old_layer.get_dim("nI"), init_W=zero_init))
    crf = resize(old_crf, new_nO)
    model.layers[1:] = [with_array(output_layer), crf]
    _set_output_refs(model, output_layer, crf)
    model.set_dim("nO", new_nO, force=True)
    return model


def _set_output_dims(model: TokenScoresModel, nO: int) -> TokenScoresModel:
    for layer in (*model.layers[1:], model.get_ref("output_layer"), model):
        layer.set_dim("nO", nO)
    return model


def _set_output_refs(model: TokenScoresModel, output_layer: OutputLayer, crf: CRFLayer) -> None:
    model.set_ref("output_layer", output_layer)
    model.set_ref("crf", crf)
