// @vitest-environment jsdom
import { act, cleanup, renderHook, waitFor } from "@testing-library/react";
import { StrictMode } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test } from "vitest";
import { RunFailed } from "../src/index.js";
import { useChatStream, type Chat, type ChatStreamOptions } from "../src/react/index.js";
import { LiveGateway } from "./live-gateway.js";

const WAIT = { timeout: 20_000 };
let gateway: LiveGateway;

beforeEach(async () => {
  gateway = await LiveGateway.start();
  sessionStorage.clear();
});

afterEach(async () => {
  cleanup();
  await gateway[Symbol.asyncDispose]();
});

function open(options: Partial<ChatStreamOptions> = {}, wrapper?: typeof StrictMode) {
  const drawn: Chat[] = [];
  const use = () => {
    const chat = useChatStream({ url: gateway.url, firstWait: 10, longestWait: 50, ...options });
    drawn.push(chat);
    return chat;
  };
  const { result, unmount } = renderHook(use, wrapper && { wrapper });
  const until = (told: (chat: Chat) => void) => waitFor(() => told(result.current), WAIT);
  const send = async (question: string) => {
    act(() => expect(result.current.send(question)).toBe(true));
    await waitFor(() => expect(gateway.readers).toBe(1), WAIT);
  };
  return { result, drawn, unmount, until, send };
}

/** What a browser does to a page that is reloaded: it is told, and then it is gone. */
function reload(unmount: () => void): void {
  window.dispatchEvent(new Event("pagehide"));
  unmount();
}

test("a question and its answer, from thinking to done", async () => {
  const { result, until, send } = open();
  expect(result.current).toMatchObject({ status: "idle", messages: [], text: "", tools: [], error: null });
  await send("Hi");
  await until(({ status }) => expect(status).toBe("thinking"));
  gateway.say("Hel", "lo");
  await until(({ status, text }) => expect([status, text]).toEqual(["streaming", "Hello"]));
  gateway.finish("Hello");
  await until(({ status }) => expect(status).toBe("done"));
  expect(result.current.messages).toMatchObject([
    { role: "user", text: "Hi" },
    { role: "assistant", text: "Hello", status: "done" },
  ]);
  expect(result.current).toMatchObject({ runId: "run-1", conversation: "chat-1" });
});

test("tool calls are there while they run, and with their results", async () => {
  const { until, send } = open({ agent: true });
  await send("2 + 3?");
  expect(gateway.requests[0]?.body).toEqual({ message: "2 + 3?", agent: true });
  gateway.push({ type: "tool_call", tool: "add", call_id: "c", input: { a: 2, b: 3 } });
  await until(({ tools }) => expect(tools).toMatchObject([{ tool: "add", status: "running", input: { a: 2, b: 3 } }]));
  gateway.push({ type: "tool_result", tool: "add", call_id: "c", result: 5 });
  await until(({ tools }) => expect(tools).toMatchObject([{ status: "completed", result: 5 }]));
  gateway.finish("5");
  await until(({ status }) => expect(status).toBe("done"));
});

test("the next question goes on in the conversation, and what was said stays", async () => {
  const { result, until, send } = open();
  await send("One");
  gateway.finish("1");
  await until(({ status }) => expect(status).toBe("done"));
  const [question] = result.current.messages;
  await send("Two");
  gateway.say("2");
  await until(({ text }) => expect(text).toBe("2"));
  expect(gateway.requests.at(-1)?.body).toEqual({ message: "Two", conversation: "chat-1" });
  expect(result.current.messages.map(({ role }) => role)).toEqual(["user", "assistant", "user", "assistant"]);
  expect(result.current.messages[0]).toBe(question);
});

test("while an answer is under way nothing else is asked", async () => {
  const { result, until, send } = open();
  await send("One");
  expect(result.current.send("Two")).toBe(false);
  gateway.finish("1");
  await until(({ status }) => expect(status).toBe("done"));
  expect(gateway.runs).toBe(1);
});

test("stop ends the run at the server, and what is there stays", async () => {
  const { result, until, send } = open();
  await send("Hi");
  gateway.say("Half an ans");
  await until(({ text }) => expect(text).toBe("Half an ans"));
  await act(() => result.current.stop());
  await until(({ status }) => expect(status).toBe("stopped"));
  expect(result.current.text).toBe("Half an ans");
  expect(gateway.requests.at(-1)).toMatchObject({ method: "DELETE", path: "/runs/run-1" });
});

test("a stop that comes before the run has a name is done as soon as it has one", async () => {
  gateway.reachable = false;
  const { result, until } = open({ attempts: 1000 });
  act(() => void result.current.send("Hi"));
  await until(({ status }) => expect(status).toBe("reconnecting"));
  await act(() => result.current.stop());
  gateway.reachable = true;
  await until(({ status }) => expect(status).toBe("stopped"));
  expect(gateway.runs).toBe(1);
});

test("a cut is shown, and mended without a word lost", async () => {
  const { result, drawn, until, send } = open({ attempts: 1000 });
  await send("Hi");
  gateway.say("One, ");
  await until(({ text }) => expect(text).toBe("One, "));
  gateway.reachable = false;
  gateway.cut();
  await until(({ status }) => expect(status).toBe("reconnecting"));
  expect(result.current.text).toBe("One, ");
  gateway.say("two");
  gateway.reachable = true;
  await until(({ status, text }) => expect([status, text]).toEqual(["streaming", "One, two"]));
  gateway.finish("One, two");
  await until(({ status }) => expect(status).toBe("done"));
  expect(drawn.some(({ error }) => error)).toBe(false);
});

test("when the client gives up it says so, and resume goes on", async () => {
  const { result, until, send } = open({ attempts: 2 });
  await send("Hi");
  gateway.say("One, ");
  await until(({ text }) => expect(text).toBe("One, "));
  gateway.reachable = false;
  gateway.cut();
  await until(({ status, error }) => expect([status, error?.code]).toEqual(["error", "connection_lost"]));
  gateway.reachable = true;
  gateway.say("two");
  act(() => result.current.resume());
  gateway.finish("One, two");
  await until(({ status, text, error }) => expect([status, text, error]).toEqual(["done", "One, two", null]));
  expect(gateway.runs).toBe(1);
});

test("a run that fails is an error, with the server's code", async () => {
  const { result, until, send } = open();
  await send("Hi");
  gateway.push({ type: "error", code: "rate_limited", message: "Too many." }, { type: "done", status: "failed" });
  await until(({ status }) => expect(status).toBe("error"));
  expect(result.current.error).toBeInstanceOf(RunFailed);
  expect(result.current.error?.code).toBe("rate_limited");
});

test("StrictMode mounts twice and asks once", async () => {
  const { until, send } = open({}, StrictMode);
  await send("Hi");
  gateway.say("Hello");
  gateway.finish("Hello");
  await until(({ status, text }) => expect([status, text]).toEqual(["done", "Hello"]));
  expect(gateway.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /chat"]);
});

test.each([undefined, StrictMode])("a reload reads on after what it had, and the run is not asked again", async (mode) => {
  const first = open({}, mode);
  await first.send("Hi");
  gateway.say("One, ");
  await first.until(({ text }) => expect(text).toBe("One, "));
  reload(first.unmount);
  await waitFor(() => expect(gateway.readers).toBe(0), WAIT);
  gateway.say("two, ");

  const second = open({}, mode);
  await second.until(({ text }) => expect(text).toBe("One, two, "));
  gateway.say("three");
  gateway.finish("One, two, three");
  await second.until(({ status, text }) => expect([status, text]).toEqual(["done", "One, two, three"]));
  expect(second.result.current.messages.map(({ text }) => text)).toEqual(["Hi", "One, two, three"]);
  expect(gateway.runs).toBe(1);
  expect(gateway.requests.at(-1)).toMatchObject({ path: "/runs/run-1/events", after: "0123456789abcdef-1" });
});

test("a reload before the server has answered asks with the same key, so that no second run is paid for", async () => {
  gateway.reachable = false;
  const first = open({ attempts: 1000 });
  act(() => void first.result.current.send("Hi"));
  await first.until(({ status }) => expect(status).toBe("reconnecting"));
  reload(first.unmount);
  gateway.reachable = true;
  const second = open();
  await waitFor(() => expect(gateway.readers).toBe(1), WAIT);
  gateway.finish("Hello");
  await second.until(({ status }) => expect(status).toBe("done"));
  expect(new Set(gateway.requests.map(({ key }) => key)).size).toBe(1);
});

test("a finished conversation is there after a reload, and nothing is asked for it", async () => {
  const first = open();
  await first.send("Hi");
  gateway.say("Hello");
  gateway.finish("Hello");
  await first.until(({ status }) => expect(status).toBe("done"));
  reload(first.unmount);
  const asked = gateway.requests.length;
  const second = open();
  await second.until(({ status }) => expect(status).toBe("done"));
  expect(second.result.current.messages.map(({ text }) => text)).toEqual(["Hi", "Hello"]);
  expect(gateway.requests.length).toBe(asked);
});

test("the storage is the caller's choice, and no access token is ever put there", async () => {
  const kept = new Map<string, string>();
  const storage = {
    getItem: (name: string) => kept.get(name) ?? null,
    setItem: (name: string, value: string) => void kept.set(name, value),
    removeItem: (name: string) => void kept.delete(name),
  };
  const { until, send } = open({ storage, storageKey: "mine", token: "tok-7f3a9c-secret" });
  await send("Hi");
  gateway.finish("Hello");
  await until(({ status }) => expect(status).toBe("done"));
  await waitFor(() => expect(kept.get("mine")).toContain("run-1"), WAIT);
  expect(kept.get("mine")).not.toContain("tok-7f3a9c-secret");
  expect(sessionStorage.length).toBe(0);
});

test.each(["", "{", "[]", '{"version":1}', '{"version":2,"messages":[]}'])("what cannot be read there is nothing: %j", async (kept) => {
  sessionStorage.setItem("streaming-lab-chat", kept);
  const { result, until, send } = open();
  expect(result.current.messages).toEqual([]);
  await send("Hi");
  gateway.finish("Hello");
  await until(({ status }) => expect(status).toBe("done"));
});

test("a storage that is full ends nothing", async () => {
  const full = () => {
    throw new DOMException("full", "QuotaExceededError");
  };
  const { until, send } = open({ storage: { getItem: () => null, setItem: full, removeItem: full } });
  await send("Hi");
  gateway.finish("Hello");
  await until(({ status }) => expect(status).toBe("done"));
});

test("however many events arrive, it is drawn at most once per animation frame", async () => {
  let frames = 0;
  let counting = true;
  const count = () => {
    frames += 1;
    if (counting) requestAnimationFrame(count);
  };
  const { result, drawn, until, send } = open();
  await send("Hi");
  await until(({ status }) => expect(status).toBe("thinking"));
  const before = drawn.length;
  requestAnimationFrame(count);
  const words = Array.from({ length: 3000 }, (_, number) => `${number} `);
  for (let from = 0; from < words.length; from += 30) {
    gateway.say(...words.slice(from, from + 30));
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  gateway.finish(words.join(""));
  await until(({ status }) => expect(status).toBe("done"));
  counting = false;
  expect(result.current.text).toBe(words.join(""));
  const draws = drawn.length - before;
  expect(draws).toBeGreaterThan(1);
  expect(draws).toBeLessThanOrEqual(frames + 2);
});

test("leaving the page closes its connection, and the run goes on", async () => {
  const { unmount, send } = open();
  await send("Hi");
  unmount();
  await waitFor(() => expect(gateway.readers).toBe(0), WAIT);
  expect(gateway.requests.some(({ method }) => method === "DELETE")).toBe(false);
});

test("reset forgets everything and stops what is under way", async () => {
  const { result, until, send } = open();
  await send("Hi");
  await until(({ runId }) => expect(runId).toBe("run-1"));
  act(() => result.current.reset());
  await until(({ status, messages }) => expect([status, messages]).toEqual(["idle", []]));
  await waitFor(() => expect(gateway.requests.at(-1)?.method).toBe("DELETE"), WAIT);
  expect(sessionStorage.length).toBe(0);
  act(() => void result.current.send("Anew"));
  await waitFor(() => expect(gateway.runs).toBe(2), WAIT);
  expect(gateway.requests.at(-1)?.body).toEqual({ message: "Anew" });
});

test("on a server the page is drawn empty", () => {
  const Page = () => <p>{useChatStream({ url: "/api" }).status}</p>;
  expect(renderToString(<Page />)).toBe("<p>idle</p>");
});
