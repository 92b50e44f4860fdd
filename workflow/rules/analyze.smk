# From the tables to inferences: pure functions of the runs table and the plan.
localrules:
    explain,


rule analyze:
    input:
        design=f"{STUDY}/design.json",
        runs=f"{STUDY}/runs.parquet",
        curves=f"{STUDY}/curves.parquet",
        # Read beside the design: what the verdicts say beside the numbers.
        told=[f"{STUDY}/provenance.json", *EXPLAINED],
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
    output:
        EXPLAINED,
    log:
        f"{STUDY}/logs/explain.log",
    benchmark:
        f"{STUDY}/benchmarks/explain.tsv"
    conda:
        "../../environment.yml"
    params:
        store=STORE,
        folder=subpath(input.runs, parent=True),
    message:
        "Explaining the results"
    shell:
        "python -m study explain {input.design:q} --runs {input.runs:q} --store {params.store:q} "
        "--out {params.folder:q} 2> {log:q}"
