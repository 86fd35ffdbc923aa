"""Writes the dashboards beside this module: ``python -m rnnd.config.grafana``."""

from pathlib import Path

from rnnd.config.grafana.dashboard import to_json
from rnnd.config.grafana.dashboards import DASHBOARDS

if __name__ == "__main__":
    for name, build in DASHBOARDS.items():
        path = Path(__file__).parent / f"{name}.json"
        path.write_text(to_json(build()), encoding="utf-8")
