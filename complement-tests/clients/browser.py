"""A page in a browser that logs in, syncs, sends and shows messages by matrix-js-sdk."""
import asyncio
import html
import json
import os
import shutil
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode

from nio_features import PASSWORD, Missing, User, expect, room_of
from players import HERE, PATIENCE, PROCESSES

# Packages that matrix-js-sdk imports: those that a browser loads as they are, and where; and the others.
MODULES = {
    "@babel/runtime/helpers/": "/modules/@babel/runtime/helpers/esm/",
    "@matrix-org/matrix-sdk-crypto-wasm": "/modules/@matrix-org/matrix-sdk-crypto-wasm/index.mjs",
    "base-x": "/modules/base-x/src/esm/index.js",
    "bs58": "/modules/bs58/src/esm/index.js",
    "content-type": "/modules/content-type/dist/index.js",
    "is-network-error": "/modules/is-network-error/index.js",
    "p-retry": "/modules/p-retry/index.js",
}
OTHERS = [
    "another-json", "events", "loglevel", "matrix-events-sdk", "matrix-widget-api", "sdp-transform", "unhomoglyph",
]


def browser():
    """The program, without Debian's wrapper where there is one."""
    names = ["/usr/lib/chromium/chromium", "chromium", "chromium-browser", "google-chrome"]
    return next(filter(None, map(shutil.which, names)), None)


class Site:
    """Serves the page and the modules, on a free port of this machine."""

    def __init__(self, modules, bundle):
        self.done = threading.Event()
        page = (HERE / "browser.html").read_text()
        page = page.replace("IMPORT_MAP", json.dumps({"imports": MODULES | bundle["imports"]}))
        site = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self, content, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_POST(self):
                site.done.set()
                self.answer(b"", "text/plain")

            def do_GET(self):
                path = self.path.split("?")[0]
                if path == "/":
                    self.answer(page.encode(), "text/html")
                elif path == "/until-done":
                    site.done.wait(PATIENCE)
                    self.answer(b"", "image/gif")
                elif path in bundle["files"]:
                    self.answer(bundle["files"][path].encode(), "text/javascript")
                else:
                    file = modules / path.removeprefix("/modules/")
                    file = file if file.is_file() else file.with_name(file.name + ".js")
                    if path.startswith("/modules/") and file.is_file():
                        self.answer(file.read_bytes(), "text/javascript")
                    else:
                        self.send_error(404)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/"


async def output_of(*command, **options):
    """What a program prints."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, **options)
    PROCESSES.append(process)
    printed, _ = await process.communicate()
    return printed.decode()


async def a_page_logs_in_syncs_sends_and_shows(server, clients):
    alice, bob = await User.register(server, "alice"), await User.register(server, "bob")
    room = await room_of(alice, bob)
    awaited, text = "hello from elsewhere", "hello from a browser"
    await bob.say(room, awaited)
    env = os.environ | {"MODULES": str(clients)}
    bundle = json.loads(await output_of(clients / "bin" / "node", HERE / "browser-modules.mjs", *OTHERS, env=env))
    site = Site(clients / "node_modules", bundle)
    asked = {"server": server.url, "user": alice.id, "password": PASSWORD, "room": room, "text": text, "awaited": awaited}
    with tempfile.TemporaryDirectory(prefix="heliograph-browser-") as profile:
        options = ["--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            "--disable-component-update", "--disable-default-apps", f"--user-data-dir={profile}", "--dump-dom"]
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        shown = await output_of(browser(), *options, site.url + "?" + urlencode(asked),
            stderr=asyncio.subprocess.DEVNULL, env=env | {"HOME": profile})
    site.http.shutdown()
    shown = html.unescape(shown)
    expect('<h1 id="state">done</h1>' in shown, f"a page that came to its end: {shown[-2000:]}")
    for user, body in ((bob.id, awaited), (alice.id, text)):
        expect(f"<li>{user}: {body}</li>" in shown, f"a message on the page: {body}")
    page = await bob.client.room_messages(room, limit=1)
    expect(page.chunk[0].body == text, "what the page sent, as another client has it")


async def run(server, clients, only=""):
    """Runs the test; gives how many passed and failed."""
    name = a_page_logs_in_syncs_sends_and_shows.__name__
    if only not in name:
        return 0, 0
    try:
        if browser() is None:
            raise Missing("a browser: install chromium")
        await a_page_logs_in_syncs_sends_and_shows(server, clients)
    except Exception as error:
        print(f"test browser {name} ... FAILED\n{type(error).__name__}: {error}", flush=True)
        return 0, 1
    finally:
        await User.stop_all()
    print(f"test browser {name} ... ok", flush=True)
    return 1, 0
