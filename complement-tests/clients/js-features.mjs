// The features of this server as matrix-js-sdk sees them, one test after the other; the argument is
// the server's address. ONLY=words runs the tests whose name has these words.
import { run } from "./js-kit.mjs";
import { tests as accounts } from "./js-accounts.mjs";
import { tests as messages } from "./js-messages.mjs";
import { tests as rooms } from "./js-rooms.mjs";

await run(process.argv[2], [...messages, ...rooms, ...accounts]);
