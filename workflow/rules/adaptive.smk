# A sequential study: after each look, which contrasts get more seeds. A fixed design has no look.
#
# A checkpoint, so that the one command that a user types does it all, with the flags they gave, here and on a cluster; a
# command that edits the configuration would have to call Snakemake, or be called by hand between its calls. Each look
# builds the graph again, which takes seconds for the hundreds of jobs of a study. A decision depends on records alone,
# so that nothing is lost with the graph.
localrules:
    decide,


wildcard_constraints:
    look=r"\d+",


def decided(look):
    return adaptive.read(checkpoints.decide.get(look=look).output.decision)


def last_decision(wildcards):
    if not factorial.looks(config):
        return []
    return checkpoints.decide.get(look=adaptive.last_look(config, decided)).output.decision


def manifests(look):
    jobs = JOBS.values() if look is None else adaptive.jobs(config, JOBS.values(), look, decided)
    return [f"{STUDY}/train/{job.trajectory}/seeds~{job.block}.{job.key(FINGERPRINT)}.json" for job in jobs]


checkpoint decide:
    input:
        design=f"{STUDY}/design.json",
        manifests=lambda wildcards: manifests(int(wildcards.look)),
    output:
        decision=f"{STUDY}/interim_looks/seeds~{{look}}.json",
    log:
        f"{STUDY}/logs/interim_looks/seeds~{{look}}.log",
    benchmark:
        f"{STUDY}/benchmarks/interim_looks/seeds~{{look}}.tsv"
    conda:
        "../../environment.yml"
    params:
        store=STORE,
    message:
        "Looking at {wildcards.look} seeds"
    shell:
        "python -m study decide {input.design:q} --seeds {wildcards.look} --store {params.store:q} "
        "--out {output.decision:q} 2> {log:q}"
