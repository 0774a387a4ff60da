// An HttpAgent against a gateway: what it is told is one command, a line of JSON, after the other.
import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";
import { createInterface } from "node:readline";

const warnings = [];
console.warn = (...told) => warnings.push(told.join(" "));
console.error = () => {};
// When a connection is lost, the package cancels its reader and throws what that says where nobody can catch it.
process.on("unhandledRejection", () => {});

/** What docs/frontends.md says of coming back: an HttpAgent that knows where to take a run up. */
class Agent extends HttpAgent {
  connect({ threadId }) {
    const url = `${this.url}/${encodeURIComponent(threadId)}/stream`;
    const { headers } = this;
    const { signal } = (this.abortController = new AbortController());
    return transformHttpEventStream(runHttpRequest(() => this.fetch(url, { headers, signal })));
  }
}

const agents = new Map();

function agentOf({ name, url, threadId, headers, messages }) {
  if (!agents.has(name)) agents.set(name, new Agent({ url, threadId, headers, initialMessages: messages ?? [] }));
  return agents.get(name);
}

/** Runs or connects; leaves when it has been told so many events. */
async function go(command) {
  const agent = agentOf(command);
  const told = { events: [], error: null, status: null, payload: null };
  const seen = {
    onEvent: ({ event }) => {
      told.events.push(event);
      if (told.events.length === command.leave) agent.abortRun();
    },
  };
  warnings.length = 0;
  try {
    if (command.say) agent.addMessage({ id: crypto.randomUUID(), role: "user", content: command.say });
    if (command.add) agent.addMessage(command.add);
    if (command.connect) await agent.connectAgent({}, seen);
    else await agent.runAgent(command.parameters ?? {}, seen);
  } catch (error) {
    Object.assign(told, { error: String(error), status: error.status ?? null, payload: error.payload ?? null });
  }
  return { ...told, messages: agent.messages, warnings: [...warnings] };
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  void go(command).then((told) => process.stdout.write(`${JSON.stringify({ id: command.id, ...told })}\n`));
}
