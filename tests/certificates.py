"""Certificates for tests, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from rnnd.config.schema import TlsSettings


@dataclass(frozen=True)
class Certificate:
    """A certificate for localhost that signs itself, and its key."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> TlsSettings:
        return TlsSettings(certificate=str(self.certificate), key=str(self.key))


def make_certificate(folder: Path, name: str = "tls", *options: str) -> Certificate:
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    subject = ("-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    subprocess.run(
        ["openssl", "req", "-x509", *curve, *(options or ("-nodes",)), *subject, "-days", "2",
         "-out", made.certificate, "-keyout", made.key],
        check=True, capture_output=True,
    )  # fmt: skip
    made.key.chmod(0o600)
    return made
