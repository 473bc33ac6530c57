#!/usr/bin/env python3
"""What the server does for ordinary clients, played through.

Two matrix-js-sdk clients and one matrix-nio client register, make a room, talk, redact, change
state and send receipts; the server is restarted in the middle; a second device then finds the same.
Prints what happened and ends with 1 when something is missing. Nothing here sleeps: each step waits
for what the clients see, for a minute at most.

usage: demo.py SERVER_BINARY CLIENTS_FOLDER
"""
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path

from nio import AsyncClient, AsyncClientConfig, SyncResponse

from players import HERE, PATIENCE, PROCESSES, Server, kill_all, tell

MESSAGES = 200


class Js:
    """A matrix-js-sdk client in a process of its own."""

    def __init__(self, name):
        self.name = name

    async def start(self, url, clients):
        env = os.environ | {"MODULES": str(clients)}
        self.process = await asyncio.create_subprocess_exec(
            str(clients / "bin" / "node"), str(HERE / "js-client.mjs"), url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, env=env, limit=16 << 20,
        )
        PROCESSES.append(self.process)
        return self

    async def do(self, command, **args):
        self.process.stdin.write((json.dumps({"command": command, **args}) + "\n").encode())
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            if not line:
                sys.exit(f"the client of {self.name} ended")
            if line.startswith((b'{"ok"', b'{"error"')):
                answer = json.loads(line)
                break
        if "error" in answer:
            sys.exit(f"{self.name} could not {command}: {answer['error']}")
        if command == "stop":
            await self.process.wait()
        return answer["ok"]


class Nio:
    """A matrix-nio client that syncs in the background and notes what it sees."""

    def __init__(self, url, name):
        config = AsyncClientConfig(max_timeouts=0, request_timeout=30)
        self.client = AsyncClient(url, f"@{name}:demo.localhost", config=config)
        self.name, self.events, self.redacted, self.news = name, [], set(), asyncio.Event()

    async def start(self, password):
        answer = await self.client.register(self.name, password)
        assert self.client.access_token, answer
        self.client.add_response_callback(self.synced, SyncResponse)
        self.follow()

    def follow(self):
        """Syncs from where it was. matrix-nio gives up when the server is gone."""
        self.task = asyncio.create_task(self.client.sync_forever(timeout=10000))

    async def synced(self, response):
        for room in response.rooms.join.values():
            for event in room.timeline.events:
                self.events.append(event.event_id)
                if event.source["type"] == "m.room.redaction":
                    self.redacted.add(event.source["redacts"])
        self.news.set()

    async def until(self, holds):
        async def wait():
            while not holds():
                self.news.clear()
                await self.news.wait()
        await asyncio.wait_for(wait(), PATIENCE)

    async def say(self, room, text):
        content = {"msgtype": "m.text", "body": text}
        return (await self.client.room_send(room, "m.room.message", content)).event_id

    async def stop(self):
        self.task.cancel()
        await self.client.close()


def expect(holds, text):
    if not holds:
        sys.exit(f"MISSING: {text}")
    tell(f"ok: {text}")


async def talk(room, speakers, first, last):
    sent = []
    for n in range(first, last):
        speaker = speakers[n % len(speakers)]
        if isinstance(speaker, Nio):
            sent.append(await speaker.say(room, f"message {n}"))
        else:
            sent.append((await speaker.do("say", room=room, text=f"message {n}"))["event"])
    return sent


async def play(binary, clients, folder):
    server = Server(binary, folder, "demo.localhost")
    await server.start()
    tell(f"the server answers on {server.url}")
    alice = await Js("alice").start(server.url, clients)
    bob = await Js("bob").start(server.url, clients)
    carol = Nio(server.url, "carol")
    for user in (alice, bob):
        await user.do("register", name=user.name, password="correct horse")
    await carol.start("correct horse")
    tell("alice and bob (matrix-js-sdk) and carol (matrix-nio) have registered")

    others = ["@bob:demo.localhost", "@carol:demo.localhost"]
    room = (await alice.do("create", name="Demo", invite=others))["room"]
    await bob.do("join", room=room)
    await carol.until(lambda: room in carol.client.invited_rooms)
    await carol.client.join(room)
    await carol.until(lambda: room in carol.client.rooms)
    tell(f"alice made {room}, bob and carol were invited and have joined")

    speakers = [alice, bob, carol]
    sent = await talk(room, speakers, 0, MESSAGES // 2)
    topic = await alice.do("topic", room=room, text="before the restart")
    await bob.do("redact", room=room, event=sent[1])
    for client in (alice, bob):
        await client.do("saw", room=room, event=topic["event"])
    await carol.until(lambda: sent[1] in carol.redacted)
    expect(True, f"{len(sent)} messages, a redaction and a topic have reached everybody")

    await server.stop()
    await server.start()
    carol.task.cancel()
    carol.follow()
    tell("the server was restarted")
    # matrix-js-sdk does not see a gap that has messages of its own in it: wait until it is back.
    sent += await talk(room, [carol], MESSAGES // 2, MESSAGES // 2 + 1)
    for client in (alice, bob):
        await client.do("saw", room=room, event=sent[-1])
    tell("alice and bob are back")
    sent += await talk(room, speakers, MESSAGES // 2 + 1, MESSAGES)
    await alice.do("redact", room=room, event=sent[-3])
    topic = await alice.do("topic", room=room, text="after the restart")
    await bob.do("read", room=room, event=topic["event"])
    await alice.do("receipt", room=room, event=topic["event"], user="@bob:demo.localhost")
    expect(True, "bob's read receipt has reached alice")
    await carol.until(lambda: topic["event"] in carol.events)
    await compare(server, clients, room, (alice, bob, carol), sent)
    for client in (alice, bob):
        await client.do("stop")
    await carol.stop()
    await server.stop()
    tell("the server has stopped cleanly")


async def compare(server, clients, room, users, sent):
    """Logs alice in on a second device and compares what all clients have."""
    alice, bob, carol = users
    second = await Js("alice's second device").start(server.url, clients)
    await second.do("login", name="alice", password="correct horse")
    rooms = [await client.do("room", room=room) for client in (second, alice, bob)]
    ids = [event["id"] for event in rooms[0]["events"]]
    expect([e for e in ids if e in sent] == sent, f"a second device finds all {len(sent)} messages")
    expect(len(ids) == len(set(ids)), "no event twice")
    gone = {event["id"] for event in rooms[0]["events"] if event["redacted"]}
    expect({sent[1], sent[-3]} <= gone, "both redacted messages are empty there")
    expect(rooms[0]["topic"] == "after the restart", "it has the newest topic")
    expect(rooms[0]["joined"] == 3, "it knows three members")
    for name, other in (("alice", rooms[1]), ("bob", rooms[2])):
        theirs = [event["id"] for event in other["events"]]
        # Not in the same order: the SDK shows what it sends at once, before it is told of others.
        expect(sorted(theirs) == sorted(ids), f"{name} has the same {len(theirs)} events")
    seen = [event for event in carol.events if event in sent]
    expect(seen == sent, "carol was told every message once and in that order")
    await second.do("stop")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="heliograph-demo-") as folder:
        try:
            asyncio.run(play(sys.argv[1], Path(sys.argv[2]), folder))
        finally:
            kill_all()
    print("test result: ok. 1 passed; 0 failed")
