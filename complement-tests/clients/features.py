#!/usr/bin/env python3
"""The features of this server as clients that others wrote see them, one test after the other.

Each test makes users of its own and demands what the client library says: matrix-js-sdk (js-*.mjs) and
matrix-nio (nio_features.py), and a page in Chromium (browser.py). Nothing sleeps: each step waits for what a client sees, a minute at most.
ONLY=words runs the tests with these words in their names.

usage: features.py SERVER_BINARY CLIENTS_FOLDER
"""
import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

import browser
import nio_features
from players import HERE, PROCESSES, Server, kill_all


async def js_features(server, clients):
    """Runs the tests of matrix-js-sdk; gives how many passed and failed."""
    process = await asyncio.create_subprocess_exec(
        str(clients / "bin" / "node"), str(HERE / "js-features.mjs"), server.url,
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"MODULES": str(clients)},
    )
    PROCESSES.append(process)
    result = None
    async for line in process.stdout:
        text = line.decode().rstrip()
        result = re.match(r"test result: \w+\. (\d+) passed; (\d+) failed", text)
        if not result:
            print(text, flush=True)
    await process.wait()
    # Without a last line it ended before its time.
    return (int(result[1]), int(result[2])) if result else (0, 1)


async def play(binary, clients, folder):
    server = Server(binary, folder, "features.localhost")
    await server.start()
    only = os.environ.get("ONLY", "")
    results = [
        await js_features(server, clients),
        await nio_features.run(server, only),
        await browser.run(server, clients, only),
    ]
    await server.stop()
    passed, failed = (sum(numbers) for numbers in zip(*results))
    print(f"test result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed")
    return failed


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="heliograph-features-") as folder:
        try:
            failures = asyncio.run(play(sys.argv[1], Path(sys.argv[2]), folder))
        finally:
            kill_all()
    sys.exit(1 if failures else 0)
