# From the tables to inferences: pure functions of the runs table and the plan.
localrules:
    explain,


rule analyze:
    input:
        runs=f"{STUDY}/runs.parquet",
        curves=f"{STUDY}/curves.parquet",
    output:
        folder=directory(f"{STUDY}/analysis"),
    log:
        f"{STUDY}/logs/analyze.log",
    benchmark:
        f"{STUDY}/benchmarks/analyze.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        factors=[f"--factor={factor}" for factor in config["design"]["factors"]],
        control=[f"{factor}={level}" for factor, level in config["design"]["control"].items()],
        tune=[
            f"--tune={factor}"
            for factor in config["design"]["factors"]
            if factor == config["plan"]["tune"] and factor not in config["design"]["control"]
        ],
        negative_control=(
            [f"--negative-control={design.NEGATIVE_CONTROL}"] if config["design"]["negative_control"] else []
        ),
        alpha=config["plan"]["alpha"],
        margin=config["plan"]["margin_pp"],
        collapse_below=config["plan"]["collapse_below"],
    message:
        "Analysing the runs"
    shell:
        "python -m study analyze {input.runs:q} --curves {input.curves:q} --successes test_correct --trials test_trials "
        "{params.factors:q} {params.tune:q} {params.negative_control:q} --block seed --control {params.control:q} --alpha {params.alpha} "
        "--margin-pp {params.margin} --collapse-below {params.collapse_below} --out {output.folder:q} 2> {log:q}"


rule explain:
    input:
        design=f"{STUDY}/design.json",
        runs=f"{STUDY}/runs.parquet",
        gap=f"{STUDY}/statistics_gap.parquet",
    output:
        mechanism=f"{STUDY}/mechanism.json",
    log:
        f"{STUDY}/logs/explain.log",
    benchmark:
        f"{STUDY}/benchmarks/explain.tsv"
    conda:
        "../../environment.yml"
    message:
        "Comparing the ways of scoring the same weights"
    shell:
        "python -m study explain {input.design:q} --runs {input.runs:q} --gap {input.gap:q} --out {output.mechanism:q} "
        "2> {log:q}"
