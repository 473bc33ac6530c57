// What the tests of matrix-js-sdk share: clients that are logged in and sync, waiting for what a
// client sees, and a runner.
//
// MODULES names the folder whose node_modules has matrix-js-sdk.
import { createRequire } from "node:module";

/** Prints a line; what the SDK logs is left out. */
const print = console.log.bind(console);
for (const level of ["debug", "log", "info", "warn", "error", "trace"]) console[level] = () => {};

const require = createRequire(`${process.env.MODULES}/package.json`);
export const sdk = await import(require.resolve("matrix-js-sdk"));

/** A part of the SDK that it does not give out by itself. */
export const part = (file) => import(require.resolve(`matrix-js-sdk/lib/${file}`));

/** How long a client may take to see something, milliseconds. */
const PATIENCE_MS = 60_000;
export const PASSWORD = "correct horse";
const running = [];
let baseUrl;
let users = 0;

/** Fails unless `holds`. */
export function expect(holds, what) {
    if (!holds) throw new Error(`MISSING: ${what}`);
}

/** Fails unless two values are the same as JSON. */
export function expectSame(found, wanted, what) {
    const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (a !== b) throw new Error(`MISSING: ${what}: found ${a}, wanted ${b}`);
}

/** Fails unless the promise is refused with this errcode. */
export async function expectRefused(promise, errcode, what) {
    let answer;
    try {
        answer = await promise;
    } catch (error) {
        if (error.errcode !== errcode) throw new Error(`MISSING: ${what}: ${error.errcode ?? error}`);
        return;
    }
    throw new Error(`MISSING: ${what} was not refused: ${JSON.stringify(answer)}`);
}

/** Waits until `holds()` gives something true, and gives it; asked again whenever the client syncs. */
export function until(client, what, holds) {
    return new Promise((resolve, reject) => {
        const end = (settle, value) => {
            clearTimeout(timer);
            client.off("sync", look);
            client.off("event", look);
            settle(value);
        };
        const look = () => {
            try {
                const value = holds();
                if (value) end(resolve, value);
            } catch (error) {
                end(reject, error);
            }
        };
        const late = () => end(reject, new Error(`MISSING: ${client.getUserId()} did not see ${what}`));
        const timer = setTimeout(late, PATIENCE_MS);
        client.on("sync", look);
        client.on("event", look);
        look();
    });
}

/** A client without a session. */
export function anybody() {
    return sdk.createClient({ baseUrl });
}

/** A client of a session that syncs. */
export async function start(session, options = {}) {
    const client = sdk.createClient({
        baseUrl,
        accessToken: session.access_token,
        userId: session.user_id,
        deviceId: session.device_id,
        timelineSupport: true,
        ...options.client,
    });
    running.push(client);
    client.setGuest(options.guest ?? false);
    const settings = { initialSyncLimit: 10, lazyLoadMembers: true, threadSupport: true, pollTimeout: 10_000 };
    await client.startClient({ ...settings, ...options.start });
    await until(client, "its first sync", () => client.isInitialSyncComplete());
    return client;
}

/** A new user with a client that syncs; every name is used once. */
export async function newUser(name, options) {
    users += 1;
    const body = { username: `${name}-${users}`, password: PASSWORD, auth: { type: "m.login.dummy" } };
    return start(await anybody().registerRequest(body), options);
}

/** Another device of a user. */
export async function login(userId, options) {
    const identifier = { type: "m.id.user", user: userId };
    const body = { type: "m.login.password", identifier, password: PASSWORD };
    return start(await anybody().loginRequest(body), options);
}

/** The `auth` by which a user confirms an operation. */
export function byPassword(client) {
    const identifier = { type: "m.id.user", user: client.getUserId() };
    return { type: "m.login.password", identifier, password: PASSWORD };
}

/** A room with these members, who all see it, and see all of them. */
export async function roomOf(creator, others = [], options = {}) {
    const { room_id: roomId } = await creator.createRoom({ preset: "public_chat", ...options });
    for (const other of others) await other.joinRoom(roomId);
    for (const client of [creator, ...others]) {
        await until(client, "the whole room", () => {
            const room = client.getRoom(roomId);
            return room?.getMyMembership() === "join" && room.getJoinedMemberCount() === others.length + 1;
        });
    }
    return roomId;
}

/** An event as a client has it, once it has it. */
export function seen(client, roomId, eventId) {
    return until(client, `event ${eventId}`, () => client.getRoom(roomId)?.findEventById(eventId));
}

/** Sends a text, and gives the id of its event. */
export async function say(client, roomId, body) {
    return (await client.sendTextMessage(roomId, body)).event_id;
}

/** Runs tests one after the other, and prints what came of them. */
export async function run(url, tests) {
    baseUrl = url;
    let failed = 0;
    const only = process.env.ONLY;
    const chosen = tests.filter((test) => !only || test.name.includes(only));
    for (const test of chosen) {
        const began = performance.now();
        try {
            await test();
            print(`test js-sdk ${test.name} ... ok`);
        } catch (error) {
            failed += 1;
            print(`test js-sdk ${test.name} ... FAILED\n${error.stack ?? error}`);
        }
        if (process.env.TIMES) print(`  ${Math.round(performance.now() - began)} ms`);
        for (const client of running.splice(0)) client.stopClient();
    }
    print(`test result: ${failed ? "FAILED" : "ok"}. ${chosen.length - failed} passed; ${failed} failed`);
    process.exit(failed ? 1 : 0);
}
