"""OpenSSH: ssh -R to an sshd of our own."""

from __future__ import annotations

import atexit
import os
import pwd
import subprocess
from pathlib import Path

from benchmarks.contenders.base import Contender, Running, Watch
from benchmarks.errors import Trouble
from benchmarks.site import Site
from benchmarks.tools import find
from benchmarks.visitors import Door

_SSHD = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
AllowTcpForwarding yes
LogLevel ERROR
"""
_SEPARATION = Path("/run/sshd")


class Ssh(Contender):
    """One connection, one remote forwarding per backend, everything as OpenSSH has it by default."""

    key = "ssh"
    label = "ssh -R"
    far = True

    def start(self, site: Site) -> Running:
        """Keys, sshd, ssh."""
        folder, gateway = site.folder, site.place.gateway
        for name in ("host", "user"):
            command = [find("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            if subprocess.run(command, check=False).returncode:
                raise Trouble("ssh-keygen failed")
        _makeSeparation()
        port = gateway.freePort()
        config = folder / "sshd_config"
        config.write_text(_SSHD.format(port=port, address=gateway.address, folder=folder))
        watch = Watch()
        sshd = site.start("gateway", "sshd", [find("sshd"), "-D", "-e", "-f", str(config)])
        site.awaitPort(sshd, port, site.place.agent, gateway.address)
        gatewayReady = watch.seconds()
        doors = {name: Door(gateway.freePort()) for name in site.backends if name in self.doors}
        command = [find("ssh"), "-F", "none", "-N", "-T", "-p", str(port), "-i", str(folder / "user")]
        for option in (
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "IdentitiesOnly=yes",
            "ExitOnForwardFailure=yes",
            "BatchMode=yes",
            "LogLevel=ERROR",
        ):
            command += ["-o", option]
        for name, door in doors.items():
            command += ["-R", f"127.0.0.1:{door.port}:127.0.0.1:{site.backends[name]}"]
        user = pwd.getpwuid(os.geteuid()).pw_name
        watch = Watch()
        ssh = site.start("agent", "ssh", [*command, f"{user}@{gateway.address}"])
        site.awaitEcho(ssh, doors["load"].port)
        return Running(self, site, doors, gatewayReady, watch.seconds())


def _makeSeparation() -> None:
    """The folder that root's sshd does not start without; ours goes when the run ends."""
    if os.geteuid() == 0 and not _SEPARATION.exists():
        _SEPARATION.mkdir()
        atexit.register(_removeSeparation)


def _removeSeparation() -> None:
    try:
        _SEPARATION.rmdir()
    except OSError:
        pass  # somebody else has found a use for it
