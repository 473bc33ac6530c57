"""The server that the programs in this folder start, and how they tell what they found."""
import asyncio
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How long a client may take to see something, seconds.
PATIENCE = 60
STARTED = time.monotonic()
PROCESSES = []

CONFIG = """
[server]
name = "{name}"
listeners = [{{ address = "127.0.0.1:{port}" }}]
[storage]
path = "{folder}/data"
[registration]
enabled = true
open_to_everyone = true
guests = true
[rate_limits]
enabled = false
[limits]
password_memory = "8 KiB"
"""


def tell(text):
    print(f"{time.monotonic() - STARTED:6.2f} s  {text}", flush=True)


class Server:
    """The server on a folder and, from its second start on, a port of its own."""

    def __init__(self, binary, folder, name):
        self.binary, self.folder, self.name, self.port = binary, Path(folder), name, 0

    async def start(self):
        config, addresses = self.folder / "heliograph.toml", self.folder / "addresses"
        config.write_text(CONFIG.format(port=self.port, folder=self.folder, name=self.name))
        addresses.unlink(missing_ok=True)
        self.log = open(self.folder / "log", "ab")
        self.process = await asyncio.create_subprocess_exec(
            self.binary, "serve", "--config", str(config), "--address-file", str(addresses),
            stderr=self.log,
        )
        PROCESSES.append(self.process)
        while not addresses.exists():
            if self.process.returncode is not None:
                sys.exit((self.folder / "log").read_text(errors="replace"))
            await asyncio.sleep(0)
        self.url = addresses.read_text().splitlines()[0]
        self.port = int(self.url.rsplit(":", 1)[1])

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if await self.process.wait() != 0:
            sys.exit("the server did not stop cleanly")


def kill_all():
    """Ends whatever was started and did not end."""
    for process in PROCESSES:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
