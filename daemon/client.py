"""Asks a running daemon for its status."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from rnnd.daemon.files import why
from rnnd.errors import RnndError, UsageError

URL = "http://127.0.0.1:7663"
LIMIT = 64 << 20  # bytes of an answer
PATIENCE = 10.0  # s


def fetch_status(url: str) -> dict[str, Any]:
    """Return what the daemon at *url* says of itself; raises `RnndError`."""
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--url: {url!r} is not an address such as {URL}")
    try:
        where = f"{url.rstrip('/')}/api/v1/status"
        with urllib.request.urlopen(where, timeout=PATIENCE) as answer:  # noqa: S310 checked above
            status = json.loads(answer.read(LIMIT))
    except urllib.error.HTTPError as error:
        raise RnndError(f"{url} answers {error.code}: no rnnd is there") from error
    except urllib.error.URLError as error:
        reason = why(error.reason) if isinstance(error.reason, OSError) else error.reason
        raise RnndError(f"{url} does not answer ({reason}); is rnnd running? see --url") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RnndError(f"{url} does not answer as rnnd does ({error})") from error
    if not isinstance(status, dict) or not isinstance(status.get("apps"), list):
        raise RnndError(f"{url} does not answer as rnnd does")
    return status
