# What R makes of the published reference study: tests/reference/test_published.py compares with it.
#
#   apt-get install --no-install-recommends r-base-core r-cran-lmertest r-cran-emmeans r-cran-pbkrtest r-cran-afex \
#     r-cran-jsonlite
#   Rscript tests/oracle/reference_study.R | gzip -9n > tests/oracle/reference_study.json.gz
suppressPackageStartupMessages({
  library(lmerTest)
  library(emmeans)
  library(afex)
})

runs <- read.csv("reference/bn-on-mnist/runs.csv", stringsAsFactors = FALSE)
arms <- c("none", "libs", "contrib", "contrib_stale", "keras")
runs$y <- 100 * runs$test_correct / runs$test_trials
runs$bn <- factor(runs$bn, arms)
for (name in c("dropout", "lr", "seed")) runs[[name]] <- factor(runs[[name]])

# The difference from no BN within each seed, averaged over the other factors: the seed is the unit of replication.
means <- tapply(runs$y, list(runs$seed, runs$bn), mean)
differences <- means[, -1] - means[, "none"]
se <- apply(differences, 2, sd) / sqrt(nrow(differences))
df <- nrow(differences) - 1
t <- colMeans(differences) / se
# Each difference has a variance of its own, and these are correlated as the differences are: the largest |t| by simulation.
set.seed(1)
draws <- 1e6
correlation <- cor(differences)
root <- chol(correlation)
numerators <- matrix(rnorm(draws * length(t)), draws) %*% root
variances <- t(apply(rWishart(draws, df, correlation), 3, diag)) / df
largest <- apply(abs(numerators) / sqrt(variances), 1, max)
critical <- quantile(largest, 0.95, names = FALSE)
contrasts <- data.frame(level = colnames(differences), estimate = colMeans(differences), se = se, df = df, statistic = t,
                        p = 2 * pt(-abs(t), df), ci_low = colMeans(differences) - critical * se,
                        ci_high = colMeans(differences) + critical * se)

# Of the arms that do not collapse: Kenward and Roger's F tests and contrasts.
pooled <- droplevels(runs[runs$bn %in% c("none", "libs", "keras"), ])
options(contrasts = c("contr.sum", "contr.poly"))
model <- lmer(y ~ bn * dropout * lr + (1 | seed) + (1 | seed:bn), data = pooled,
              control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-12)))
tests <- anova(model, type = "III", ddf = "Kenward-Roger")
against <- as.data.frame(contrast(emmeans(model, "bn", lmer.df = "kenward-roger"), "trt.vs.ctrl", adjust = "none"))
components <- as.data.frame(VarCorr(model))

# All arms: repeated measures, with Greenhouse and Geisser's correction.
repeated <- aov_ez("seed", "y", runs, within = c("bn", "dropout", "lr"), anova_table = list(correction = "none", es = "ges"))
strata <- as.data.frame(repeated$anova_table)
sphericity <- summary(repeated)$pval.adjustments

cat(jsonlite::toJSON(list(
  contrasts = contrasts,
  mixed = list(terms = data.frame(term = rownames(tests), df1 = tests[, "NumDF"], df2 = tests[, "DenDF"],
                                  F = tests[, "F value"], p = tests[, "Pr(>F)"]),
               contrasts = data.frame(level = c("libs", "keras"), against[, c("estimate", "SE", "df", "t.ratio", "p.value")]),
               components = data.frame(term = components$grp, sd = components$sdcor)),
  anova = data.frame(term = rownames(strata), df1 = strata[, "num Df"], df2 = strata[, "den Df"], F = strata[, "F"],
                     p = strata[, "Pr(>F)"], ges = strata[, "ges"]),
  greenhouse = data.frame(term = rownames(sphericity), epsilon = sphericity[, "GG eps"], p = sphericity[, "Pr(>F[GG])"])
), digits = NA, pretty = TRUE))
