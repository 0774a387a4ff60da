// Has a version of @ag-ui/client read streams that were written before, and says what it made of them.
import { text } from "node:stream/consumers";

const { HttpAgent, runHttpRequest, transformHttpEventStream } = await import(process.argv[2]);

const warnings = [];
console.warn = (...told) => warnings.push(told.join(" "));
console.error = () => {}; // it prints the errors that it throws, too

/** An answer that comes in these pieces. */
function answer(pieces) {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(Buffer.from(piece, "base64"));
      controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

class Replay extends HttpAgent {
  connect() {
    return transformHttpEventStream(runHttpRequest(() => this.fetch()));
  }
}

/** Reads the first stream as a run, and takes it up again by each of the others. */
async function replay({ said, streams }) {
  const left = [...streams];
  const agent = new Replay({ url: "-", threadId: "t", initialMessages: said, fetch: async () => answer(left.shift()) });
  const told = { ends: [], error: null, changes: 0 };
  agent.subscribe({
    onRunFinishedEvent: ({ event }) => void told.ends.push(event),
    onRunErrorEvent: ({ event }) => void told.ends.push(event),
    onMessagesChanged: () => void told.changes++,
  });
  warnings.length = 0;
  try {
    await agent.runAgent({ runId: "r" });
    while (left.length) await agent.connectAgent();
  } catch (error) {
    told.error = String(error);
  }
  return { ...told, messages: agent.messages, warnings: [...warnings] };
}

const outcomes = [];
for (const each of JSON.parse(await text(process.stdin))) outcomes.push(await replay(each));
process.stdout.write(JSON.stringify(outcomes));
