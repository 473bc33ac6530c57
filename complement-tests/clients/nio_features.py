"""The features of this server as matrix-nio sees them."""
import asyncio
import itertools
import logging

from nio import (
    AsyncClient, AsyncClientConfig, ErrorResponse, MessageDirection, RoomPreset, RoomVisibility, SyncResponse,
)
from nio.api import PushRuleKind, RelationshipType

from players import PATIENCE

PASSWORD = "correct horse"
NUMBERS = itertools.count(1)
RUNNING = []
# It reports each refusal that a test provokes.
logging.getLogger("nio").setLevel(logging.CRITICAL)


class Missing(Exception):
    """What a client did not find."""


def expect(holds, what):
    if not holds:
        raise Missing(what)


def good(answer, what):
    """An answer that must be none of an error."""
    if isinstance(answer, ErrorResponse):
        raise Missing(f"{what}: {answer}")
    return answer


def refused(answer, errcode, what):
    expect(getattr(answer, "status_code", None) == errcode, f"{what}: {answer}")


class User:
    """A user with a client that syncs in the background."""

    def __init__(self, server, user_id):
        config = AsyncClientConfig(max_timeouts=0, request_timeout=30)
        self.client = AsyncClient(server.url, user_id, config=config)
        self.news, self.events, self.left, self.task = asyncio.Event(), [], set(), None
        RUNNING.append(self)

    @classmethod
    async def register(cls, server, name):
        name = f"nio-{name}-{next(NUMBERS)}"
        self = cls(server, f"@{name}:{server.name}")
        good(await self.client.register(name, PASSWORD, "First"), "registering")
        return self.follow()

    async def second(self, server):
        """Another device of the same user."""
        other = User(server, self.id)
        good(await other.client.login(PASSWORD, "Other"), "logging in")
        return other.follow()

    def follow(self):
        self.client.add_response_callback(self.synced, SyncResponse)
        self.task = asyncio.create_task(self.client.sync_forever(timeout=10_000, full_state=True))
        return self

    @property
    def id(self):
        return self.client.user_id

    async def synced(self, response):
        for room in response.rooms.join.values():
            self.events += [event.event_id for event in room.timeline.events]
        # The library itself takes no notice of rooms that were left.
        self.left |= set(response.rooms.leave)
        self.news.set()

    async def until(self, what, holds):
        async def wait():
            while not holds():
                self.news.clear()
                await self.news.wait()
        try:
            await asyncio.wait_for(wait(), PATIENCE)
        except asyncio.TimeoutError:
            raise Missing(f"{self.id} did not see {what}") from None

    def room(self, room_id):
        return self.client.rooms.get(room_id)

    async def say(self, room, body, **more):
        content = {"msgtype": "m.text", "body": body, **more}
        return good(await self.client.room_send(room, "m.room.message", content), "sending").event_id

    @staticmethod
    async def stop_all():
        while RUNNING:
            await RUNNING.pop().stop()

    async def stop(self):
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        await self.client.close()


async def room_of(creator, *others, **options):
    answer = await creator.client.room_create(preset=RoomPreset.public_chat, **options)
    room = good(answer, "creating a room").room_id
    for other in others:
        good(await other.client.join(room), "joining")
    for user in (creator, *others):
        await user.until("the whole room", lambda: user.room(room) and user.room(room).joined_count == len(others) + 1)
    return room


async def rooms_show_names_topics_and_members(alice, bob, _server):
    room = await room_of(alice, bob, name="Named", topic="About names")
    here = bob.room(room)
    await bob.until("the name", lambda: here.name == "Named" and here.topic == "About names")
    expect(set(here.users) == {alice.id, bob.id}, f"members: {set(here.users)}")
    good(await alice.client.set_displayname("Alice"), "setting the name")
    await bob.until("alice's name", lambda: here.user_name(alice.id) == "Alice")
    expect((await bob.client.get_displayname(alice.id)).displayname == "Alice", "alice's profile")
    joined = good(await bob.client.joined_members(room), "joined members")
    expect({member.user_id for member in joined.members} == {alice.id, bob.id}, "who is joined")
    expect(room in good(await bob.client.joined_rooms(), "joined rooms").rooms, "the room in the list of rooms")
    changed = await bob.client.room_put_state(room, "m.room.topic", {"topic": "Bob's"})
    refused(changed, "M_FORBIDDEN", "a topic by who may not")


async def messages_are_found_redacted_and_related(alice, bob, _server):
    room = await room_of(alice, bob)
    sent = [await alice.say(room, f"message {n}") for n in range(30)]
    await bob.until("the last message", lambda: sent[-1] in bob.events)
    token, found = None, []
    while True:
        page = good(await bob.client.room_messages(room, token, direction=MessageDirection.back, limit=12), "history")
        found += [event.event_id for event in page.chunk if event.event_id in sent]
        if not page.end or not page.chunk:
            break
        token = page.end
    expect(found[::-1] == sent, "all messages, in their order")
    context = good(await bob.client.room_context(room, sent[10], limit=4), "context")
    expect(context.event.event_id == sent[10] and len(context.events_before) == 2, "what is around an event")
    relation = {"rel_type": "m.annotation", "event_id": sent[0], "key": "+"}
    reaction = await bob.client.room_send(room, "m.reaction", {"m.relates_to": relation})
    related = bob.client.room_get_event_relations(room, sent[0], RelationshipType.annotation)
    ids = [event.event_id async for event in related]
    expect(ids == [reaction.event_id], f"relations: {ids}")
    root = {"m.relates_to": {"rel_type": "m.thread", "event_id": sent[1]}}
    await bob.say(room, "in a thread", **root)
    threads = [event.event_id async for event in alice.client.room_get_threads(room)]
    expect(threads == [sent[1]], f"threads: {threads}")
    good(await alice.client.room_redact(room, sent[5], reason="a slip"), "redacting")
    gone = good(await bob.client.room_get_event(room, sent[5]), "reading a redacted event")
    expect("redacted_because" in gone.event.source["unsigned"], "why it was redacted")


async def receipts_and_typing_reach_others(alice, bob, _server):
    room = await room_of(alice, bob)
    event = await alice.say(room, "read this")
    await bob.until("the message", lambda: event in bob.events)
    good(await bob.client.update_receipt_marker(room, event), "a receipt in the main timeline")
    good(await bob.client.room_read_markers(room, event, event), "a marker")
    receipt = lambda: alice.room(room).read_receipts.get(bob.id)
    await alice.until("bob's receipt", lambda: receipt() and receipt().event_id == event)
    await bob.until("the marker", lambda: bob.room(room).fully_read_marker == event)
    good(await bob.client.room_typing(room, True, 20_000), "typing")
    await alice.until("bob typing", lambda: bob.id in alice.room(room).typing_users)


async def people_come_and_go(alice, bob, _server):
    room = good(await alice.client.room_create(name="Inner", invite=[bob.id]), "creating").room_id
    await bob.until("the invite", lambda: room in bob.client.invited_rooms)
    expect(bob.client.invited_rooms[room].inviter == alice.id, "who invited bob")
    good(await bob.client.join(room), "joining")
    await bob.until("the room", lambda: room in bob.client.rooms)
    good(await alice.client.room_kick(room, bob.id, "enough"), "kicking")
    await bob.until("the kick", lambda: room in bob.left)
    good(await alice.client.room_enable_knocking(room), "letting people knock")
    good(await bob.client.room_knock(room, "again?"), "knocking")
    good(await alice.client.room_ban(room, bob.id, "out"), "banning")
    refused(await bob.client.join(room), "M_FORBIDDEN", "a join of who is banned")
    good(await alice.client.room_unban(room, bob.id), "ending a ban")
    good(await bob.client.room_forget(room), "forgetting")


async def rooms_have_names_spaces_and_successors(alice, bob, server):
    room = await room_of(alice, name="Findable by nio", visibility=RoomVisibility.public)
    alias = f"#nio-{next(NUMBERS)}:{server.name}"
    good(await alice.client.room_put_alias(alias, room), "naming a room")
    expect(good(await bob.client.room_resolve_alias(alias), "following a name").room_id == room, "where it leads")
    expect(good(await bob.client.room_get_visibility(room), "visibility").visibility == "public", "that it is listed")
    listed = good(await bob.client.list_public_rooms(filter_generic_search_term="findable by nio"), "the directory")
    expect([one.room_id for one in listed.public_rooms] == [room], "what the directory finds")
    space = await room_of(alice, bob, name="Space of nio", space=True)
    child = {"via": [server.name]}
    good(await alice.client.room_put_state(space, "m.space.child", child, room), "adding to a space")
    walked = good(await bob.client.space_get_hierarchy(space), "walking a space")
    expect([one["room_id"] for one in walked.rooms] == [space, room], "rooms of the space")
    good(await alice.client.room_delete_alias(alias), "taking a name away")
    refused(await bob.client.room_resolve_alias(alias), "M_NOT_FOUND", "a name that is gone")


async def accounts_have_devices_rules_and_presence(alice, bob, server):
    await room_of(alice, bob)
    second = await alice.second(server)
    device = second.client.device_id
    good(await alice.client.update_device(device, {"display_name": "Second"}), "naming a device")
    devices = {one.id: one.display_name for one in good(await alice.client.devices(), "devices").devices}
    expect(devices[device] == "Second" and len(devices) == 2, f"devices: {devices}")
    asked = await alice.client.delete_devices([device])
    expect(type(asked).__name__ == "DeleteDevicesAuthResponse", f"the password is asked for: {asked}")
    auth = {"type": "m.login.password", "user": alice.id, "password": PASSWORD, "session": asked.session}
    good(await alice.client.delete_devices([device], auth), "removing a device")
    refused(await second.client.whoami(), "M_UNKNOWN_TOKEN", "a token of the removed device")
    rule = ("global", PushRuleKind.content, "word")
    good(await alice.client.set_pushrule(*rule, pattern="heliograph"), "a push rule")
    good(await alice.client.enable_pushrule(*rule, False), "turning it off")
    good(await alice.client.delete_pushrule(*rule), "removing it")
    room = {"timeline": {"limit": 3}}
    good(await alice.client.upload_filter(room=room), "storing a filter")
    good(await alice.client.set_presence("unavailable", "at lunch"), "presence")
    await bob.until("alice's status", lambda: any(
        alice.id in one.users and one.users[alice.id].status_msg == "at lunch" for one in bob.client.rooms.values()))
    found = good(await bob.client.get_presence(alice.id), "alice's presence")
    expect(found.status_msg == "at lunch", f"alice's status: {found}")
    good(await alice.client.logout(all_devices=True), "logging out")


TESTS = [
    rooms_show_names_topics_and_members,
    messages_are_found_redacted_and_related,
    receipts_and_typing_reach_others,
    people_come_and_go,
    rooms_have_names_spaces_and_successors,
    accounts_have_devices_rules_and_presence,
]


async def run(server, only=""):
    """Runs the tests one after the other; gives how many passed and failed."""
    passed = failed = 0
    for test in TESTS:
        if only not in test.__name__:
            continue
        users = [await User.register(server, "alice"), await User.register(server, "bob")]
        try:
            await test(*users, server)
            passed += 1
            print(f"test matrix-nio {test.__name__} ... ok", flush=True)
        except Exception as error:  # whatever it was, the other tests go on
            failed += 1
            print(f"test matrix-nio {test.__name__} ... FAILED\n{type(error).__name__}: {error}", flush=True)
        await User.stop_all()
    return passed, failed
