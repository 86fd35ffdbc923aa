"""The three dashboards by name: the fleet, one app, rnnd's own operation."""

from collections.abc import Callable

from rnnd.config.grafana.app import app
from rnnd.config.grafana.fleet import fleet
from rnnd.config.grafana.operation import operation
from rnnd.config.grafana.panels import Json

DASHBOARDS: dict[str, Callable[[], Json]] = {
    "fleet": fleet,
    "app": app,
    "operation": operation,
}
