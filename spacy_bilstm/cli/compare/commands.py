"""`spacy bilstm compare`: options come in, a comparison is run, its table, JSON file and plot go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import srsly
import torch
import typer
from wasabi import msg

from ...experiments import probes
from ...experiments.charts import draw_distances, draw_prices, draw_questions, draw_trade_off
from ...experiments.price import measure_prices
from ...experiments.results import OtherSettingsError, Results, Summary
from ...experiments.running import run_missing
from ...experiments.tables import Table, make_price_table, make_summary_table
from ...experiments.tasks import SCORES, CorpusTask, ProbeTask, Question, Task, find_pipes
from ...experiments.training import FEATURES, WORDS, Recipe
from ...experiments.variants import Variant
from ...util.exits import INTERRUPTED
from ...util.files import written_whole
from ...util.plots import save_figure
from .options import (
    Cells,
    Cnn,
    Depths,
    Directions,
    LearnRate,
    Merges,
    Output,
    Plot,
    Seeds,
    Steps,
    TablePath,
    Threads,
    Width,
    check_plot,
    parse_choices,
    parse_numbers,
    parse_variants,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

compare = typer.Typer(help="Compare encoders: what they can learn, and what they cost.", no_args_is_help=True)

_LanguageTags = list(probes.COUNTRIES.values())


@compare.callback()
def callback() -> None:
    """Compare encoders: what they can learn, and what they cost.

    Every encoder is trained in a real spaCy pipeline, with the same embedding, optimizer and number of steps. A command
    that was stopped continues from its --output file.
    """


@compare.command("long-gap")
def long_gap(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    distances: Annotated[str, typer.Option(help="Distances in words, each at least 5")] = "5,10,20,50,100,200",
    curriculum: Annotated[
        bool, typer.Option("--curriculum", help="Begin with the shortest distance; the others join one by one")
    ] = False,
    width: Width = 64,
    steps: Steps = 300,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe how far encoders remember.

    "I grew up in France ... and I speak its language": the country at the start decides the tag of the last word, one
    of eight, such as FRENCH. Between the two stand words that tell nothing. One training sees all distances, mixed;
    each is tested by itself. Only the last word has a tag, and only it counts.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    questions = _ask_distances(probes.long_gap, _LanguageTags, distances)
    settings = {"distances": distances, "curriculum": curriculum}
    _compare_on_probe(
        _Request("long-gap", variants, settings, seeds, threads, output, plot, table),
        ProbeTask(questions, curriculum=curriculum),
        Recipe(WORDS, width, steps, learn_rate, dropout=0.0),
        lambda summaries: draw_distances(summaries, 1 / len(_LanguageTags)),
    )


@compare.command("future-context")
def future_context(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    distances: Annotated[str, typer.Option(help="Distances in words, each at least 5")] = "5,10,20",
    width: Width = 64,
    steps: Steps = 300,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe what encoders see of what comes.

    "Apple is something ... that we eat" or "... that we sue": the verb at the end decides the tag of the first word,
    FRUIT or ORG. One training sees all distances, mixed; each is tested by itself. Only the first word has a tag, and
    only it counts.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    questions = _ask_distances(probes.future_context, list(probes.USES), distances)
    _compare_on_probe(
        _Request("future-context", variants, {"distances": distances}, seeds, threads, output, plot, table),
        ProbeTask(questions),
        Recipe(WORDS, width, steps, learn_rate, dropout=0.0),
        lambda summaries: draw_distances(summaries, 1 / len(probes.USES)),
    )


@compare.command("merge")
def merge(
    cells: Cells = "lstm",
    directions: Directions = "2",
    merges: Merges = "concat,sum,mean,mul",
    depths: Depths = "1",
    cnn: Cnn = False,
    distance: Annotated[int, typer.Option(help="Words from the verb to its subject and to its object", min=1)] = 5,
    width: Width = 64,
    steps: Steps = 400,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Probe the merges of two directions.

    Subject and object decide the tag of the verb between.

    Question "both": "teacher ... met ... drivers" asks for the numbers of both nouns, one of four tags such as SG-PL.
    Question "same": "teacher ... matched ... drivers" asks whether they are the same, SAME or OTHER, which neither
    direction knows by itself. One training sees both questions, mixed; each is tested by itself.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    questions = {rule: Question(probes.agreement, tags, distance) for rule, tags in probes.AGREEMENT_TAGS.items()}
    _compare_on_probe(
        _Request("merge", variants, {"distance": distance}, seeds, threads, output, plot, table),
        ProbeTask(questions, n_train=960),
        Recipe(WORDS, width, steps, learn_rate, dropout=0.0),
        lambda summaries: draw_questions(summaries, {name: question.chance for name, question in questions.items()}),
    )


@compare.command("corpus")
def corpus(
    train: Annotated[Path, typer.Option("--train", help="The .spacy file to train on", exists=True, dir_okay=False)],
    dev: Annotated[Path, typer.Option("--dev", help="The .spacy file to score on", exists=True, dir_okay=False)],
    pipes: Annotated[
        str | None,
        typer.Option(help=f"Components to train, of {','.join(SCORES)}; all with annotation if not given"),
    ] = None,
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat",
    depths: Depths = "1",
    cnn: Cnn = True,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Code of the corpus's language, such as en")] = "en",
    width: Width = 128,
    steps: Steps = 1000,
    learn_rate: LearnRate = 0.003,
    seeds: Seeds = 3,
    threads: Threads = 1,
    output: Output = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Compare encoders on a corpus.

    Tagger, morphologizer and entity recogniser share one embedding and one encoder. They are trained as far as the
    corpus has annotation for them.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    wanted = None if pipes is None else parse_choices(pipes, "--pipes", list(SCORES))
    chosen = _choose_pipes(train, dev, lang, wanted)
    settings = {"train": str(train), "dev": str(dev), "pipes": ",".join(chosen)}
    request = _Request("corpus", variants, settings, seeds, threads, output, plot, table)
    recipe = Recipe(FEATURES, width, steps, learn_rate, dropout=0.3, lang=lang)
    _compare(request, CorpusTask(train, dev, chosen), recipe, draw_trade_off)


@compare.command("price")
def price(
    cells: Cells = "rnn,gru,lstm",
    directions: Directions = "1,2",
    merges: Merges = "concat,sum",
    depths: Depths = "1",
    cnn: Cnn = True,
    width: Width = 128,
    n_docs: Annotated[int, typer.Option(help="Documents in the batch", min=1)] = 64,
    max_length: Annotated[int, typer.Option(help="Lengths are drawn evenly from 1 to this", min=1)] = 40,
    rounds: Annotated[int, typer.Option(help="Rounds; each runs every encoder once", min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the arrays")] = 0,
    threads: Threads = 1,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write", dir_okay=False)] = None,
    plot: Plot = None,
    table: TablePath = None,
) -> None:
    """Measure what a second direction costs.

    Encoders by themselves run on the same arrays and take turns within each round, so that a machine's changing speed
    meets all alike. Concatenated directions have half the width each, those that are added or multiplied the whole.
    """
    variants = parse_variants(cells, directions, merges, depths, cnn, width)
    check_plot(plot)
    torch.set_num_threads(threads)
    prices = measure_prices(variants, width, n_docs, max_length, rounds, seed)
    settings = {"width": width, "n_docs": n_docs, "max_length": max_length, "rounds": rounds, "threads": threads}
    msg.info(", ".join(f"{name} {value}" for name, value in settings.items()))
    _show(make_price_table(prices), table, plot, lambda: draw_prices(prices))
    if output is not None:
        rows = [{"name": row.variant.name, **asdict(row)} for row in prices]
        with written_whole(output) as draft:
            srsly.write_json(draft, {"experiment": "price", "settings": settings, "results": rows})
        msg.good(f"Wrote {output}")


@dataclass(frozen=True)
class _Request:
    """What a comparison was asked for, whatever it trains on.

    experiment: name of the command.
    variants: what is compared.
    settings: options of this command alone that change its results.
    seeds, threads, output, plot, table: the options' values.
    """

    experiment: str
    variants: list[Variant]
    settings: dict[str, Any]
    seeds: int
    threads: int
    output: Path | None
    plot: Path | None
    table: Path | None


Draw = Callable[[list[Summary]], "Figure"]


def _ask_distances(make: Any, tags: list[str], distances: str) -> dict[str, Question]:
    numbers = parse_numbers(distances, "--distances", least=probes.MIN_DISTANCE)
    return {str(distance): Question(make, tags, distance) for distance in numbers}


def _choose_pipes(train: Path, dev: Path, lang: str, wanted: list[str] | None) -> list[str]:
    try:
        annotated = {path: find_pipes(path, lang) for path in (train, dev)}
    except (ValueError, ImportError) as error:
        msg.fail("Can't read the corpus.", str(error), exits=1)
    for pipe in wanted or []:
        for path, found in annotated.items():
            if pipe not in found:
                msg.fail(f"{path} has no annotation for '{pipe}'.", f"It has it for: {', '.join(found)}.", exits=1)
    chosen = wanted or [pipe for pipe in annotated[train] if pipe in annotated[dev]]
    if not chosen:
        msg.fail(
            "The two corpora have no annotation in common.",
            "; ".join(f"{path}: {', '.join(found)}" for path, found in annotated.items()),
            exits=1,
        )
    return chosen


def _compare_on_probe(request: _Request, task: ProbeTask, recipe: Recipe, draw: Draw) -> None:
    for name, question in task.questions.items():
        sentence = probes.make_sentences(question.make, question.tags, question.distance, 1, seed=0)[0]
        words = " ".join(sentence.words)
        shown = words if len(words) < 45 else f"{words[:20]} ... {words[-20:]}"
        msg.text(f"{name:>5}  {shown}  {sentence.tag}, guessing {100 * question.chance:.1f} %")
    _compare(request, task, recipe, draw)


def _compare(request: _Request, task: Task, recipe: Recipe, draw: Draw) -> None:
    """Train what is missing, and show what there is."""
    check_plot(request.plot)
    torch.set_num_threads(request.threads)
    settings = {**request.settings, **asdict(recipe), "threads": request.threads}
    try:
        results = Results(request.experiment, settings, request.output)
    except OtherSettingsError as error:
        msg.fail("Nothing was trained.", str(error), exits=1)
    results.save()  # Where it cannot be written, this is the time to know.
    finished = run_missing(results, request.variants, range(request.seeds), task, recipe)
    summaries = results.summarise(request.variants)
    if summaries:
        _show(make_summary_table(summaries), request.table, request.plot, lambda: draw(summaries))
    if request.output is not None:
        msg.good(f"Wrote {request.output}")
    if not finished:
        kept = "The same command continues from here." if request.output else "With --output it could be continued."
        done = [results.has(variant, seed) for variant in request.variants for seed in range(request.seeds)]
        msg.warn(f"Stopped: {sum(done)} of {len(done)} trainings are done.", kept)
        raise typer.Exit(INTERRUPTED)


def _show(table: Table, table_path: Path | None, plot_path: Path | None, draw: Callable[[], Figure]) -> None:
    table.show()
    if table_path is not None:
        table.write(table_path)
        msg.good(f"Wrote {table_path}")
    if plot_path is not None:
        save_figure(draw(), plot_path)
        msg.good(f"Wrote {plot_path}")
