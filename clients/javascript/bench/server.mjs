// Sends one run of many short deltas to everyone who asks, several events at a time as a busy gateway does.

import { createServer } from "node:http";

const EVENTS = Number(process.argv[2]);
const AT_ONCE = 5; // events in a frame
const EPOCH = "0123456789abcdef";
const WORDS = ["The ", "stream ", "arrives ", "word ", "by ", "word, ", "途切れず", "に"];

function* lines() {
  yield `retry: 1000\n\nevent: open\ndata: {"run_id":"r","epoch":"${EPOCH}","conversation":null,"model":"demo"}\n\n`;
  for (let seq = 1; seq < EVENTS; seq += 1) {
    yield encode({ type: "text_delta", seq, at: seq / 100, step: 1, content: WORDS[seq % WORDS.length] });
  }
  yield encode({ type: "done", seq: EVENTS, at: EVENTS / 100, step: 1, status: "completed" });
}

function encode(event) {
  return `id: ${EPOCH}-${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}

const frames = [];
let frame = [];
for (const line of lines()) {
  frame.push(line);
  if (frame.length === AT_ONCE) {
    frames.push(Buffer.from(frame.join("")));
    frame = [];
  }
}
frames.push(Buffer.from(frame.join("")));

const server = createServer(async (request, response) => {
  request.resume();
  response.writeHead(200, { "Content-Type": "text/event-stream", "X-Run-Id": "r" });
  for (const each of frames) {
    if (!response.write(each)) await new Promise((resolve) => response.once("drain", resolve));
    await new Promise(setImmediate); // so that frames are written one by one
  }
  response.end();
});
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
