// What matrix-js-sdk makes of rooms: spaces, upgrades, the directory, lazy loading, membership, power.
import { expect, expectRefused, expectSame, login, newUser, part, roomOf, say, seen, until } from "./js-kit.mjs";

const { RoomHierarchy } = await part("room-hierarchy.js");

async function spaces_are_walked_and_known_as_spaces() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const creation_content = { type: "m.space" };
    const space = await roomOf(alice, [bob], { name: "Space", creation_content });
    const below = await roomOf(alice, [], { name: "Below", creation_content });
    const [first, second] = [await roomOf(alice, [], { name: "First" }), await roomOf(alice, [], { name: "Second" })];
    const adopt = (parent, child, content) =>
        alice.sendStateEvent(parent, "m.space.child", { via: [alice.getDomain()], ...content }, child);
    await adopt(space, second, { order: "b" });
    await adopt(space, first, { order: "a", suggested: true });
    await adopt(space, below, { order: "c" });
    await adopt(below, first, {});
    expect(bob.getRoom(space).isSpaceRoom(), "bob knows a space when he sees one");
    expect(!alice.getRoom(first).isSpaceRoom(), "a room is none");
    const whole = await bob.getRoomHierarchy(space, 50);
    expectSame(whole.rooms.map((room) => room.name), ["Space", "First", "Second", "Below"], "the rooms of the space");
    const hierarchy = new RoomHierarchy(bob.getRoom(space), 2);
    while (hierarchy.canLoadMore) await hierarchy.load();
    expectSame(hierarchy.rooms.length, 4, "rooms that were loaded page by page");
    expect(hierarchy.isSuggested(space, first), "which room is suggested");
    const suggested = await bob.getRoomHierarchy(space, 50, 1, true);
    expectSame(suggested.rooms.map((room) => room.name), ["Space", "First"], "suggested rooms");
    const summary = await bob.getRoomSummary(first);
    expectSame([summary.name, summary.num_joined_members], ["First", 1], "the summary of a room one is not in");
}

async function upgrades_leave_a_way_from_the_old_room_to_the_new() {
    const [alice, bob, carol] = [await newUser("alice"), await newUser("bob"), await newUser("carol")];
    const old = await roomOf(alice, [bob, carol], { name: "Upgraded", room_version: "10", topic: "kept" });
    await alice.setPowerLevel(old, bob.getUserId(), 50);
    const { replacement_room: replacement } = await alice.upgradeRoom(old, "11");
    const tombstone = () => bob.getRoom(old).currentState.getStateEvents("m.room.tombstone", "");
    await until(bob, "the tombstone", () => tombstone()?.getContent().replacement_room === replacement);
    await bob.joinRoom(replacement);
    const room = await until(bob, "the new room", () => bob.getRoom(replacement));
    await until(bob, "its name", () => room.name === "Upgraded");
    expectSame([bob.getRoom(old).getVersion(), room.getVersion()], ["10", "11"], "the versions");
    const chain = bob.getRoomUpgradeHistory(replacement, true).map((one) => one.roomId);
    expectSame(chain, [old, replacement], "the chain of rooms");
    const levels = room.currentState.getStateEvents("m.room.power_levels", "").getContent();
    expectSame(levels.users[bob.getUserId()], 50, "bob's power came over");
    expectSame(room.currentState.getStateEvents("m.room.topic", "").getContent().topic, "kept", "so did the topic");
    await expectRefused(carol.sendTextMessage(old, "too late"), "M_FORBIDDEN", "a message in the old room");
}

async function rooms_have_names_and_are_found_in_the_directory() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const word = `word${Date.now()}`;
    const room = await roomOf(alice, [], { name: `Findable ${word}`, topic: "About tests", visibility: "public" });
    const alias = `#${word}:${alice.getDomain()}`;
    await alice.createAlias(alias, room);
    await expectRefused(alice.createAlias(alias, room), "M_UNKNOWN", "a name that is taken");
    await alice.sendStateEvent(room, "m.room.canonical_alias", { alias }, "");
    const found = await bob.publicRooms({ filter: { generic_search_term: word } });
    expectSame(found.chunk.map((one) => [one.room_id, one.canonical_alias]), [[room, alias]], "what the directory finds");
    expectSame((await bob.getRoomIdForAlias(alias)).room_id, room, "where the name leads");
    const joined = await bob.joinRoom(alias);
    expectSame(joined.roomId, room, "joining by name");
    await until(bob, "the main name", () => bob.getRoom(room)?.getCanonicalAlias() === alias);
    expectSame((await bob.getLocalAliases(room)).aliases, [alias], "the names of this server");
    await alice.deleteAlias(alias);
    await until(bob, "the main name gone", () => bob.getRoom(room).getCanonicalAlias() === null);
    await expectRefused(bob.getRoomIdForAlias(alias), "M_NOT_FOUND", "a name that was taken away");
    await alice.setRoomDirectoryVisibility(room, "private");
    const none = await bob.publicRooms({ filter: { generic_search_term: word } });
    expectSame(none.chunk.length, 0, "rooms that are listed after it was hidden");
}

async function members_are_loaded_when_they_are_needed() {
    const alice = await newUser("alice");
    const others = [];
    for (const name of ["bob", "carol", "dave", "erin"]) others.push(await newUser(name));
    const room = await roomOf(alice, others, { name: "Lazy" });
    for (let n = 0; n < 12; n += 1) await say(others[0], room, `message ${n}`);
    const second = await login(alice.getUserId(), { start: { initialSyncLimit: 5 } });
    const there = await until(second, "the room", () => second.getRoom(room));
    expect(there.getMembers().length < 5, `members before they were loaded: ${there.getMembers().length}`);
    expect(there.getMember(others[0].getUserId()), "the sender of what is shown");
    expectSame(there.getJoinedMemberCount(), 5, "the number of members");
    await there.loadMembersIfNeeded();
    expectSame(there.getMembersWithMembership("join").length, 5, "members that were loaded");
    await others[3].leave(room);
    await until(second, "erin leaving", () => there.getMember(others[3].getUserId()).membership === "leave");
    await others[2].setDisplayName("Dave II");
    await until(second, "dave's new name", () => there.getMember(others[2].getUserId()).name === "Dave II");
    const unnamed = await roomOf(alice, [others[0]]);
    await until(second, "a room without a name", () => second.getRoom(unnamed)?.name === others[0].getUserId());
}

async function people_are_invited_knock_and_are_sent_away() {
    const [alice, bob, carol] = [await newUser("alice"), await newUser("bob"), await newUser("carol")];
    const { room_id: room } = await alice.createRoom({ preset: "private_chat", name: "Inner", is_direct: true,
        invite: [bob.getUserId()] });
    const membership = (client) => client.getRoom(room)?.getMyMembership();
    await until(bob, "the invite", () => membership(bob) === "invite");
    await until(bob, "the name of the room", () => bob.getRoom(room).name === "Inner");
    expectSame(bob.getRoom(room).getDMInviter(), alice.getUserId(), "whose direct chat it is");
    await bob.leave(room);
    await until(bob, "the invite gone", () => membership(bob) === "leave");
    await alice.invite(room, bob.getUserId(), { reason: "please" });
    await until(bob, "another invite", () => membership(bob) === "invite");
    await bob.joinRoom(room);
    await alice.sendStateEvent(room, "m.room.join_rules", { join_rule: "knock" }, "");
    await carol.knockRoom(room, { reason: "me too" });
    await until(carol, "the knock", () => membership(carol) === "knock");
    const member = () => alice.getRoom(room).getMember(carol.getUserId());
    await until(alice, "carol's knock", () => member()?.membership === "knock");
    expectSame(member().events.member.getContent().reason, "me too", "why carol knocks");
    await alice.invite(room, carol.getUserId());
    await until(carol, "the answer", () => membership(carol) === "invite");
    await carol.joinRoom(room);
    await alice.kick(room, carol.getUserId(), "enough");
    await until(carol, "the kick", () => membership(carol) === "leave");
    await alice.ban(room, bob.getUserId(), "out");
    await until(bob, "the ban", () => membership(bob) === "ban");
    await expectRefused(bob.joinRoom(room), "M_FORBIDDEN", "a join of who is banned");
    await alice.unban(room, bob.getUserId());
    await until(alice, "the ban's end", () => alice.getRoom(room).getMember(bob.getUserId()).membership === "leave");
    await bob.forget(room);
    expect(!(await bob.getJoinedRooms()).joined_rooms.includes(room), "bob is not in the room");
}

async function power_decides_who_may_do_what() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob], { room_version: "11" });
    const here = bob.getRoom(room);
    const may = () => here.currentState.maySendStateEvent("m.room.name", bob.getUserId());
    expect(!may(), "bob may not name the room");
    await expectRefused(bob.setRoomName(room, "Bob's"), "M_FORBIDDEN", "a name by who may not");
    await alice.setPowerLevel(room, bob.getUserId(), 50);
    await until(bob, "the power", () => here.getMember(bob.getUserId()).powerLevel === 50);
    expect(may(), "bob may name the room");
    await bob.setRoomName(room, "Bob's");
    await until(alice, "the name", () => alice.getRoom(room).name === "Bob's");
    await expectRefused(bob.setPowerLevel(room, alice.getUserId(), 0), "M_FORBIDDEN", "power over who has more");
    const above = await roomOf(alice, [bob], { room_version: "12" });
    expectSame(bob.getRoom(above).getMember(alice.getUserId()).powerLevel, Infinity, "a creator's power");
    const joined = await bob.getJoinedRoomMembers(above);
    expectSame(Object.keys(joined.joined).length, 2, "joined members");
    await seen(bob, above, await say(alice, above, "hello"));
}

export const tests = [
    spaces_are_walked_and_known_as_spaces,
    upgrades_leave_a_way_from_the_old_room_to_the_new,
    rooms_have_names_and_are_found_in_the_directory,
    members_are_loaded_when_they_are_needed,
    people_are_invited_knock_and_are_sent_away,
    power_decides_who_may_do_what,
];
