# From the configuration to the table of planned runs.
localrules:
    design,


rule design:
    input:
        data=DATA,
    output:
        design=f"{STUDY}/design.json",
        table=f"{STUDY}/design.csv",
    log:
        f"{STUDY}/logs/design.log",
    benchmark:
        f"{STUDY}/benchmarks/design.tsv"
    conda:
        "../../environment.yml"
    params:
        # A function, as Snakemake would take the braces of a text for wildcards.
        config=lambda wildcards: json.dumps(config),
        trainer=FINGERPRINT,
        layout=plan.SCHEMA,
        folder=subpath(output.design, parent=True),
    message:
        "Planning the runs of {params.folder}"
    shell:
        "python -m study design {params.config:q} --out {params.folder:q} 2> {log:q}"
