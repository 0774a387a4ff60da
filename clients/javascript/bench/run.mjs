// CPU per event of the client beside a loop by hand over the same stream, taken in turns; and what a page has to load.

import { fork } from "node:child_process";
import { once } from "node:events";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { chat } from "../dist/index.js";

const EVENTS = 20_000;
const ROUNDS = 15;

/** What one writes without a client: no reconnecting, no check of anything. */
async function byHand(url) {
  const response = await fetch(`${url}/chat`, { method: "POST", body: "{}" });
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let text = "";
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return { text, count };
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "";
      let data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
      }
      if (!data || name === "open") continue;
      const event = JSON.parse(data);
      count += 1;
      if (event.type === "text_delta") text += event.content;
    }
  }
}

async function byClient(url) {
  let text = "";
  let count = 0;
  for await (const event of chat(url, { message: "Hi" })) {
    count += 1;
    if (event.type === "text_delta") text += event.content;
  }
  return { text, count };
}

/** Microseconds of CPU for one event. */
async function cpu(read, url) {
  globalThis.gc();
  const before = process.cpuUsage();
  const { count } = await read(url);
  const { user, system } = process.cpuUsage(before);
  if (count !== EVENTS) throw new Error(`${count} events came, not ${EVENTS}`);
  return (user + system) / count;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

async function size(entry, external = []) {
  const bundle = await rolldown({ input: new URL(entry, import.meta.url).pathname, platform: "browser", external });
  const { output } = await bundle.generate({ format: "esm", minify: true });
  return gzipSync(output.map(({ code }) => code ?? "").join("")).length;
}

const server = fork(new URL("server.mjs", import.meta.url).pathname, [EVENTS]);
const [port] = await once(server, "message");
const url = `http://127.0.0.1:${port}`;
try {
  const [hand, client] = [await byHand(url), await byClient(url)];
  if (hand.text !== client.text) throw new Error("the two have read different texts");
  for (let round = 0; round < 3; round += 1) await Promise.all([cpu(byHand, url), cpu(byClient, url)]);
  const ratios = [];
  const times = { hand: [], client: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    const order = round % 2 ? ["hand", "client"] : ["client", "hand"];
    const taken = {};
    for (const who of order) taken[who] = await cpu(who === "hand" ? byHand : byClient, url);
    times.hand.push(taken.hand);
    times.client.push(taken.client);
    ratios.push(taken.client / taken.hand);
  }
  const unsplit = /\/socket\.js$/;
  const result = {
    events: EVENTS,
    rounds: ROUNDS,
    cpu_by_hand_us: median(times.hand),
    cpu_client_us: median(times.client),
    cpu_ratio: median(ratios),
    gzip_client_bytes: await size("../dist/index.js", [unsplit]),
    gzip_client_and_hook_bytes: await size("../dist/react/index.js", ["react", unsplit]),
    gzip_websocket_bytes: await size("../dist/socket.js", [/\.\/(?!socket)/]),
    gzip_parser_bytes: await size("../node_modules/eventsource-parser/dist/index.js"),
  };
  console.log(JSON.stringify(result, (_, value) => (typeof value === "number" ? Number(value.toFixed(3)) : value), 2));
} finally {
  server.kill();
}
