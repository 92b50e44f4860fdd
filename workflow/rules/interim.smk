# The report of the runs so far, at any time. It reads the images and the store of the records and has no output that
# Snakemake knows of, so it can be asked while another Snakemake trains, and is made again whenever it is asked.
localrules:
    interim,


rule interim:
    input:
        data=DATA,
    log:
        f"{STUDY}/logs/interim.log",
    conda:
        "../../environment.yml"
    params:
        config=lambda wildcards: json.dumps(config),
        store=STORE,
        folder=f"{STUDY}/interim",
    message:
        "Reporting the runs so far"
    shell:
        "python -m study interim {params.config:q} --store {params.store:q} --out {params.folder:q} 2> {log:q}"
