"""Describes the pipeline that is evaluated and the machine that it runs on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from spacy.language import Language
from thinc.api import Model, get_current_ops

from ..util.machine import describe_machine
from ..util.model_size import count_parameters


@dataclass(frozen=True)
class PipelineDescription:
    """A pipeline and the device that it computes on.

    name: its language, name and version.
    components: the names of its components.
    n_parameters: the number of its weights.
    bytes_on_disk: the size of its files, or None if it was not loaded from files.
    device: the name of the GPU, or of the CPU with the number of threads.
    versions: the versions of spaCy, this package and torch, by name.
    """

    name: str
    components: list[str]
    n_parameters: int
    bytes_on_disk: int | None
    device: str
    versions: dict[str, str]


def describe_pipeline(nlp: Language) -> PipelineDescription:
    """Describe a pipeline, on the device that it computes on now."""
    models = [getattr(pipe, "model", None) for _, pipe in nlp.pipeline]
    path = nlp.path
    machine = describe_machine(_get_gpu_id())
    n_threads = torch.get_num_threads()
    return PipelineDescription(
        name=f"{nlp.meta['lang']}_{nlp.meta['name']} {nlp.meta['version']}",
        components=nlp.pipe_names,
        n_parameters=sum(count_parameters(model) for model in models if isinstance(model, Model)),
        bytes_on_disk=None if path is None else sum(f.stat().st_size for f in path.rglob("*") if f.is_file()),
        device=machine.get("gpu", f"{machine['cpu']}, {n_threads} thread{'' if n_threads == 1 else 's'}"),
        versions={name: machine[name] for name in ("spacy", "spacy-bilstm", "torch")},
    )


def _get_gpu_id() -> int:
    """Return the number of the CUDA GPU that thinc and torch compute on, or -1."""
    on_gpu = get_current_ops().device_type == "gpu" and torch.cuda.is_available()
    return torch.cuda.current_device() if on_gpu else -1
