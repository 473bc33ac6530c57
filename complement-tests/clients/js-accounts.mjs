// What matrix-js-sdk makes of accounts: profiles, account data, push rules, devices, passwords, the end.
import {
    PASSWORD, anybody, byPassword, expect, expectRefused, expectSame, login, newUser, roomOf, say, seen, start, until,
} from "./js-kit.mjs";

async function profiles_are_told_to_whoever_shares_a_room() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    await alice.setDisplayName("Alice of the tests");
    await alice.setAvatarUrl("mxc://example.org/picture");
    const member = () => bob.getRoom(room).getMember(alice.getUserId());
    await until(bob, "alice's name", () => member().name === "Alice of the tests");
    await until(bob, "alice's picture", () => member().getMxcAvatarUrl() === "mxc://example.org/picture");
    await until(alice, "her own name", () => alice.getUser(alice.getUserId())?.displayName === "Alice of the tests");
    const profile = await bob.getProfileInfo(alice.getUserId());
    expectSame([profile.displayname, profile.avatar_url], ["Alice of the tests", "mxc://example.org/picture"], "profile");
    await expectRefused(bob.getProfileInfo("@nobody-at-all:" + bob.getDomain()), "M_NOT_FOUND", "nobody's profile");
}

async function account_data_and_tags_reach_all_devices() {
    const alice = await newUser("alice");
    const room = await roomOf(alice);
    const second = await login(alice.getUserId());
    await alice.setAccountData("test.own", { list: [1, { two: null }] });
    await until(second, "account data", () => second.getAccountData("test.own")?.getContent().list.length === 2);
    await alice.setRoomTag(room, "m.favourite", { order: 0.25 });
    const tags = () => second.getRoom(room)?.tags ?? {};
    await until(second, "the tag", () => tags()["m.favourite"]?.order === 0.25);
    await alice.deleteRoomTag(room, "m.favourite");
    await until(second, "the tag gone", () => !tags()["m.favourite"]);
    await alice.setRoomAccountData(room, "test.room", { here: true });
    await until(second, "data of the room", () => second.getRoom(room).getAccountData("test.room")?.getContent().here);
    await alice.setAccountData("m.direct", { "@bob:example.org": [room] });
    await until(second, "direct chats", () => second.getAccountData("m.direct")?.getContent()["@bob:example.org"]);
}

async function push_rules_change_on_all_devices() {
    const alice = await newUser("alice");
    const second = await login(alice.getUserId());
    const rule = (kind, id) => second.pushRules?.global[kind]?.find((one) => one.rule_id === id);
    await until(second, "the predefined rules", () => rule("override", ".m.rule.master"));
    await alice.addPushRule("global", "content", "word", { actions: ["notify"], pattern: "heliograph" });
    await until(second, "a rule of alice's own", () => rule("content", "word")?.pattern === "heliograph");
    await alice.setPushRuleEnabled("global", "content", "word", false);
    await until(second, "it being off", () => rule("content", "word").enabled === false);
    await alice.setPushRuleActions("global", "underride", ".m.rule.message", ["notify", { set_tweak: "sound", value: "x" }]);
    await until(second, "what a rule does", () => rule("underride", ".m.rule.message").actions.length === 2);
    await alice.deletePushRule("global", "content", "word");
    await until(second, "the rule gone", () => !rule("content", "word"));
    await expectRefused(alice.deletePushRule("global", "override", ".m.rule.master"), "M_INVALID_PARAM", "a predefined rule");
}

async function devices_are_named_listed_and_removed() {
    const alice = await newUser("alice");
    const second = await login(alice.getUserId());
    await alice.setDeviceDetails(second.getDeviceId(), { display_name: "Second" });
    const { devices } = await alice.getDevices();
    expectSame(devices.length, 2, "devices");
    expectSame(devices.find((one) => one.device_id === second.getDeviceId()).display_name, "Second", "its name");
    let flows;
    await alice.deleteDevice(second.getDeviceId()).catch((error) => (flows = error.data?.flows));
    expectSame(flows, [{ stages: ["m.login.password"] }], "what is to be done first");
    await alice.deleteDevice(second.getDeviceId(), byPassword(alice));
    await expectRefused(second.whoami(), "M_UNKNOWN_TOKEN", "a token of the removed device");
    const third = await login(alice.getUserId());
    await third.logout(true);
    expectSame((await alice.getDevices()).devices.length, 1, "devices after a log-out");
}

async function a_new_password_ends_the_other_sessions() {
    const alice = await newUser("alice");
    const second = await login(alice.getUserId());
    await alice.setPassword(byPassword(alice), "battery staple", true);
    await expectRefused(second.whoami(), "M_UNKNOWN_TOKEN", "a session with the old password");
    expectSame((await alice.whoami()).user_id, alice.getUserId(), "the session that changed it");
    const user = { type: "m.id.user", user: alice.getUserId() };
    const body = (password) => ({ type: "m.login.password", identifier: user, password });
    await expectRefused(anybody().loginRequest(body(PASSWORD)), "M_FORBIDDEN", "the old password");
    await anybody().loginRequest(body("battery staple"));
}

async function tokens_are_refreshed() {
    const alice = await newUser("alice");
    const identifier = { type: "m.id.user", user: alice.getUserId() };
    const body = { type: "m.login.password", identifier, password: PASSWORD, refresh_token: true };
    const session = await anybody().loginRequest(body);
    expect(session.expires_in_ms > 0, "when the access token ends");
    const fresh = await anybody().refreshToken(session.refresh_token);
    expect(fresh.access_token && fresh.access_token !== session.access_token, "a new access token");
    const device = anybody();
    device.setAccessToken(fresh.access_token);
    expectSame((await device.whoami()).device_id, session.device_id, "whose token it is");
}

async function an_account_that_ends_leaves_its_rooms() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    await seen(bob, room, await say(alice, room, "farewell"));
    await alice.deactivateAccount(byPassword(alice), true);
    await expectRefused(alice.whoami(), "M_UNKNOWN_TOKEN", "a token of an account that ended");
    const member = () => bob.getRoom(room).getMember(alice.getUserId());
    await until(bob, "alice leaving", () => member().membership === "leave");
    const identifier = { type: "m.id.user", user: alice.getUserId() };
    const again = anybody().loginRequest({ type: "m.login.password", identifier, password: PASSWORD });
    await expectRefused(again, "M_USER_DEACTIVATED", "a log-in of an account that ended");
    const carol = await newUser("carol");
    await carol.joinRoom(room);
    const shown = await until(carol, "the room", () => carol.getRoom(room)?.getJoinedMemberCount() === 2 && carol.getRoom(room));
    const texts = shown.getLiveTimeline().getEvents().map((event) => event.getContent().body);
    expect(!texts.includes("farewell"), "who comes later does not see what was erased");
}

async function presence_is_told_to_whoever_shares_a_room() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    await roomOf(alice, [bob]);
    // Her next syncs would make her online again.
    await alice.setSyncPresence("unavailable");
    await alice.setPresence({ presence: "unavailable", status_msg: "at lunch" });
    const user = () => bob.getUser(alice.getUserId());
    await until(bob, "alice's status", () => user()?.presenceStatusMsg === "at lunch");
    await until(bob, "alice's presence", () => user().presence === "unavailable");
    const found = await bob.getPresence(alice.getUserId());
    expectSame(found.status_msg, "at lunch", "alice's status when asked for");
}

async function ignored_users_are_not_heard() {
    const [alice, bob, carol] = [await newUser("alice"), await newUser("bob"), await newUser("carol")];
    const room = await roomOf(alice, [bob, carol]);
    await alice.setIgnoredUsers([bob.getUserId()]);
    await until(alice, "the list", () => alice.isUserIgnored(bob.getUserId()));
    await say(bob, room, "unheard");
    await seen(alice, room, await say(carol, room, "heard"));
    const texts = alice.getRoom(room).getLiveTimeline().getEvents().map((event) => event.getContent().body);
    expect(!texts.includes("unheard"), "alice does not hear whom she ignores");
    await alice.setIgnoredUsers([]);
    await until(alice, "the empty list", () => !alice.isUserIgnored(bob.getUserId()));
    await seen(alice, room, await say(bob, room, "heard again"));
}

async function guests_talk_in_rooms_that_let_them_in() {
    const alice = await newUser("alice");
    const access = (guest_access) => ({ type: "m.room.guest_access", state_key: "", content: { guest_access } });
    const room = await roomOf(alice, [], { initial_state: [access("can_join")] });
    const closed = await roomOf(alice);
    const guest = await start(await anybody().registerGuest({}), { guest: true });
    expectSame((await guest.whoami()).is_guest, true, "a guest");
    await guest.joinRoom(room);
    await until(guest, "the room", () => guest.getRoom(room)?.getMyMembership() === "join");
    await seen(alice, room, await say(guest, room, "as a guest"));
    await expectRefused(guest.joinRoom(closed), "M_GUEST_ACCESS_FORBIDDEN", "a room that lets no guests in");
    await expectRefused(guest.createRoom({}), "M_GUEST_ACCESS_FORBIDDEN", "a guest's own room");
    await alice.sendStateEvent(room, "m.room.guest_access", access("forbidden").content, "");
    await until(guest, "being out", () => guest.getRoom(room)?.getMyMembership() === "leave");
}

async function capabilities_say_what_can_be_done() {
    const alice = await newUser("alice");
    const found = await alice.getCapabilities();
    expectSame(found["m.change_password"].enabled, true, "passwords can be changed");
    expect(found["m.room_versions"].available["12"], "rooms of version 12");
    expect(await alice.isVersionSupported("v1.1"), "the version of the specification");
}

export const tests = [
    profiles_are_told_to_whoever_shares_a_room,
    account_data_and_tags_reach_all_devices,
    push_rules_change_on_all_devices,
    devices_are_named_listed_and_removed,
    a_new_password_ends_the_other_sessions,
    tokens_are_refreshed,
    an_account_that_ends_leaves_its_rooms,
    presence_is_told_to_whoever_shares_a_room,
    ignored_users_are_not_heard,
    guests_talk_in_rooms_that_let_them_in,
    capabilities_say_what_can_be_done,
];
