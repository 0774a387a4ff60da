import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { chat, ConnectionLost, follow, start, stop, type RunStream } from "../src/index.js";
import { LiveGateway } from "./live-gateway.js";

let gateway: LiveGateway;

beforeEach(async () => {
  gateway = await LiveGateway.start();
});

afterEach(() => gateway[Symbol.asyncDispose]());

const nobody = () => vi.waitFor(() => expect(gateway.readers).toBe(0), { timeout: 20_000 });

/** A stream whose run says something as soon as somebody reads it. */
function begun(): RunStream {
  const onConnection = (state: string) => void (state === "open" && gateway.say("One", "Two"));
  return chat(gateway.url, { message: "Hi", onConnection });
}

test("break closes the connection, and the run goes on", async () => {
  const stream = begun();
  for await (const event of stream) {
    expect(event).toMatchObject({ type: "text_delta", content: "One" });
    break;
  }
  await nobody();
  expect(gateway.requests.map(({ method }) => method)).toEqual(["POST"]);
  expect(stream.position).toBe("0123456789abcdef-1");
});

test("so does an error in the loop", async () => {
  const reading = async () => {
    for await (const _ of begun()) throw new Error("mine");
  };
  await expect(reading()).rejects.toThrow("mine");
  await nobody();
});

test("so does return", async () => {
  const first = async () => {
    for await (const event of begun()) return event.type;
    return null;
  };
  expect(await first()).toBe("text_delta");
  await nobody();
});

test("an abort ends the loop at once with its reason, also while nothing comes", async () => {
  const controller = new AbortController();
  const stream = chat(gateway.url, { message: "Hi", signal: controller.signal });
  const reading = (async () => {
    for await (const _ of stream);
  })();
  await vi.waitFor(() => expect(gateway.readers).toBe(1), { timeout: 20_000 });
  controller.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
  await nobody();
});

test("an abort ends a wait between attempts", async () => {
  gateway.reachable = false;
  const controller = new AbortController();
  const onConnection = (state: string) => state === "waiting" && controller.abort(new Error("enough"));
  const options = { message: "Hi", signal: controller.signal, onConnection, firstWait: 3_600_000, longestWait: 3_600_000 };
  const reading = (async () => {
    for await (const _ of chat(gateway.url, options));
  })();
  await expect(reading).rejects.toThrow("enough");
});

test("a signal that was aborted before asks nothing", async () => {
  const stream = chat(gateway.url, { message: "Hi", signal: AbortSignal.abort(new Error("before")) });
  await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow("before");
  expect(gateway.requests).toEqual([]);
});

test("a stream is read once", async () => {
  const stream = begun();
  for await (const _ of stream) break;
  expect(() => stream[Symbol.asyncIterator]()).toThrow(TypeError);
});

test("nothing is asked before the loop begins", async () => {
  chat(gateway.url, { message: "Hi" });
  await pause(50);
  expect(gateway.requests).toEqual([]);
});

test("a stop is repeated until it gets through", async () => {
  gateway.reachable = false;
  const stopping = stop(gateway.url, "run-1", { firstWait: 10, longestWait: 20, attempts: 1000 });
  await vi.waitFor(() => expect(gateway.requests.length).toBeGreaterThan(1), { timeout: 20_000 });
  gateway.reachable = true;
  await stopping;
});

test("a start is repeated under one key", async () => {
  gateway.reachable = false;
  const reading = start(gateway.url, { message: "Hi", firstWait: 10, longestWait: 20, attempts: 3 });
  await expect(reading).rejects.toThrow(ConnectionLost);
  expect(gateway.requests).toHaveLength(3);
  expect(new Set(gateway.requests.map(({ key }) => key)).size).toBe(1);
});

test("the token is in no error", async () => {
  gateway.reachable = false;
  const reading = (async () => {
    for await (const _ of follow(gateway.url, "run-1", { token: "tok-7f3a9c-secret", attempts: 1 }));
  })();
  const error = await reading.catch((failure: unknown) => failure as Error);
  expect(error).toBeInstanceOf(ConnectionLost);
  expect(`${error?.stack} ${JSON.stringify(error)} ${String(error?.cause)}`).not.toContain("tok-7f3a9c-secret");
});

test("where no WebSocket can be opened, the address is told, and the one that may be meant", async () => {
  const reading = (async () => {
    for await (const _ of follow(gateway.url, "run-1", { protocol: "websocket", WebSocket, attempts: 1, followToken: "tok-secret" }));
  })();
  const error = await reading.catch((failure: unknown) => failure as ConnectionLost);
  expect(error).toBeInstanceOf(ConnectionLost);
  expect(error?.message).toBe(`No WebSocket could be opened at ${gateway.url.replace("http", "ws")}/runs/run-1/ws.`);
  expect(error?.hint).toBe(`Is it ${gateway.url}/api?`);
});
