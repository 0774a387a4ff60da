/** `node in_node.mjs <client> <what it asks, as JSON> <whether it leaves at done>`: prints what it heard. */

import { setTimeout as pause } from "node:timers/promises";
import { heardBy } from "./clients.mjs";

const [name, asked, leaves] = process.argv.slice(2);
const alive = setInterval(() => {}, 60_000); // eventsource waits without keeping its program alive
console.log(JSON.stringify(await heardBy(name, JSON.parse(asked), leaves === "true")));
await pause(1_500); // longer than the gateway's `retry:`, so that one which is still to come back does
clearInterval(alive);
