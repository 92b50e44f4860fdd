# One job a trajectory and block of seeds. Every run's record goes into the store the moment the run ends; the manifest
# that Snakemake sees is written last. So a killed job loses the run under way, and a job that runs again for any reason
# finds its records and trains nothing. The manifest's name holds a key of all that decides the job's runs.
wildcard_constraints:
    block=r"\d+-\d+",
    key="[0-9a-f]{8}",


rule train:
    input:
        data=DATA,
        design=ancient(f"{STUDY}/design.json"),
    output:
        manifest=f"{STUDY}/train/{{trajectory}}/seeds~{{block}}.{{key}}.json",
    log:
        f"{STUDY}/logs/train/{{trajectory}}/seeds~{{block}}.{{key}}.log",
    benchmark:
        f"{STUDY}/benchmarks/train/{{trajectory}}/seeds~{{block}}.{{key}}.tsv"
    priority: lambda wildcards: JOBS[wildcards.trajectory, wildcards.block].priority
    conda:
        "../../environment.yml"
    # A run has one thread; runs that share a GPU are trained at once.
    threads: max(1, config["execution"]["runs_per_gpu"])
    resources:
        gpu=min(1, config["execution"]["runs_per_gpu"]),
        mem_mb=lambda wildcards, attempt, threads: 2000 * attempt * threads,
        runtime=lambda wildcards, attempt: attempt
        * job_size.minutes_allowed(config["execution"], JOBS[wildcards.trajectory, wildcards.block].seeds),
    params:
        store=STORE,
    message:
        "Training {wildcards.trajectory}, seeds {wildcards.block}"
    shell:
        "python -m study train {input.design:q} --trajectory {wildcards.trajectory:q} --seeds {wildcards.block} "
        "--processes {threads} --store {params.store:q} --manifest {output.manifest:q} --log {log:q}"


rule collect:
    input:
        design=f"{STUDY}/design.json",
        decision=last_decision,
        manifests=lambda wildcards: manifests(adaptive.last_look(config, decided) if factorial.looks(config) else None),
    output:
        runs=f"{STUDY}/runs.parquet",
        table=report(
            f"{STUDY}/runs.csv",
            caption="../../report/runs.rst",
            category="Tables",
            labels={"table": "runs"},
        ),
        curves=f"{STUDY}/curves.parquet",
        provenance=f"{STUDY}/provenance.json",
    log:
        f"{STUDY}/logs/collect.log",
    benchmark:
        f"{STUDY}/benchmarks/collect.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        folder=subpath(output.runs, parent=True),
        store=STORE,
        decision=lambda wildcards, input: [f"--decision={input.decision}"] if factorial.looks(config) else [],
    message:
        "Collecting the records"
    shell:
        "python -m study collect {input.design:q} --store {params.store:q} {params.decision:q} --out {params.folder:q} "
        "2> {log:q}"
