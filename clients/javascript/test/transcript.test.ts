import { expect, test } from "vitest";
import { RunFailed, text, Transcript, type Snapshot, type StreamEvent } from "../src/index.js";
import { events } from "./recorded.js";

function sumOf(some: unknown[]): Transcript {
  const transcript = new Transcript();
  for (const event of some as StreamEvent[]) transcript.observe(event);
  return transcript;
}

test("the text that counts is that of the last step since its last retry", () => {
  const { text, done } = sumOf(events);
  expect(text).toBe("It is 三 🙂\n");
  expect(done?.status).toBe("completed");
});

test("a call and its result are one, in the order of the calls, also when results come late", () => {
  const { tools } = sumOf(events.filter((event) => (event as unknown as StreamEvent).type !== "retry"));
  expect(tools).toEqual([
    { id: "c1", tool: "add", input: { a: 1, b: 2 }, result: 3, status: "completed" },
    { id: "c2", tool: "clock", input: {}, result: "12:00", status: "failed" },
  ]);
});

test("a retry voids what the attempt thought, wrote and called", () => {
  const until = events.findIndex((event) => (event as unknown as StreamEvent).type === "retry");
  expect(sumOf(events.slice(0, until + 1))).toMatchObject({ text: "", thinking: "", tools: [] });
});

test("a snapshot replaces what was there", () => {
  const result = { type: "tool_result", seq: 2, at: 0, step: 1, tool: "add", call_id: "c9", result: 3 } as const;
  const snapshot: Snapshot = { type: "snapshot", seq: 8, step: 2, text: "So far", tools: [result] };
  const more = { type: "text_delta", seq: 9, at: 0, step: 2, content: ", so good" };
  expect(sumOf([...events.slice(0, 4), { type: "gap", after: 5, seq: 8 }, snapshot, more])).toMatchObject({
    text: "So far, so good",
    thinking: "",
    tools: [{ id: "c9", tool: "add", result: 3, status: "completed" }],
  });
});

test("a transcript that was kept as JSON goes on where it was", () => {
  for (let cut = 0; cut <= events.length; cut += 1) {
    const kept = Object.assign(new Transcript(), JSON.parse(JSON.stringify(sumOf(events.slice(0, cut)))));
    for (const event of events.slice(cut)) kept.observe(event as unknown as StreamEvent);
    expect(kept).toEqual(sumOf(events));
  }
});

async function textsOf(some: unknown[]): Promise<string[]> {
  async function* stream() {
    for (const event of some) yield event as StreamEvent;
  }
  const texts: string[] = [];
  for await (const soFar of text(stream())) texts.push(soFar);
  return texts;
}

test("text() gives the whole text at each change, also when it becomes shorter", async () => {
  const texts = await textsOf(events);
  expect(texts).toEqual(["One mo", "One moment: \u2028 data: ", "void", "", "It is 三", "It is 三 🙂\n"]);
});

test("text() of a run that failed throws why", async () => {
  const failure = [
    { type: "error", seq: 1, at: 0, step: 1, code: "rate_limited", message: "Too many." },
    { type: "done", seq: 2, at: 0, step: 1, status: "failed" },
  ];
  await expect(textsOf(failure)).rejects.toThrow(RunFailed);
  await expect(textsOf(failure)).rejects.toMatchObject({ code: "rate_limited", message: "Too many." });
});

test("that work has begun is no part of the reasoning, nor of the text", () => {
  const begun: StreamEvent = { type: "thinking", seq: 1, at: 0, step: 1, content: "", state: "begun" };
  expect(sumOf([begun])).toEqual(sumOf([]));
});
