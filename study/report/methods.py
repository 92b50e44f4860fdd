"""The further methods that were really run, in sentences, and the works that the page cites."""

from collections.abc import Iterable

from study.report.results import Results


def further(results: Results) -> tuple[str, ...]:
    """What was done beside the primary comparison: a sentence for each result that is there, by subject."""
    there = {name for name, rows in results.lists.items() if rows} | set(results.objects)
    block = results.block or "run"
    subjects = [
        " ".join(text.format(block=block) for name, text in subject.items() if name in there) for subject in SUBJECTS
    ]
    return tuple(subject for subject in subjects if subject)


def cited(paragraphs: Iterable[str]) -> tuple[str, ...]:
    """The works that the paragraphs cite, in the order of the alphabet."""
    text = " ".join(paragraphs)
    return tuple(work for citation, work in WORKS.items() if citation in text)


SUBJECTS = (
    {
        "specification": (
            "The same contrasts by every other defensible method stand beside the planned one as a check, not "
            "as a choice (Steegen, Tuerlinckx, Gelman and Vanpaemel 2016; Simonsohn, Simmons and Nelson 2020)."
        ),
        "anova": (
            "Interactions: repeated-measures analysis of variance within {block}s, its degrees of freedom "
            "corrected for unequal variances of differences (Greenhouse and Geisser 1959), with generalised eta"
            " squared (Olejnik and Algina 2003)."
        ),
        "mixed": (
            "The mixed model: restricted maximum likelihood, adjusted degrees of freedom (Kenward and Roger 1997)."
        ),
        "ranks": (
            "Ranks of the arms within each {block}: Friedman's test, Nemenyi's critical difference (Demšar 2006)."
        ),
        "tuned": (
            "In the tuned comparison each arm's level is chosen on the validation images of one half of the "
            "{block}s and judged on the other half, and the other way round."
        ),
    },
    {
        "images": (
            "On new images: {block}s and images random, as readers and cases in a multi-reader multi-case "
            "analysis (Dorfman, Berbaum and Metz 1992; Obuchowski and Rockette 1995; degrees of freedom: Hillis"
            " 2007). The spread that would remain on endless images is estimated from every image under every "
            "run (Jordan 2024)."
        ),
        "luck": (
            "Luck: the chance of the wrong sign (Gelman and Carlin 2014), the probability that an arm is ahead "
            "(Bouthillier et al. 2021), almost stochastic order (Dror, Shlomov and Reichart 2019), the expected best "
            "of several runs (Dodge et al. 2019), and shares of variance from expected mean squares with intervals "
            "from resampled {block}s."
        ),
    },
    {
        "collapse": (
            "Rates of collapse are compared by an exact test, flips of whole {block}s or, where runs share none, "
            "Fisher's, adjusted by Holm's procedure (Holm 1979)."
        ),
        "mechanism": (
            "Population statistics are computed over the training set after the training, as in Algorithm 2 of "
            "the original paper (Ioffe and Szegedy 2015)."
        ),
    },
    {
        "diagnostics": (
            "Checks: equal spread (Brown and Forsythe 1974), normal residuals (Shapiro and Wilk 1965), and the "
            "influence of each {block} and cell; none of them chooses a test."
        ),
        "power": "Planning: noncentral t distributions, with the spread that was measured here and its uncertainty.",
    },
)
"""A sentence for each result, by subject."""

WORKS = {
    "Anscombe 1956": ("Anscombe, F. J. (1956). On estimating binomial response relations. Biometrika 43, 461–464."),
    "Bell and McCaffrey 2002": (
        "Bell, R. M. and McCaffrey, D. F. (2002). Bias reduction in standard errors for linear regression with "
        "multi-stage samples. Survey Methodology 28, 169–181."
    ),
    "Bouthillier et al. 2021": (
        "Bouthillier, X. et al. (2021). Accounting for variance in machine learning benchmarks. Proceedings of "
        "Machine Learning and Systems 3."
    ),
    "Brown and Forsythe 1974": (
        "Brown, M. B. and Forsythe, A. B. (1974). Robust tests for the equality of variances. Journal of the "
        "American Statistical Association 69, 364–367."
    ),
    "Clopper and Pearson 1934": (
        "Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the "
        "case of the binomial. Biometrika 26, 404–413."
    ),
    "Demšar 2006": (
        "Demšar, J. (2006). Statistical comparisons of classifiers over multiple data sets. Journal of Machine "
        "Learning Research 7, 1–30."
    ),
    "Dodge et al. 2019": (
        "Dodge, J. et al. (2019). Show your work: improved reporting of experimental results. EMNLP-IJCNLP, 2185–2194."
    ),
    "Dorfman, Berbaum and Metz 1992": (
        "Dorfman, D. D., Berbaum, K. S. and Metz, C. E. (1992). Receiver operating characteristic rating "
        "analysis: generalization to the population of readers and patients with the jackknife method. "
        "Investigative Radiology 27, 723–731."
    ),
    "Dror, Shlomov and Reichart 2019": (
        "Dror, R., Shlomov, S. and Reichart, R. (2019). Deep dominance: how to properly compare deep neural models. "
        "ACL, 2773–2785."
    ),
    "Gelman and Carlin 2014": (
        "Gelman, A. and Carlin, J. (2014). Beyond power calculations: assessing type S (sign) and type M "
        "(magnitude) errors. Perspectives on Psychological Science 9, 641–651."
    ),
    "Greenhouse and Geisser 1959": (
        "Greenhouse, S. W. and Geisser, S. (1959). On methods in the analysis of profile data. Psychometrika 24, "
        "95–112."
    ),
    "Haldane 1956": (
        "Haldane, J. B. S. (1956). The estimation and significance of the logarithm of a ratio of frequencies. "
        "Annals of Human Genetics 20, 309–311."
    ),
    "Hillis 2007": (
        "Hillis, S. L. (2007). A comparison of denominator degrees of freedom methods for multiple observer ROC "
        "analysis. Statistics in Medicine 26, 596–619."
    ),
    "Holm 1979": (
        "Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of "
        "Statistics 6, 65–70."
    ),
    "Hothorn, Bretz and Westfall 2008": (
        "Hothorn, T., Bretz, F. and Westfall, P. (2008). Simultaneous inference in general parametric models. "
        "Biometrical Journal 50, 346–363."
    ),
    "Ioffe and Szegedy 2015": (
        "Ioffe, S. and Szegedy, C. (2015). Batch normalization: accelerating deep network training by reducing "
        "internal covariate shift. ICML, 448–456."
    ),
    "Jordan 2024": (
        "Jordan, K. (2024). On the variance of neural network training with respect to test sets and "
        "distributions. ICLR."
    ),
    "Kenward and Roger 1997": (
        "Kenward, M. G. and Roger, J. H. (1997). Small sample inference for fixed effects from restricted maximum"
        " likelihood. Biometrics 53, 983–997."
    ),
    "Obuchowski and Rockette 1995": (
        "Obuchowski, N. A. and Rockette, H. E. (1995). Hypothesis testing of diagnostic accuracy for multiple "
        "readers and multiple tests: an ANOVA approach with dependent observations. Communications in Statistics "
        "– Simulation and Computation 24, 285–308."
    ),
    "Olejnik and Algina 2003": (
        "Olejnik, S. and Algina, J. (2003). Generalized eta and omega squared statistics: measures of effect size"
        " for some common research designs. Psychological Methods 8, 434–447."
    ),
    "Pustejovsky and Tipton 2018": (
        "Pustejovsky, J. E. and Tipton, E. (2018). Small-sample methods for cluster-robust variance estimation "
        "and hypothesis testing in fixed effects models. Journal of Business & Economic Statistics 36, 672–683."
    ),
    "Schuirmann 1987": (
        "Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the power approach for "
        "assessing the equivalence of average bioavailability. Journal of Pharmacokinetics and Biopharmaceutics "
        "15, 657–680."
    ),
    "Shapiro and Wilk 1965": (
        "Shapiro, S. S. and Wilk, M. B. (1965). An analysis of variance test for normality (complete samples). "
        "Biometrika 52, 591–611."
    ),
    "Simonsohn, Simmons and Nelson 2020": (
        "Simonsohn, U., Simmons, J. P. and Nelson, L. D. (2020). Specification curve analysis. Nature Human "
        "Behaviour 4, 1208–1214."
    ),
    "Steegen, Tuerlinckx, Gelman and Vanpaemel 2016": (
        "Steegen, S., Tuerlinckx, F., Gelman, A. and Vanpaemel, W. (2016). Increasing transparency through a "
        "multiverse analysis. Perspectives on Psychological Science 11, 702–712."
    ),
}
"""Every work that a sentence of the page may cite, by its citation."""
