"""Every run a dot: by arm, inside each cell of the other factors."""

import altair as alt
import pandas as pd

from study.report.format import optional, plural
from study.report.parts.axes import error_of
from study.report.parts.figure import Figure, Plot, grid
from study.report.parts.frames import every_outcome, outcome_axis
from study.report.parts.labels import arms_of, cell_order, columns
from study.report.parts.marks import arm_colour, row, row_labels, small_multiples, state_shape, told
from study.report.parts.section import Section, made
from study.report.results import Results

ROW_HEIGHT = 44


def section(results: Results) -> Section | None:
    return made("runs", "Every run", [every_run(results)])


def every_run(results: Results) -> Figure:
    frame = _frame(results)
    block = results.block and results.unit
    lost = int((frame["kind"].eq("run") & frame["outcome"].isna()).sum())
    return Figure(
        key="runs",
        title=f"Every run: {results.response.name}",
        caption=(
            "A dot is one run"
            + (
                f"; the {block}s stand in the same order in every row, so one {block} is found at the same height in "
                "all of them. "
                if block
                else ". "
            )
            + "The bar marks the median."
            + (f" Click a dot to follow its {block}." if block else "")
            + " A cross is a run whose training diverged."
            + (f" Not drawn: {plural(lost, 'run')} that diverged without a number." if lost else "")
        ),
        alternative=_alternative(results),
        plot=_plot(results, frame),
        data={"runs": frame},
        follows=block is not None,
    )


def _frame(results: Results) -> pd.DataFrame:
    """The runs, and the median of each cell."""
    medians = pd.DataFrame(
        {
            "arm": [results.arm(row["levels"][results.focus.name]) for row in results.cells],
            "cell": [results.cell_label(row["levels"]) for row in results.cells],
            "outcome": [row["median"] for row in results.cells],
        }
    ).assign(kind="median", state="ok", lane=0.5)
    if results.counts:
        medians["error"] = error_of(medians["outcome"].astype(float), results.trials)
    return pd.concat([every_outcome(results), medians], ignore_index=True)


def _plot(results: Results, frame: pd.DataFrame) -> Plot:
    order = arms_of(results, frame)
    y = row("arm", order)
    field, look = outcome_axis(results, frame)
    title = results.response.title + (", spaced by log error" if results.counts else "")
    if not results.counts:
        title += f" ({results.response.toward('right', 'left')})"
    tips = {"block:N": results.block or "run", "words:N": results.response.name, "arm:N": results.focus.title}
    runs = alt.Chart().transform_filter("datum.kind === 'run'").mark_point(filled=True, opacity=0.8, size=26)
    medians = alt.Chart().transform_filter("datum.kind === 'median'")
    bars = medians.mark_tick(style="median", orient="vertical", size=26, thickness=2, yOffset=10)
    layers = alt.layer(
        *row_labels(order, -13),
        bars.encode(x=alt.X(f"{field}:Q"), y=y),
        runs.encode(
            x=alt.X(f"{field}:Q", title=title, **look),
            y=y,
            yOffset=alt.YOffset("lane:Q", scale=alt.Scale(domain=[-1.15, 1.2])),
            color=arm_colour(results),
            shape=state_shape(),
            description=told(tips | {"cell:N": "cell", "state:N": "status"}),
        ),
    ).properties(height=alt.Step(ROW_HEIGHT))
    chart = small_multiples(layers, "cell", cell_order(results, frame["cell"]), "runs")
    return grid(chart, columns(results), 230)


def _alternative(results: Results) -> str:
    parts = []
    for cell in results.cells:
        low, median, high = (optional(cell[key], results.response.value) for key in ("min", "median", "max"))
        where = f"{results.arm(cell['levels'][results.focus.name])}, {results.cell_label(cell['levels'])}"
        parts.append(f"{where}: {plural(cell['runs'], 'run')}, {low} to {high}, median {median}")
    return f"Every run, by cell: {results.response.name}. {'; '.join(parts)}."
