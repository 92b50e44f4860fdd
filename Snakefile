# The front door: `snakemake` works from this folder. All that it does is in workflow/.
include: "workflow/Snakefile"


# Snakemake takes its default target from this file, not from one that is included.
rule study:
    input:
        rules.all.input,
