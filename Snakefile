# The front door: which study, which steps, which targets. The steps are in workflow/rules, one phase a file.
import json
import os
import sys
import time
from pathlib import Path

from snakemake.utils import min_version

min_version("9.19")

# Of this file, also where another Snakefile includes it.
PROJECT = os.fspath(workflow.current_basedir)
sys.path.insert(0, PROJECT)
from study import trainers
from study.analysis import adaptive
from study.config import resolve as configuration
from study.design import factorial, job_size, plan
from study.errors import StudyError
from study.store.record import Store
from study.trainers.resume import with_seconds_per_run

# The study of this folder, unless the configuration that was given brings a trainer and so a study of its own.
if not config.get("trainer"):

    configfile: f"{PROJECT}/config.yaml"


STORE = "results/runs"

try:
    config = configuration.resolve(config)
    STUDY = f"results/{config['study']['name']}"
    TRAINER = trainers.choose(config)
    config = with_seconds_per_run(config, TRAINER, Path(STUDY), Store(STORE))
    DATA = [str(path) for path in TRAINER.files()]
    FINGERPRINT = TRAINER.fingerprint()
except StudyError as error:
    sys.exit(f"study: error: {error}")

# The results that only this trainer has.
EXPLAINED = [f"{STUDY}/{name}" for name in TRAINER.result_files]
JOBS = {(job.trajectory, job.block): job for job in factorial.jobs(config, TRAINER.shared_levels())}

# Rules call `python -m study` from wherever Snakemake works, with Snakemake's own Python, whether or not its environment
# is activated; progress counts from the start of this call, and the cost in cores of this machine.
for name, first in (("PYTHONPATH", PROJECT), ("PATH", os.path.dirname(sys.executable))):
    os.environ[name] = os.pathsep.join(filter(None, [first, os.getenv(name)]))
os.environ.setdefault("STUDY_STARTED", str(time.time()))
local = workflow.resource_settings.nodes is None
os.environ.setdefault("STUDY_CORES", str(workflow.resource_settings.cores or "") if local else "")


report: "report/workflow.rst"


include: "workflow/rules/design.smk"
include: "workflow/rules/adaptive.smk"
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
