"""`rnnd monitoring`: the rules, samples and dashboards that rnnd carries, shown or installed."""

import argparse
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from rnnd.daemon.files import why, write_atomically
from rnnd.errors import RnndError, UsageError

SHIPPED = {
    "rules": "prometheus/rules.yaml",
    "scrape": "prometheus/scrape.yaml",
    "scrape-tls": "prometheus/scrape-tls.yaml",
    "runbooks": "prometheus/runbooks.html",
    "fleet": "grafana/fleet.json",
    "app": "grafana/app.json",
    "operation": "grafana/operation.json",
}
DASHBOARDS = ("fleet", "app", "operation")
RUNBOOKS = "{{ $externalURL }}/consoles/rnnd.html"  # what the links of the rules begin with
RUNBOOKS_HELP = (
    "where the runbooks are, instead of the Prometheus that the rules run in; alerts link there"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `rnnd monitoring` takes."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    show = actions.add_parser("show", help="print a file", description="Print one of the files.")
    show.add_argument("file", metavar="FILE", choices=SHIPPED, help=", ".join(SHIPPED))
    install = actions.add_parser(
        "install",
        help="write the rules with their runbooks, or the dashboards, where they are read",
        description="Write the rules with their runbooks for Prometheus, dashboards for Grafana.",
    )
    install.add_argument(
        "--prometheus",
        metavar="DIR",
        help="Prometheus' directory (/etc/prometheus, unless --grafana alone is given)",
    )
    install.add_argument("--grafana", metavar="DIR", help="a directory of provisioned dashboards")
    for action in (show, install):
        action.add_argument("--runbooks", metavar="URL", default=RUNBOOKS, help=RUNBOOKS_HELP)


def run(arguments: argparse.Namespace) -> int:
    """Show or install."""
    if arguments.action == "show":
        print(shipped(arguments.file, arguments.runbooks), end="")
        return 0
    targets = list(_targets(arguments.prometheus, arguments.grafana))
    for path, name in targets:
        _write(path, shipped(name, arguments.runbooks))
    for path, name in targets:
        if name == "rules":
            print(
                f"now add to {path.parent.parent / 'prometheus.yml'}, and reload Prometheus:\n\n"
                f"rule_files:\n  - {path}\n\n{_jobs()}"
            )
    return 0


def _targets(prometheus: str | None, grafana: str | None) -> Iterator[tuple[Path, str]]:
    if prometheus is not None or grafana is None:
        base = _directory("--prometheus", prometheus or "/etc/prometheus")
        yield base / "rnnd" / "rules.yaml", "rules"
        yield base / "consoles" / "rnnd.html", "runbooks"
    if grafana is not None:
        base = _directory("--grafana", grafana)
        yield from ((base / f"rnnd-{name}.json", name) for name in DASHBOARDS)


def _directory(option: str, text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise UsageError(f"{option}: {text}: no such directory")
    return path.absolute()


def shipped(name: str, runbooks: str = RUNBOOKS) -> str:
    """Return a file that rnnd carries, the links of alerts leading to *runbooks*."""
    text = files("rnnd.config").joinpath(SHIPPED[name]).read_text(encoding="utf-8")
    return text.replace(RUNBOOKS, runbooks) if name == "rules" else text


def _jobs() -> str:
    """Return the job of the sample configuration."""
    text = shipped("scrape")
    return text[text.index("scrape_configs:") :]


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, text.encode())
        path.chmod(0o644)
    except OSError as error:
        raise RnndError(f"{path}: could not be written ({why(error)})") from error
    print(f"wrote {path}")
