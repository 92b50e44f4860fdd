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
        EXPLAINED,
    output:
        page=report(
            f"{STUDY}/report.html",
            caption="../../report/page.rst",
            category="Verdict",
            labels={"result": "the report, one page"},
        ),
        figures=report(
            directory(f"{STUDY}/figures"),
            patterns=["{figure}.svg"],
            caption="../../report/figures.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
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
        "python -m study report {params.folder:q} --out {output.page:q} --figures {output.figures:q} > {log:q} 2>&1"
