// What matrix-js-sdk makes of messages: edits, reactions, threads, polls, receipts, history.
import { expect, expectSame, login, newUser, part, roomOf, say, sdk, seen, until } from "./js-kit.mjs";

const { PollStartEvent } = await part("extensible_events_v1/PollStartEvent.js");
const { PollResponseEvent } = await part("extensible_events_v1/PollResponseEvent.js");
const { PollEndEvent } = await part("extensible_events_v1/PollEndEvent.js");
const relates = (type, eventId) => ({ "m.relates_to": { rel_type: type, event_id: eventId } });

async function edits_replace_what_is_shown_and_can_be_taken_back() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const original = await say(alice, room, "first");
    const edit = async (body) => {
        const content = { msgtype: "m.text", body: `* ${body}`, "m.new_content": { msgtype: "m.text", body } };
        return (await alice.sendEvent(room, "m.room.message", { ...content, ...relates("m.replace", original) })).event_id;
    };
    await edit("second");
    const last = await edit("third");
    const event = await seen(bob, room, original);
    await until(bob, "the last edit", () => event.replacingEventId() === last);
    expectSame(event.getContent().body, "third", "bob shows the newest edit");
    expectSame(event.getOriginalContent().body, "first", "bob still has the original");
    // A device that sees the room for the first time is told of the edit with the event, or after it.
    const second = await login(alice.getUserId(), { start: { initialSyncLimit: 30 } });
    const there = await seen(second, room, original);
    await until(second, "the edit", () => there.getContent().body === "third");
    await alice.redactEvent(room, last);
    await until(bob, "the edit taken back", () => event.replacingEventId() !== last);
    const relations = await bob.relations(room, original, "m.replace", "m.room.message");
    expect(relations.events.every((e) => e.getId() !== last), "the server does not list a redacted edit");
}

async function reactions_are_counted_by_key_and_vanish_when_redacted() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const target = await say(alice, room, "react to this");
    const react = async (client, key) => {
        const relation = { rel_type: "m.annotation", event_id: target, key };
        return (await client.sendEvent(room, "m.reaction", { "m.relates_to": relation })).event_id;
    };
    await react(alice, "👍");
    const own = await react(bob, "👍");
    await react(bob, "🎉");
    const counts = (client) => {
        const relations = client.getRoom(room).relations.getChildEventsForEvent(target, "m.annotation", "m.reaction");
        return (relations?.getSortedAnnotationsByKey() ?? []).map(([key, events]) => [key, events.size]);
    };
    await seen(alice, room, target);
    await until(alice, "three reactions", () => JSON.stringify(counts(alice)) === '[["👍",2],["🎉",1]]');
    await bob.redactEvent(room, own);
    await until(alice, "two reactions", () => counts(alice).every(([, count]) => count === 1));
    let refused;
    await react(bob, "🎉").catch((error) => (refused = error.errcode));
    expectSame(refused, "M_DUPLICATE_ANNOTATION", "a second reaction with the same key");
    const listed = await alice.relations(room, target, "m.annotation", "m.reaction");
    expectSame(listed.events.length, 2, "reactions that the server lists");
}

async function threads_have_their_messages_and_their_list() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const root = await say(alice, room, "root");
    // Without the SDK's local echo, which it loses now and then when it is told of the event first.
    const reply = async (client, body) => {
        const content = { msgtype: "m.text", body, ...relates("m.thread", root) };
        const path = `/rooms/${encodeURIComponent(room)}/send/m.room.message/${client.makeTxnId()}`;
        return (await client.http.authedRequest(sdk.Method.Put, path, undefined, content)).event_id;
    };
    for (let n = 1; n <= 3; n += 1) await reply(n % 2 ? bob : alice, `reply ${n}`);
    const outside = await say(bob, room, "not in the thread");
    await seen(alice, room, outside);
    const thread = await until(alice, "the thread", () => alice.getRoom(room).getThread(root));
    // Not by its length: the SDK adds a reply once more that it was told of in the root's bundle before.
    const replies = () => thread.events.filter((event) => event.getId() !== root);
    await until(alice, "its three replies", () => replies().length === 3);
    expectSame(thread.replyToEvent?.getContent().body, "reply 3", "the newest reply");
    expect(thread.hasCurrentUserParticipated, "alice took part");
    expect(!alice.getRoom(room).getLiveTimeline().getEvents().some((e) => e.getContent().body === "reply 1"),
        "replies are in the thread only");
    const second = await login(alice.getUserId());
    const there = second.getRoom(room);
    const listed = await second.createThreadListMessagesRequest(room, null, 10);
    expectSame(listed.chunk.map((event) => event.event_id), [root], "threads that a new device lists");
    expectSame(listed.chunk[0].unsigned["m.relations"]["m.thread"].count, 3, "replies in the list");
    await there.createThreadsTimelineSets();
    await there.fetchRoomThreads();
    await until(second, "the thread in the list", () => there.getThread(root));
    const more = await reply(bob, "reply 4");
    await until(second, "another reply", () => there.getThread(root).replyToEvent?.getId() === more);
}

async function polls_collect_answers_and_end() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const start = PollStartEvent.from("Tea?", ["yes", "no"], "m.disclosed").serialize();
    const poll = (await alice.sendEvent(room, start.type, start.content)).event_id;
    const event = await seen(bob, room, poll);
    await until(bob, "the poll", () => bob.getRoom(room).polls.has(poll));
    const yes = event.getContent()["org.matrix.msc3381.poll.start"].answers[0].id;
    for (const client of [bob, alice]) {
        const answer = PollResponseEvent.from([yes], poll).serialize();
        await client.sendEvent(room, answer.type, answer.content);
    }
    const model = bob.getRoom(room).polls.get(poll);
    const responses = await model.getResponses();
    await until(bob, "both answers", () => responses.getRelations().length === 2);
    const end = PollEndEvent.from(poll, "over").serialize();
    await alice.sendEvent(room, end.type, end.content);
    await until(bob, "the end of the poll", () => model.isEnded);
}

async function receipts_of_all_kinds_are_seen_by_whom_they_are_for() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const second = await login(bob.getUserId());
    const first = await say(alice, room, "one");
    const next = await say(alice, room, "two");
    const userId = bob.getUserId();
    const upTo = (client, event) => () => client.getRoom(room).getEventReadUpTo(userId, true) === event;
    await bob.sendReadReceipt(await seen(bob, room, first), sdk.ReceiptType.Read, true);
    await seen(alice, room, first);
    await until(alice, "bob's receipt", upTo(alice, first));
    await until(second, "bob's receipt", upTo(second, first));
    await bob.sendReadReceipt(await seen(bob, room, next), sdk.ReceiptType.ReadPrivate, true);
    await seen(second, room, next);
    await until(second, "bob's private receipt", upTo(second, next));
    expect(upTo(alice, first)(), "alice does not see a private receipt");
    await bob.setRoomReadMarkers(room, first);
    const marker = () => second.getRoom(room).getAccountData("m.fully_read")?.getContent().event_id === first;
    await until(second, "the marker of what was read", marker);
    await bob.sendTyping(room, true, 20_000);
    await until(alice, "bob typing", () => alice.getRoom(room).getMember(userId)?.typing);
    await bob.sendTyping(room, false);
    await until(alice, "bob not typing", () => !alice.getRoom(room).getMember(userId).typing);
}

async function history_is_read_back_around_an_event_and_at_a_time() {
    const [alice, bob] = [await newUser("alice"), await newUser("bob")];
    const room = await roomOf(alice, [bob]);
    const sent = [];
    for (let n = 0; n < 45; n += 1) sent.push(await say(alice, room, `message ${n}`));
    await seen(bob, room, sent[44]);
    const second = await login(bob.getUserId());
    const there = second.getRoom(room);
    const bodies = () => there.getLiveTimeline().getEvents().map((e) => e.getId()).filter((id) => sent.includes(id));
    while (there.oldState.paginationToken !== null) await second.scrollback(there, 20);
    expectSame(bodies(), sent, "all messages, in their order");
    const third = await login(bob.getUserId());
    const around = await third.getEventTimeline(third.getRoom(room).getUnfilteredTimelineSet(), sent[10]);
    await third.paginateEventTimeline(around, { backwards: true, limit: 5 });
    await third.paginateEventTimeline(around, { backwards: false, limit: 5 });
    const near = around.getEvents().map((event) => event.getId());
    const at = near.indexOf(sent[10]);
    expect(at > 0 && near[at - 1] === sent[9] && near[at + 1] === sent[11], "what is around an event");
    const found = await third.timestampToEvent(room, there.findEventById(sent[20]).getTs(), sdk.Direction.Forward);
    const index = sent.indexOf(found.event_id);
    expect(index >= 0 && index <= 20, `an event at a time: ${index}`);
    await alice.redactEvent(room, sent[44], undefined, { reason: "a slip" });
    const event = await seen(bob, room, sent[44]);
    await until(bob, "the redaction", () => event.isRedacted());
    expectSame(event.getContent(), {}, "the content of what was redacted");
    expectSame(event.getUnsigned().redacted_because?.content.reason, "a slip", "why it was redacted");
}

export const tests = [
    edits_replace_what_is_shown_and_can_be_taken_back,
    reactions_are_counted_by_key_and_vanish_when_redacted,
    threads_have_their_messages_and_their_list,
    polls_collect_answers_and_end,
    receipts_of_all_kinds_are_seen_by_whom_they_are_for,
    history_is_read_back_around_an_event_and_at_a_time,
];
