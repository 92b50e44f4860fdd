# The entry point: run `snakemake` in this folder. The rules are in workflow/.
include: "workflow/Snakefile"


# Snakemake takes its default target from this file, not from an included one.
rule study:
    input:
        rules.all.input,
