# From the tables to inferences: pure functions of the runs table and the plan.
localrules:
    explain,


rule analyze:
    input:
        design=f"{STUDY}/design.json",
        runs=f"{STUDY}/runs.parquet",
        curves=f"{STUDY}/curves.parquet",
    output:
        folder=report(
            directory(f"{STUDY}/analysis"),
            patterns=["{table}.csv"],
            caption="../../report/analysis.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
    log:
        f"{STUDY}/logs/analyze.log",
    benchmark:
        f"{STUDY}/benchmarks/analyze.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    message:
        "Analysing the runs"
    shell:
        "python -m study analyze {input.runs:q} --design {input.design:q} --curves {input.curves:q} "
        "--out {output.folder:q} 2> {log:q}"


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
