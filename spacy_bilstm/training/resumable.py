"""Train a pipeline as `spacy train` does, with checkpoints from which an interrupted training continues."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import torch
from spacy.language import Language
from spacy.training import Example
from spacy.training.initialize import init_nlp
from spacy.training.loop import (
    DIR_MODEL_BEST,
    DIR_MODEL_LAST,
    clean_output_dir,
    create_before_to_disk_callback,
    create_evaluation_callback,
    create_train_batches,
    update_meta,
)
from spacy.util import resolve_dot_names
from thinc.api import Config, fix_random_seed, set_gpu_allocator
from wasabi.printer import Printer

from ..util.files import check_writable, recover_directory, replace_directory
from ..util.lock import lock_directory
from ..util.machine import describe_machine
from .checkpoints import CheckpointError, Checkpoints, check_inputs, describe_inputs
from .divergence import check_finite, raise_if_diverged
from .loop import check_pretrained_weights, check_training_settings, iterate_steps, resolve_training_settings
from .pipeline_state import (
    get_components_state,
    get_models_state,
    get_optimizer_state,
    get_trained_models,
    set_components_state,
    set_models_state,
    set_optimizer_state,
)
from .random_states import get_random_states, set_random_states
from .recorded_batches import RecordedBatches

CHECKPOINT_STEPS = 200
_DIRECTORY = "checkpoints"


@dataclass(frozen=True)
class TrainingResult:
    """The end of a training.

    output: folder of `model-best` and `model-last`.
    n_steps: number of steps of the whole training.
    best_score: the main score of `model-best`.
    best_step: the step after which `model-best` was saved.
    resumed_at: number of steps in the checkpoint from which this call continued; 0 if it began the training.
    was_complete: whether an earlier call completed the training, so that this call did nothing.
    """

    output: Path
    n_steps: int
    best_score: float
    best_step: int
    resumed_at: int
    was_complete: bool


def train_with_checkpoints(
    config: Config,
    output: str | Path,
    *,
    checkpoint_steps: int = CHECKPOINT_STEPS,
    restart: bool = False,
    repeat: bool = False,
    use_gpu: int = -1,
    code: Sequence[Path] = (),
    stdout: IO[str] | None = None,
    stderr: IO[str] | None = None,
    on_evaluation: Callable[[dict[str, Any]], object] | None = None,
) -> TrainingResult:
    """Train a pipeline as `spacy train` does. If an earlier call was interrupted, continue from its last checkpoint.

    On a CPU, an interrupted training ends with the same bytes in `model-best` and `model-last` as one that was not
    interrupted. On a GPU it ends with similar ones. `model-best` and `model-last` are replaced as a whole. The logger
    and the callback `before_update` are called for the steps before the checkpoint again. So a log is complete.

    config: the config, as `spacy.util.load_config` returns it with `interpolate=False`.
    output: the folder for `model-best`, `model-last` and `checkpoints`.
    checkpoint_steps: number of steps between two checkpoints, >= 1. The last two are kept until training is complete.
    restart: whether to begin afresh, without the checkpoints of an earlier call.
    repeat: whether to begin afresh if an earlier call completed the training.
    use_gpu: ID of the GPU, or -1 for the CPU. Call `thinc.api.require_gpu` before.
    code: files of Python code that the config needs. Call `spacy.util.import_file` before.
    stdout, stderr: streams for the logger and for messages; None for none.
    on_evaluation: called with the information that loggers get after each evaluation, when its models are saved. Like
        the logger, it is called for evaluations before the checkpoint again.
    RETURNS: the end of the training.
    RAISES: CheckpointError if `output` has a training with another config or corpus, a damaged checkpoint, or no
        `model-best` any more; CorpusChangedError if the corpus or batcher returns other batches than before;
        DivergedError if a loss, a gradient or a weight is not finite; ValueError if a setting of `[training]` does not
        exist or is out of range, or if pretrained weights would have no effect; OSError if `output` can't be written
        or pretrained weights do not exist; DirectoryLockedError if another process trains there.
    """
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise NotADirectoryError(f"{output} is a file. Choose the path of a directory.")
    check_writable(output)
    interpolated = config.interpolate()
    check_training_settings(interpolated.get("training", {}))
    check_pretrained_weights(interpolated)
    stdout, stderr = stdout or io.StringIO(), stderr or io.StringIO()
    inputs = describe_inputs(interpolated, code)
    machine = describe_machine(use_gpu) | {"threads": torch.get_num_threads()}
    directory = output / _DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    with lock_directory(directory, "_lock"):
        checkpoints = Checkpoints(directory)
        before = checkpoints.read_description()
        if restart or (repeat and checkpoints.read_completion() is not None):
            checkpoints.clear()
        completed = checkpoints.read_completion()
        state = None if completed else checkpoints.read()
        if before is not None and (state or completed):
            check_inputs(before["inputs"], inputs)
            _report_changes(before["machine"], machine, stdout)
        if completed is not None:
            return TrainingResult(output, **completed, resumed_at=0, was_complete=True)
        log = _find_log(config)
        if log is not None and before is not None and before["log"] == str(log):
            log.unlink(missing_ok=True)  # The logger writes it again from the first step on.
        if state is None:
            written = str(log) if log is not None and not log.exists() else None
            checkpoints.write_description({"inputs": inputs, "machine": machine, "log": written})
        nlp = init_nlp(config, use_gpu=use_gpu)
        training = _Training(nlp, output, checkpoints, checkpoint_steps, state, use_gpu)
        return training.run(stdout, stderr, on_evaluation or (lambda info: None))


def is_complete(output: str | Path) -> bool:
    """Return whether a training is complete.

    output: its folder.
    """
    return Checkpoints(Path(output) / _DIRECTORY).read_completion() is not None


def _find_log(config: Config) -> Path | None:
    """Return the file that the config's logger writes, if it has one."""
    path = config.interpolate()["training"].get("logger", {}).get("output_file")
    return Path(path).absolute() if path else None


def _report_changes(before: dict[str, Any], now: dict[str, Any], stdout: IO[str]) -> None:
    changed = [f"{name}: {before.get(name)}, now {now.get(name)}" for name in now if before.get(name) != now[name]]
    if changed:
        text = (
            "The training continues on another machine or with other versions, so its result is not exactly the same."
        )
        stdout.write(Printer(no_print=True).warn(text, ", ".join(changed)) + "\n")


class _Replay:
    """The pipeline as spaCy's loop sees it: in steps before the checkpoint, an update does nothing but set the losses.

    So spaCy's loop itself counts the steps, compares the scores and steps the schedules, as it did before.
    """

    def __init__(self, nlp: Language, batches: RecordedBatches, losses: dict[int, dict[str, Any]]) -> None:
        self._nlp, self._batches, self._losses = nlp, batches, losses

    @property
    def pipeline(self) -> list[tuple[str, Any]]:
        return [] if self._batches.is_repeating else self._nlp.pipeline

    def update(self, examples: list[Example], *, losses: dict[str, Any], **arguments: Any) -> None:
        if self._batches.is_repeating:
            losses.update(self._losses.get(self._batches.step, {}))
        else:
            self._nlp.update(examples, losses=losses, **arguments)

    def use_params(self, averages: dict[Any, Any]) -> AbstractContextManager[None]:
        return self._nlp.use_params(averages)


class _Training:
    """One training, from its start or from a checkpoint to its end."""

    def __init__(
        self,
        nlp: Language,
        output: Path,
        checkpoints: Checkpoints,
        checkpoint_steps: int,
        state: dict[str, Any] | None,
        use_gpu: int,
    ) -> None:
        self._nlp, self._output, self._checkpoints, self._checkpoint_steps = nlp, output, checkpoints, checkpoint_steps
        self._state = state
        self._resumed_at: int = state["batches"]["n_batches"] if state else 0
        # The score, the other scores and the losses of each evaluation, with its step.
        self._evaluations: list[dict[str, Any]] = state["evaluations"] if state else []
        self._n_evaluations = 0  # Of this process, with those that it repeats.
        config = nlp.config.interpolate()
        # The same order as in `spacy.training.loop.train`, so that the random states are the same as there.
        if config["training"]["seed"] is not None:
            fix_random_seed(config["training"]["seed"])
        if use_gpu >= 0 and config["training"]["gpu_allocator"]:
            set_gpu_allocator(config["training"]["gpu_allocator"])
        self._settings = resolve_training_settings(nlp)
        self._optimizer = self._settings["optimizer"]
        self._frozen: list[str] = self._settings["frozen_components"]
        self._models = get_trained_models(nlp, self._frozen)
        names = [self._settings["train_corpus"], self._settings["dev_corpus"]]
        train_corpus, dev_corpus = resolve_dot_names(config, names)
        self._evaluate = create_evaluation_callback(nlp, dev_corpus, self._settings["score_weights"])
        self._before_to_disk = create_before_to_disk_callback(self._settings["before_to_disk"])
        self._batch: list[Example] = []
        batches = create_train_batches(nlp, train_corpus, self._settings["batcher"], self._settings["max_epochs"])
        self._batches = RecordedBatches(self._remember(batches), state and state["batches"])

    def run(
        self, stdout: IO[str], stderr: IO[str], on_evaluation: Callable[[dict[str, Any]], object]
    ) -> TrainingResult:
        """Train to the end, save `model-last` and mark the training as complete."""
        self._prepare_output()
        self._report_start(stdout)
        with self._nlp.select_pipes(disable=self._frozen):
            log_step, finalize_logger = self._settings["logger"](self._nlp, stdout, stderr)
        try:
            for _, info, is_best in self._iterate():
                if is_best is not None:
                    self._handle_evaluation(info, is_best)
                log_step(info if is_best is not None else None)
                if is_best is not None:
                    on_evaluation(info)
                self._restore_or_write(info)
        except Exception as error:
            raise_if_diverged(error, self._models, self._batches.step, self._batch)
            raise
        finally:
            finalize_logger()
        self._save(is_best=False)
        # If scores are equal, spaCy's loop takes the later step.
        best = max(self._evaluations, key=lambda one: (one["score"], one["step"]))
        n_steps, score, step = self._batches.step + 1, float(best["score"]), int(best["step"])
        summary: dict[str, Any] = {"n_steps": n_steps, "best_score": score, "best_step": step}
        self._checkpoints.complete(summary)
        return TrainingResult(self._output, **summary, resumed_at=self._resumed_at, was_complete=False)

    def _prepare_output(self) -> None:
        if self._state is None:
            clean_output_dir(self._output)
            return
        for name in (DIR_MODEL_BEST, DIR_MODEL_LAST):
            recover_directory(self._output / name)
            if not (self._output / name).is_dir():
                raise CheckpointError(f"{self._output / name} is missing. To begin the training afresh, add --restart.")

    def _report_start(self, stdout: IO[str]) -> None:
        """Write what `spacy train` writes before its first step."""
        msg = Printer(no_print=True)
        lines = [msg.info(f"Pipeline: {self._nlp.pipe_names}")]
        if self._frozen:
            lines.append(msg.info(f"Frozen components: {self._frozen}"))
        if annotating := self._settings["annotating_components"]:
            lines.append(msg.info(f"Set annotations on update for: {annotating}"))
        lines.append(msg.info(f"Initial learn rate: {self._optimizer.learn_rate}"))
        if self._state:
            lines.append(msg.info(f"Continuing after {self._resumed_at} steps, from the last checkpoint"))
        stdout.write("\n".join(lines) + "\n")

    def _remember(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Keep the last batch for messages."""
        for epoch, batch in batches:
            self._batch = list(batch)
            yield epoch, self._batch

    def _iterate(self) -> Iterator[tuple[list[Example], dict[str, Any], bool | None]]:
        losses = {one["step"]: one["losses"] for one in self._evaluations}
        if self._state is not None:
            losses[self._resumed_at - 1] = self._state["losses"]
        before_update: Callable[..., Any] | None = self._settings["before_update"]
        settings = dict(self._settings)
        if before_update is not None:
            settings["before_update"] = lambda _, arguments: before_update(self._nlp, arguments)
        replay = cast(Language, _Replay(self._nlp, self._batches, losses))
        return iterate_steps(replay, self._batches, settings, self._evaluate_or_repeat)

    def _evaluate_or_repeat(self) -> tuple[float, Any]:
        self._n_evaluations += 1
        if self._batches.is_repeating:
            repeated = self._evaluations[self._n_evaluations - 1]
            return repeated["score"], repeated["other_scores"]
        check_finite(self._models, {}, self._batches.step, self._batch)
        return self._evaluate()

    def _handle_evaluation(self, info: dict[str, Any], is_best: bool) -> None:
        with self._nlp.select_pipes(disable=self._frozen):
            update_meta(self._settings, self._nlp, info)
        # The order of labels in spaCy's scores is that of a set, which differs from process to process.
        performance = self._nlp.meta["performance"]
        for name, score in performance.items():
            if isinstance(score, dict):
                performance[name] = dict(sorted(score.items()))
        info["output_path"] = str(self._output / DIR_MODEL_LAST)
        if not self._batches.is_repeating:
            self._check(info)
            kept = {name: info[name] for name in ("step", "score", "other_scores")}
            self._evaluations.append(kept | {"losses": dict(info["losses"])})
            self._save(is_best)

    def _save(self, is_best: bool) -> None:
        last = self._output / DIR_MODEL_LAST
        with replace_directory(last) as draft, self._nlp.use_params(self._optimizer.averages):
            self._before_to_disk(self._nlp).to_disk(draft)
        if is_best:
            with replace_directory(self._output / DIR_MODEL_BEST) as draft:
                shutil.copytree(last, draft)

    def _restore_or_write(self, info: dict[str, Any]) -> None:
        """Finish a step: return to the checkpoint's state after its last step, or write a checkpoint if it is time."""
        n_steps = info["step"] + 1
        if n_steps == self._resumed_at:
            self._restore()
        elif n_steps > self._resumed_at:
            self._check(info)
            if n_steps % self._checkpoint_steps == 0:
                self._checkpoints.write(n_steps, self._get_state(info))

    def _check(self, info: dict[str, Any]) -> None:
        check_finite(self._models, info["losses"], info["step"], self._batch)

    def _get_state(self, info: dict[str, Any]) -> dict[str, Any]:
        return {
            "batches": self._batches.get_record(),
            "evaluations": self._evaluations,
            "losses": dict(info["losses"]),
            "components": get_components_state(self._nlp, self._models),
            "models": get_models_state(self._models),
            "optimizer": get_optimizer_state(self._optimizer, self._models),
            "strings": list(self._nlp.vocab.strings),
            "random": get_random_states(),
        }

    def _restore(self) -> None:
        assert self._state is not None
        for string in self._state["strings"]:
            self._nlp.vocab.strings.add(string)
        set_components_state(self._nlp, self._state["components"])
        set_models_state(self._models, self._state["models"])
        set_optimizer_state(self._optimizer, self._models, self._state["optimizer"])
        set_random_states(self._state["random"])
        self._state = None  # Frees its memory.
