# One page from the results.
localrules:
    report,


rule report:
    input:
        f"{STUDY}/design.json",
        f"{STUDY}/runs.parquet",
        f"{STUDY}/curves.parquet",
        f"{STUDY}/provenance.json",
        f"{STUDY}/analysis",
        f"{STUDY}/mechanism.json",
    output:
        page=f"{STUDY}/report.html",
    log:
        f"{STUDY}/logs/report.log",
    benchmark:
        f"{STUDY}/benchmarks/report.tsv"
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output.page, parent=True),
    message:
        "Writing the report"
    shell:
        "python -m study report {params.folder:q} --out {output.page:q} > {log:q} 2>&1"
