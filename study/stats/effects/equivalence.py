"""Equivalence to the control within a margin, and the verdict on a contrast."""

from typing import Literal

import numpy as np
from scipy import stats

Verdict = Literal["better and matters", "better but negligible", "equivalent", "worse", "inconclusive"]


def tost(estimate: float, se: float, df: float, margin: float) -> float:
    """p value of the two one-sided t tests of |true effect| >= margin (Schuirmann 1987).

    p = max(P(T > (estimate + margin) / se), P(T < (estimate - margin) / se)); p < alpha is the same as the
    1 - 2 alpha interval lying inside (-margin, margin). With se = 0 the p value is 0 inside the margin, else 1.

    Args:
        estimate, se, margin: in one unit; margin > 0.
        df: degrees of freedom of `se`; may be inf.
    """
    if se == 0:
        return 0.0 if abs(estimate) < margin else 1.0
    return float(max(stats.t.sf((estimate + margin) / se, df), stats.t.cdf((estimate - margin) / se, df)))


def log_odds_margin(margin_pp: float, error_rate: float) -> float:
    """A margin in percentage points as a margin on the log odds of error, at the control's error rate.

    By the derivative of the log odds, d = (margin_pp / 100) / (e (1 - e)): symmetric and finite for every 0 < e < 1.
    """
    return margin_pp / 100.0 / (error_rate * (1.0 - error_rate))


def verdict(
    estimate: float,
    ci_low: float,
    ci_high: float,
    p_equivalence: float | None,
    margin: float,
    alpha: float,
    higher_is_better: bool,
) -> Verdict:
    """The verdict on one contrast, by this rule (first match), in the direction where more is better:

    - "better and matters": the simultaneous interval is above 0 and the estimate is at least the margin;
    - "better but negligible": the interval is above 0 and equivalence is shown (TOST p < alpha);
    - "equivalent": equivalence is shown;
    - "worse": the interval is below 0;
    - "inconclusive": none of these; more seeds are needed.

    Args:
        estimate, ci_low, ci_high: the contrast and its simultaneous interval, in the unit of `margin`.
        p_equivalence: of `tost`; None if there is no margin, so that equivalence cannot be shown.
        higher_is_better: False for an outcome such as the log odds of error.
    """
    if not higher_is_better:
        estimate, ci_low, ci_high = -estimate, -ci_high, -ci_low
    if not np.isfinite([estimate, ci_low, ci_high]).all():
        return "inconclusive"
    equivalent = p_equivalence is not None and p_equivalence < alpha
    if ci_low > 0 and estimate >= margin:
        return "better and matters"
    if equivalent:
        return "better but negligible" if ci_low > 0 else "equivalent"
    return "worse" if ci_high < 0 else "inconclusive"
