// One matrix-js-sdk client that does what JSON lines on its standard input tell it, and answers each
// with one JSON line. What it waits for, it waits for as the SDK's events come.
//
// MODULES names the folder whose node_modules has matrix-js-sdk; the argument is the server's address.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.MODULES}/package.json`);
const sdk = await import(require.resolve("matrix-js-sdk"));
const { logger } = await import(require.resolve("matrix-js-sdk/lib/logger.js"));
logger.disableAll?.();
logger.setLevel?.("silent");
const baseUrl = process.argv[2];
let client;

/** Resolves once `holds` says so; it is asked again whenever the client has synced. */
function until(holds) {
    return new Promise((resolve) => {
        const look = () => {
            if (!holds()) return;
            client.off("sync", look);
            resolve();
        };
        client.on("sync", look);
        look();
    });
}

async function start(session) {
    client = sdk.createClient({
        baseUrl,
        accessToken: session.access_token,
        userId: session.user_id,
        deviceId: session.device_id,
    });
    await client.startClient({ initialSyncLimit: 10, lazyLoadMembers: true, pollTimeout: 10000 });
    await until(() => client.isInitialSyncComplete());
    return session;
}

/** Every event that this client has of a room, oldest first, after paging back to its beginning. */
async function history(roomId) {
    // After a gap the SDK begins a new timeline, and links it to the one before once they meet.
    const events = [];
    for (let timeline = client.getRoom(roomId).getLiveTimeline(); timeline; ) {
        while (timeline.getPaginationToken("b") !== null && !timeline.getNeighbouringTimeline("b")) {
            await client.paginateEventTimeline(timeline, { backwards: true, limit: 50 });
        }
        events.unshift(...timeline.getEvents());
        timeline = timeline.getNeighbouringTimeline("b");
    }
    return events.map((event) => ({ id: event.getId(), redacted: event.isRedacted() }));
}

function state(roomId) {
    const room = client.getRoom(roomId);
    return {
        name: room.currentState.getStateEvents("m.room.name", "")?.getContent().name,
        topic: room.currentState.getStateEvents("m.room.topic", "")?.getContent().topic,
        joined: room.getJoinedMemberCount(),
    };
}

const commands = {
    async register({ name, password }) {
        const anybody = sdk.createClient({ baseUrl });
        const auth = { type: "m.login.dummy" };
        return start(await anybody.registerRequest({ username: name, password, auth }));
    },
    async login({ name, password }) {
        const anybody = sdk.createClient({ baseUrl });
        const identifier = { type: "m.id.user", user: name };
        return start(await anybody.loginRequest({ type: "m.login.password", identifier, password }));
    },
    async create({ name, invite }) {
        return { room: (await client.createRoom({ name, invite })).room_id };
    },
    async join({ room }) {
        await until(() => client.getRoom(room)?.getMyMembership() === "invite");
        await client.joinRoom(room);
        await until(() => client.getRoom(room)?.getMyMembership() === "join");
    },
    async say({ room, text }) {
        return { event: (await client.sendTextMessage(room, text)).event_id };
    },
    async topic({ room, text }) {
        return { event: (await client.setRoomTopic(room, text)).event_id };
    },
    async redact({ room, event }) {
        return { event: (await client.redactEvent(room, event)).event_id };
    },
    async read({ room, event }) {
        await until(() => client.getRoom(room).findEventById(event));
        await client.sendReadReceipt(client.getRoom(room).findEventById(event));
    },
    async saw({ room, event }) {
        await until(() => client.getRoom(room)?.findEventById(event));
    },
    async receipt({ room, event, user }) {
        await until(() => client.getRoom(room).getEventReadUpTo(user) === event);
    },
    async redacted({ room, event }) {
        await until(() => client.getRoom(room).findEventById(event)?.isRedacted() !== false);
    },
    async room({ room }) {
        await until(() => client.getRoom(room));
        await client.getRoom(room).loadMembersIfNeeded();
        return { events: await history(room), ...state(room) };
    },
    async stop() {
        client.stopClient();
    },
};

for await (const line of createInterface({ input: process.stdin })) {
    const { command, ...args } = JSON.parse(line);
    try {
        console.log(JSON.stringify({ ok: (await commands[command](args)) ?? {} }));
    } catch (error) {
        console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
    }
    if (command === "stop") process.exit(0);
}
