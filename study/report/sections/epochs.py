"""Over the epochs: the median run of each cell, the band that holds most runs, and the difference from the control."""

import altair as alt
import pandas as pd

from study.report.format import THIN, span, with_bounds
from study.report.parts import axes, marks
from study.report.parts.figure import Figure, Plot, grid
from study.report.parts.frames import differences
from study.report.parts.labels import arms_of, cell_order, columns
from study.report.parts.section import Section, made
from study.report.results import Results, known

HEIGHT = 190
CHANGE_HEIGHT = 170


def section(results: Results, compared: bool) -> Section | None:
    difference = difference_by_epoch(results) if compared else None
    return made("epochs", "Over the epochs", (learning_curves(results), difference), appendix=True)


def learning_curves(results: Results) -> Figure | None:
    """The outcome by epoch, a panel a cell."""
    bands = _bands(results)
    if bands.empty:
        return None
    last = int(bands["epoch"].max())
    ends = [f"{r.arm}, {r.cell}: {r.words}" for r in bands[bands["epoch"] == last].itertuples()]
    return Figure(
        key="curves",
        title="Learning curves",
        caption=(
            f"After each epoch: {_name(results)}. Lines are medians over runs; the bands hold the middle "
            f"80{THIN}% of the runs at each epoch."
        ),
        alternative=f"Median {_name(results)} and the middle 80 % after epoch {last}. {'; '.join(ends)}.",
        plot=_plot(results, bands),
        data={"curves": bands},
    )


def difference_by_epoch(results: Results) -> Figure | None:
    """The difference from the control after each epoch, a panel an arm."""
    rows = known(results.lists["curve_contrasts"])
    if len({r["epoch"] for r in rows}) < 2:
        return None
    frame = differences(results, rows, "epoch")
    last = int(frame["epoch"].max())
    title = "Difference, pp" if results.counts else results.response.difference_title
    y = alt.Y("difference:Q", title=title, axis=axes.signed_axis(**axes.upright(34)))
    tips = {"arm:N": results.focus.title, "epoch:Q": "epoch", "words:N": "difference (band)"}
    layers = alt.layer(*marks.path_layers(results, axes.epochs(last), y, ("low", "high"), 40, tips))
    layers = layers.properties(height=CHANGE_HEIGHT)
    chart = marks.small_multiples(layers, "arm", arms_of(results, frame), "by_epoch", y="independent")
    words = [f"{r.arm}: {r.words}" for r in frame[frame["epoch"] == last].itertuples()]
    return Figure(
        key="difference-by-epoch",
        title=f"Difference from {results.arm(results.control)} by epoch",
        caption=(
            f"The {_name(results)}, averaged over the other factors. The band holds for all epochs and arms at "
            "once; the line at 0 is no difference. Every panel has its own vertical scale."
        ),
        alternative=f"Differences after epoch {last}: {'; '.join(words)}.",
        plot=grid(chart, 4, 200, axis=58),
        data={"by_epoch": frame},
    )


def _bands(results: Results) -> pd.DataFrame:
    show = results.response.value
    frame = pd.DataFrame(
        {
            "arm": results.arm(row["levels"][results.focus.name]),
            "cell": results.cell_label(row["levels"]),
            "epoch": row["epoch"],
            "outcome": row["median"],
            "outcome_low": row["q10"],
            "outcome_high": row["q90"],
            "words": with_bounds(show(row["median"]), span(row["q10"], row["q90"], show)),
        }
        for row in results.lists["curves"]
    )
    if results.counts and not frame.empty:
        trials = _trials(results)
        for error, outcome in (("error", "outcome"), ("error_low", "outcome_high"), ("error_high", "outcome_low")):
            frame[error] = axes.error_of(frame[outcome], trials)
    return frame


def _columns(results: Results) -> tuple[str, ...]:
    """The columns of the table of curves: successes and trials, or a number."""
    roles = ("successes", "trials") if results.counts else ("response",)
    return tuple(results.analysis["plan"][f"validation_{role}"] for role in roles)


def _trials(results: Results) -> int:
    table, column = results.curves, _columns(results)[-1]
    return results.trials if table is None or column not in table else int(table[column].dropna().iloc[0])


def _name(results: Results) -> str:
    """What the curves show: what the tuned comparison is chosen by, or the outcome itself."""
    name = results.response.name
    if _columns(results) == results.outcome:
        return name
    return f"validation {name.removeprefix('test ').removeprefix('validation ')}"


def _plot(results: Results, bands: pd.DataFrame) -> Plot:
    field = "error" if results.counts else "outcome"
    ends = [bands[f"{field}_low"].min(), bands[f"{field}_high"].max()]
    look = axes.error_axis(ends) if results.counts else axes.spread_axis(*ends)
    colour, x = marks.arm_colour(results), axes.epochs(int(bands["epoch"].max()))
    title = f"{_name(results)}, log error" if results.counts else results.response.title
    y = alt.Y(f"{field}:Q", title=title, **look)
    tips = {"arm:N": results.focus.title, "epoch:Q": "epoch", "words:N": "median (middle 80 %)"}
    area = alt.Chart().mark_area(opacity=0.16)
    layers = alt.layer(
        area.encode(x=x, y=alt.Y(f"{field}_low:Q"), y2=f"{field}_high:Q", color=colour),
        alt.Chart().mark_line(strokeWidth=2).encode(x=x, y=y, color=colour),
        marks.dots(alt.Chart(), 34).encode(
            x=x, y=y, color=colour, shape=marks.arm_shape(results), description=marks.told(tips)
        ),
    ).properties(height=HEIGHT)
    chart = marks.small_multiples(layers, "cell", cell_order(results, bands["cell"]), "curves")
    return grid(chart, columns(results), 230, legend="arm", axis=58)
