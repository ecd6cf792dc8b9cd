"""Every way in which a night is started, each run up to the flakesync that it would run."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.nightly import recipes
from tests.nightly.fake import Fake, Ran

TOKEN = "token-0123456789abcdef"


@dataclass(frozen=True)
class Way:
    """start: its shell part, as its runner runs it. page: whether it makes the page. at: hour and minute; None: any."""

    start: Callable[[Fake], Ran]
    page: bool
    at: str | None


def workflow(fake: Fake, path: Path) -> Ran:
    """Run the step of a GitHub workflow that is the night."""
    (step,) = [step for step in recipes.github_steps(path) if "flakesync-nightly" in step.script]
    env = {name: recipes.fill_in(text, {"secrets.FLAKESYNC_TOKEN": TOKEN}) for name, text in step.env.items()}
    more = {"GITHUB_REPOSITORY": "acme/workspace", "GITHUB_REPOSITORY_OWNER": "acme"}
    return fake.bash(step.script, GITHUB_STEP_SUMMARY=str(fake.root / "summary"), **more, **env)


def action(fake: Fake, step: str = "Run flakesync", **given: str) -> Ran:
    """Run a step of the action. given: inputs, by default those of the action without a version."""
    inputs = {name: each["default"] for name, each in recipes.load(recipes.ACTION)["inputs"].items()}
    known = {f"inputs.{name}": value for name, value in (inputs | {"version": ""} | given).items()}
    (found,) = [each for each in recipes.action_steps() if each.name == step]
    env = {name: recipes.fill_in(text, known) for name, text in found.env.items()}
    files = {f"GITHUB_{name}": str(fake.root / name.lower()) for name in ("STEP_SUMMARY", "OUTPUT", "PATH", "ENV")}
    places = {"RUNNER_TEMP": str(fake.root / "temp"), "GITHUB_ACTION_PATH": str(recipes.TOP)}
    return fake.bash(found.script, **files, **places, **env)


def pipeline(fake: Fake, path: Path, **given: object) -> Ran:
    """Run the script of a GitLab job. given: inputs of a component."""
    document = recipes.component_body(path, **given) if path in recipes.COMPONENTS else recipes.load(path)
    job = next(value for value in document.values() if isinstance(value, dict))
    known = {"CI_PROJECT_DIR": str(fake.folder), "CI_PAGES_URL": "https://acme.pages.example/workspace"}
    return fake.bash("\n".join(job["script"]) + "\n", GITLAB_TOKEN=TOKEN, **known, **recipes.variables(job, known))


def service(fake: Fake) -> Ran:
    """Run the command of the systemd unit."""
    program, *arguments = recipes.service_command("ExecStart")
    return fake.run([Path(program).name, *arguments])


def cronjob(fake: Fake) -> Ran:
    """Run the container of the CronJob: its volumes are folders of this place."""
    (container,) = recipes.cronjob_pod()["containers"]
    places = {"/etc/flakesync": fake.folder, "/srv/report": fake.root / "report", "/home/flakesync": fake.folder}
    argv = [*container["command"], *container["args"]]
    for mount, folder in places.items():
        argv = [each.replace(mount, str(folder)) for each in argv]
    return fake.run(argv, GITHUB_TOKEN=TOKEN)


def _cron(text: str) -> str:
    """Return hour and minute of the one daily cron expression in a text."""
    ((minute, hour),) = set(re.findall(r"(\d+) (\d+) \* \* \*", text))
    return f"{int(hour):02}:{int(minute):02}"


def _calendar() -> str:
    ((_, when),) = [pair for pair in recipes.unit_settings(recipes.TIMER, "Timer") if pair[0] == "OnCalendar"]
    return when.split()[1][:5]


def _of(run: Callable[..., Ran], *arguments: object, **more: object) -> Callable[[Fake], Ran]:
    return lambda fake: run(fake, *arguments, **more)


def ways() -> Mapping[str, Way]:
    """Return all of them, by name."""
    found = {
        "action": Way(_of(action), page=False, at=None),
        "action, with a page": Way(_of(action, report="page"), page=True, at=None),
        "component": Way(_of(pipeline, recipes.COMPONENT), page=True, at=None),
        "unit": Way(service, page=False, at=_calendar()),
        "CronJob": Way(cronjob, page=True, at=_cron(recipes.CRONJOB.read_text())),
    }
    for path in (recipes.GITHUB, recipes.GITHUB_PAGES):
        found[path.stem] = Way(_of(workflow, path), path is recipes.GITHUB_PAGES, _cron(path.read_text()))
    for path in (recipes.GITLAB, recipes.GITLAB_PAGES):
        found[path.stem] = Way(_of(pipeline, path), path is recipes.GITLAB_PAGES, _cron(path.read_text()))
    return found
