"""A contrast told in Bayesian words, in closed form."""

from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Posterior:
    """Probabilities that the true effect is in each region; the last three add up to 1.

    Attributes:
        better: above 0 in the direction that is better.
        matters: better by more than the margin.
        negligible: within the margin, on either side.
        harmful: worse by more than the margin.
    """

    better: float
    matters: float
    negligible: float
    harmful: float


def posterior(estimate: float, se: float, df: float, margin: float, higher_is_better: bool = True) -> Posterior:
    """The effect given the data is estimate + se * t_df, under the Jeffreys prior p(mean, sd) ~ 1 / sd of a paired t
    test (Benavoli et al. 2017, with correlation 0; the margin is their region of practical equivalence).

    Args:
        estimate, se, margin: in one unit; margin >= 0. With se = 0 all mass is on the estimate.
        df: degrees of freedom of `se`.
    """
    if not higher_is_better:
        estimate = -estimate
    if se == 0.0:
        return Posterior(
            1.0 if estimate > 0 else 0.5 if estimate == 0 else 0.0,
            float(estimate > margin),
            float(abs(estimate) <= margin),
            float(estimate < -margin),
        )
    above = float(stats.t.sf((margin - estimate) / se, df))
    below = float(stats.t.cdf((-margin - estimate) / se, df))
    return Posterior(float(stats.t.sf(-estimate / se, df)), above, max(0.0, 1.0 - above - below), below)
