"""What now? What to do, what a number of blocks can detect, and how many find which difference."""

import altair as alt
import pandas as pd

from study.report.format import THIN, plural, significant, span, with_bounds
from study.report.parts.axes import positive_axis
from study.report.parts.figure import Figure, panel
from study.report.parts.marks import dots, plain_shape, told
from study.report.parts.section import Section, made
from study.report.results import Results
from study.report.verdict import Verdict

SCOPES = {"main": "averaged over all cells", "cell": "in a single cell"}


def section(results: Results, verdict: Verdict) -> Section | None:
    found = bool(results.found("power"))
    items, text = ([seeds_needed(results)], [_detectable(results)]) if found else ((), ())
    told, finding = [verdict.answer("now"), *text], verdict.brief("now")
    return made("planning", "What now?", items, told, finding=finding, shown=0)


def seeds_needed(results: Results) -> Figure | None:
    """How many blocks a study needs to find an effect."""
    found = results.found("power")
    block, unit = results.unit, results.response.difference_unit
    table = [
        {
            "scope": name,
            "effect": f"{r['effect']:g}{unit}",
            "seeds": r["seeds"],
            "low": r["seeds"] if r["low"] is None else r["low"],
            "high": r["seeds"] if r["high"] is None else r["high"],
            "words": with_bounds(f"{r['seeds']:,}", span(r["low"], r["high"], "{:,}".format)),
        }
        for key, name in SCOPES.items()
        for r in found[key]["seeds_for"]
        if r["seeds"] is not None
    ]
    if not table:
        return None
    frame = pd.DataFrame(table)
    scopes, effects = list(SCOPES.values()), list(dict.fromkeys(frame["effect"]))
    look = positive_axis(float(frame["low"].min()), float(frame["high"].max()))
    y = alt.Y("seeds:Q", title=f"Number of {block}s, log scale", **look)
    x = alt.X("effect:N", sort=effects, title="True difference to be found", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("scope:N", sort=scopes)
    base = alt.Chart(alt.NamedData("power"))
    shown = told({"scope:N": "contrast", "effect:N": "difference", "words:N": f"{block}s (range)"})
    chart = alt.layer(
        base.mark_rule(strokeWidth=2).encode(x=x, xOffset=offset, y=alt.Y("low:Q"), y2="high:Q"),
        dots(base, 80).encode(x=x, xOffset=offset, y=y, shape=plain_shape("scope", scopes), description=shown),
    ).properties(height=220)
    words = [f"{r.effect} {r.scope}: {r.words} {block}s" for r in frame.itertuples()]
    return Figure(
        key="power",
        title=f"How many {block}s find which difference",
        caption=(
            f"The {block}s needed to find a true difference with a chance of {100 * found['power']:g}{THIN}%, "
            f"from the spread measured here ({results.pooled_words}), adjusted for "
            f"{plural(found['contrasts'], 'comparison')}. Bars carry the uncertainty of that spread."
        ),
        alternative="; ".join(words) + ".",
        plot=panel(chart, legend="scope", axis=56, wide=640),
        data={"power": frame},
    )


def _detectable(results: Results) -> str:
    """What this many blocks can detect."""
    found, unit = results.found("power"), results.response.difference_unit
    main, cell = (found[key]["detectable"]["effect"] for key in SCOPES)
    if main is None:
        return ""
    if main < 1e-9:
        return f"The {results.unit}s differ by nothing but the arm: any difference would be found."
    single = f", in a single cell from {significant(cell)}{unit} on" if cell is not None and results.others else ""
    averaged = ", averaged over the cells" if results.others else ""
    return (
        f"With {plural(found['planned_seeds'], results.unit)}, a true difference is found with a chance of "
        f"{100 * found['power']:g}{THIN}% from {significant(main)}{unit} on{averaged}{single}."
    )
