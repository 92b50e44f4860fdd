# The front door: which study, which steps, which targets. The steps are in workflow/rules, one phase a file.
import json
import os
import sys
import time
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")

sys.path.insert(0, workflow.basedir)
from study import config as configuration, design, growth, plan
from study.errors import StudyError
from study.training.data import fingerprint, source_files


configfile: f"{workflow.basedir}/config.yaml"


STORE = "results/runs"

try:
    config = configuration.resolve(config)
    STUDY = f"results/{config['study']['name']}"
    config = plan.settle(config, Path(STUDY), Path(STORE))
    DATA = [str(path) for path in source_files(config["data"]["source"])]
    FINGERPRINT = fingerprint(config["data"]["source"])
except StudyError as error:
    sys.exit(f"study: error: {error}")

JOBS = {(job.trajectory, job.block): job for job in design.jobs(config)}

# Rules call `python -m study` from wherever Snakemake works, with Snakemake's own Python, whether or not its environment
# is activated; progress counts from the start of this call, and the cost in cores of this machine.
for name, first in (("PYTHONPATH", workflow.basedir), ("PATH", os.path.dirname(sys.executable))):
    os.environ[name] = os.pathsep.join(filter(None, [first, os.getenv(name)]))
os.environ.setdefault("STUDY_STARTED", str(time.time()))
local = workflow.resource_settings.nodes is None
os.environ.setdefault("STUDY_CORES", str(workflow.resource_settings.cores or "") if local else "")


report: "report/workflow.rst"


include: "workflow/rules/design.smk"
include: "workflow/rules/grow.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/analyze.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/interim.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        f"{STUDY}/report.html",
