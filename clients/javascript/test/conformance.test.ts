import { WebSocket } from "ws";
import { afterAll, expect, test } from "vitest";
import * as lab from "../src/index.js";
import { ScriptedServer, type Armed } from "./scripted-server.js";

const server = await ScriptedServer.start();
const cases = await server.cases();
afterAll(() => server[Symbol.asyncDispose]());

const CLASSES: Record<string, typeof lab.StreamingLabError> = {
  auth: lab.AuthError,
  invalid_request: lab.InvalidRequest,
  not_found: lab.NotFound,
  rate_limited: lab.RateLimited,
  unavailable: lab.Unavailable,
  protocol: lab.ProtocolError,
  connection_lost: lab.ConnectionLost,
};

test("there are cases", () => {
  expect(cases.length).toBeGreaterThan(90);
});

test.concurrent.each(cases)("$name: $rule", async ({ name, client, deliver }) => {
  const armed = await server.arm(name);
  const { events, transcript, error } = await read(streamOf(armed));
  expect(events.map((event, number) => seen(event, deliver.events[number]))).toEqual(deliver.events);
  expect(shortened(transcript.text, deliver.text)).toEqual(deliver.text);
  if (deliver.error) {
    const { kind, code = error?.code } = deliver.error;
    expect(error).toBeInstanceOf(CLASSES[kind]);
    expect(error?.code).toBe(code);
    expect(error?.message).toMatch(/\.$/);
    for (const token of client.tokens ?? ["tok-7f3a9c-secret"]) expect(written(error!)).not.toContain(token);
  } else {
    expect(error).toBeNull();
  }
  expect(await server.report(armed.id)).toMatchObject({ ok: true, problems: [] });
});

function streamOf({ base, client }: Armed): lab.RunStream {
  const { call, message, run, after, protocol, tokens = [], heartbeat, attempts } = client;
  const left = [...tokens];
  const options = {
    token: tokens.length ? () => (left.length > 1 ? left.shift()! : left[0]!) : "tok-7f3a9c-secret",
    protocol,
    heartbeat: heartbeat && heartbeat * 1000,
    attempts,
    firstWait: 50,
    longestWait: 50,
    WebSocket,
  };
  return call === "chat" ? lab.chat(base, { message, ...options }) : lab.follow(base, run!, { after, ...options });
}

async function read(stream: lab.RunStream) {
  const events: lab.StreamEvent[] = [];
  const transcript = new lab.Transcript();
  let error: lab.StreamingLabError | null = null;
  try {
    for await (const event of stream) {
      events.push(event);
      transcript.observe(event);
    }
  } catch (failure) {
    error = failure as lab.StreamingLabError;
  }
  return { events, transcript, error };
}

function written(error: lab.StreamingLabError): string {
  return `${error.stack} ${JSON.stringify(error)}`;
}

/** The fields of the event that the case names. */
function seen(event: lab.StreamEvent, named: Record<string, unknown> = {}): Record<string, unknown> {
  const fields = { ...event, length: "content" in event ? event.content.length : undefined };
  return Object.fromEntries(Object.entries(fields).filter(([name]) => name in named));
}

function shortened(text: string, wanted: unknown): unknown {
  return typeof wanted === "string" ? text : { length: text.length };
}
