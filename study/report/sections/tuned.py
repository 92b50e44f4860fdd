"""And each at its own best? The arms where each takes the level of a factor with which it does best."""

from functools import partial

import altair as alt

from study.report.format import share
from study.report.parts import marks
from study.report.parts.figure import Figure, panel
from study.report.parts.frames import differences, effects_caption, effects_words
from study.report.parts.labels import arms_of
from study.report.parts.section import Section, made
from study.report.parts.table import Column, Table, plain
from study.report.results import Results, Row, known
from study.report.verdict import Verdict
from study.words import level_key

ROW_HEIGHT = 36


def section(results: Results, verdict: Verdict) -> Section | None:
    if not results.found("tuned"):
        return None
    items, text = (tuned(results), choices(results)), [verdict.answer("tuned")]
    return made("tuned", "And each at its own best?", items, text, finding=verdict.brief("tuned"))


def tuned(results: Results) -> Figure | None:
    """Each arm at its own best level of a factor."""
    found = results.found("tuned")
    frame = differences(results, known(found["contrasts"]), "label")
    if frame.empty:
        return None
    title = results.title(found["factor"])
    rows = marks.effect_rows(results, frame, alt.NamedData("tuned"), arms_of(results, frame))
    return Figure(
        key="tuned",
        title=f"Each arm at its own best {title}",
        caption=(
            f"Every arm, the control too, takes the {title} with which it does best on one "
            f"half of the {results.unit}s and is scored on the other half, so no run is judged at a level "
            f"that it helped to choose. " + effects_caption(results, frame)
        ),
        alternative=effects_words(results, frame),
        plot=panel(rows.properties(height=alt.Step(ROW_HEIGHT)), reserve=190, wide=640),
        data={"tuned": frame},
    )


def choices(results: Results) -> Table | None:
    """Which level each arm chose when it was tuned."""
    found = results.found("tuned")
    factor = next((factor for factor in results.others if factor.name == found.get("factor")), None)
    if factor is None:
        return None
    headings = (
        Column(results.focus.title, lambda r: results.arm(r["arm"]), words=True),
        Column("Cell", lambda r: results.cell_label(r["cell"]), words=True),
        Column("Best", lambda r: factor.label(r["best"])),
        *(Column(factor.label(level), partial(_chosen, level=level)) for level in factor.levels),
    )
    caption = (
        f"How often each {factor.title} was chosen, over {found['splits']} random halvings, and the choice on all "
        f"{results.unit}s."
    )
    return plain("choices", f"The {factor.title} each arm chose", caption, headings, found["choices"])


def _chosen(row: Row, level: str) -> str:
    return share(next((value for chosen, value in row["shares"].items() if level_key(chosen) == level), 0.0))
