import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { chat, start, type ChatOptions } from "../src/index.js";
import { LiveGateway } from "./live-gateway.js";

const FOREVER = 3_600_000; // milliseconds

/** As much of a browser as tells of its network and its page, and how many listen to it. */
class Browser {
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), { hidden: false });
  listeners = 0;

  constructor() {
    for (const target of [this.window, this.document]) {
      const { addEventListener, removeEventListener } = target;
      target.addEventListener = (...call: Parameters<typeof addEventListener>) => {
        this.listeners += 1;
        addEventListener.apply(target, call);
      };
      target.removeEventListener = (...call: Parameters<typeof removeEventListener>) => {
        this.listeners -= 1;
        removeEventListener.apply(target, call);
      };
    }
    vi.stubGlobal("document", this.document);
    vi.stubGlobal("addEventListener", (...call: Parameters<EventTarget["addEventListener"]>) => this.window.addEventListener(...call));
    vi.stubGlobal("removeEventListener", (...call: Parameters<EventTarget["removeEventListener"]>) => this.window.removeEventListener(...call));
  }

  comesOnline = (): void => void this.window.dispatchEvent(new Event("online"));

  show(hidden: boolean): void {
    this.document.hidden = hidden;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  isSeenAgain = (): void => {
    this.show(true);
    this.show(false);
  };
}

let gateway: LiveGateway;
let browser: Browser;

beforeEach(async () => {
  gateway = await LiveGateway.start();
  browser = new Browser();
});

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  await gateway[Symbol.asyncDispose]();
});

interface Reading {
  types: string[];
  states: string[];
  end: Promise<void>;
}

/** Reads an answer in the background, and what the client tells of its connections. */
function read(options: Partial<ChatOptions> = {}): Reading {
  const reading: Reading = { types: [], states: [], end: Promise.resolve() };
  const onConnection = (state: string) => void reading.states.push(state);
  const stream = chat(gateway.url, { message: "Hi", firstWait: FOREVER, longestWait: FOREVER, onConnection, ...options });
  reading.end = (async () => {
    for await (const { type } of stream) reading.types.push(type);
  })();
  return reading;
}

const until = (holds: () => void) => vi.waitFor(holds, { timeout: 20_000 });
const wakes = { online: () => browser.comesOnline(), visible: () => browser.isSeenAgain() };

test.each(Object.entries(wakes))("a wait ends at once: %s", async (_, wake) => {
  gateway.reachable = false;
  const reading = read();
  await until(() => expect(reading.states).toEqual(["connecting", "waiting"]));
  gateway.reachable = true;
  wake();
  await until(() => expect(gateway.readers).toBe(1));
  gateway.say("Hi");
  gateway.finish("Hi");
  await reading.end;
  expect(reading.types).toEqual(["text_delta", "final_answer", "done"]);
  expect(gateway.runs).toBe(1);
  expect(browser.listeners).toBe(0);
});

test("a page that is hidden does not end a wait", async () => {
  gateway.reachable = false;
  const controller = new AbortController();
  const reading = read({ signal: controller.signal });
  await until(() => expect(reading.states).toEqual(["connecting", "waiting"]));
  browser.show(true);
  expect(gateway.requests).toHaveLength(1);
  controller.abort(new Error("enough"));
  await expect(reading.end).rejects.toThrow("enough");
  expect(browser.listeners).toBe(0);
});

test("being woken is no failed attempt", async () => {
  gateway.reachable = false;
  const reading = read({ attempts: 2 });
  for (let wake = 1; wake < 6; wake += 1) {
    await until(() => expect(gateway.requests).toHaveLength(wake));
    await until(() => expect(reading.states.at(-1)).toBe("waiting"));
    if (wake === 5) gateway.reachable = true;
    browser.comesOnline();
  }
  await until(() => expect(gateway.readers).toBe(1));
  gateway.finish("Hi");
  await reading.end;
});

test("a start is woken too", async () => {
  gateway.reachable = false;
  const controller = new AbortController();
  const { signal } = controller;
  const starting = start(gateway.url, { message: "Hi", firstWait: FOREVER, longestWait: FOREVER, signal });
  const end = expect(starting).rejects.toThrow("enough");
  for (const requests of [1, 2]) {
    await until(() => expect(browser.listeners).toBe(2));
    expect(gateway.requests).toHaveLength(requests);
    browser.comesOnline();
  }
  await until(() => expect(browser.listeners).toBe(2));
  controller.abort(new Error("enough"));
  await end;
  expect(browser.listeners).toBe(0);
});

test.each(Object.entries(wakes))("a connection that missed a heartbeat is replaced at once: %s", async (_, wake) => {
  const reading = read({ heartbeat: 20_000 });
  await until(() => expect(reading.states.at(-1)).toBe("open"));
  gateway.say("One");
  await until(() => expect(reading.types).toHaveLength(1));
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 20_500 });
  wake();
  await until(() => expect(gateway.requests).toHaveLength(2));
  await until(() => expect(gateway.readers).toBe(1));
  expect(gateway.requests[1]?.after).toMatch(/-1$/);
  expect(reading.states).toEqual(["connecting", "open", "connecting", "open"]);
  gateway.finish("One");
  await reading.end;
  expect(reading.types).toEqual(["text_delta", "final_answer", "done"]);
  expect(browser.listeners).toBe(0);
});

test("one on which something came within a heartbeat is kept", async () => {
  const reading = read({ heartbeat: 20_000 });
  await until(() => expect(reading.states.at(-1)).toBe("open"));
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 19_000 });
  browser.comesOnline();
  browser.isSeenAgain();
  gateway.finish("One");
  await reading.end;
  expect(gateway.requests).toHaveLength(1);
  expect(browser.listeners).toBe(0);
});

test.each(["break", "abort"])("nothing listens when the loop is left: %s", async (way) => {
  const controller = new AbortController();
  const onConnection = (state: string) => void (state === "open" && gateway.say("One"));
  const { signal } = controller;
  const leaving = (async () => {
    for await (const _ of chat(gateway.url, { message: "Hi", signal, onConnection })) {
      expect(browser.listeners).toBe(2);
      if (way === "break") break;
      controller.abort(new Error("enough"));
    }
  })();
  if (way === "break") await leaving;
  else await expect(leaving).rejects.toThrow("enough");
  await until(() => expect(browser.listeners).toBe(0));
});

test("where there is no page and no window, as in Node, there is nothing to hear", async () => {
  vi.unstubAllGlobals();
  const reading = read();
  await until(() => expect(gateway.readers).toBe(1));
  gateway.finish("Hi");
  await reading.end;
  expect(reading.types).toEqual(["final_answer", "done"]);
});
