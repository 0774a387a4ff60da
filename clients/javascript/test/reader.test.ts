import { describe, expect, test } from "vitest";
import { ProtocolError, type StreamEvent } from "../src/index.js";
import { RunReader } from "../src/reader.js";
import { SseDecoder } from "../src/sse.js";
import { bytesAfter, EPOCH, events } from "./recorded.js";

function read(reader: RunReader, pieces: Uint8Array[]): StreamEvent[] {
  const decoder = new SseDecoder();
  const messages = pieces.flatMap((piece) => decoder.decode(piece));
  return messages.map((message) => reader.take(message)).filter((event) => event !== null);
}

const WHOLE = JSON.stringify(events);
const seqOf = (position: string | undefined): number => Number(position?.split("-")[1] ?? 0);

test("a stream that is cut at any byte and resumed is read whole, and nothing twice", () => {
  const whole = bytesAfter(0);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const reader = new RunReader();
    const before = read(reader, [whole.slice(0, cut)]);
    const after = reader.done ? [] : read(reader, [bytesAfter(seqOf(reader.position))]);
    expect(JSON.stringify([...before, ...after]), `cut at byte ${cut}`).toBe(WHOLE);
    expect(reader.done).toBe(true);
  }
});

test("a stream in two pieces is the same wherever it is divided", () => {
  const whole = bytesAfter(0);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const got = read(new RunReader(), [whole.slice(0, cut), whole.slice(cut)]);
    expect(JSON.stringify(got), `at byte ${cut}`).toBe(WHOLE);
  }
});

test.each(["\n", "\r\n", "\r"])("a line may end with %j, and an event is there as soon as its last byte is", (end) => {
  const text = new TextDecoder().decode(bytesAfter(0)).replaceAll("\n", end);
  const decoder = new SseDecoder();
  const reader = new RunReader();
  const got = [...new TextEncoder().encode(text)].flatMap((byte) =>
    decoder.decode(Uint8Array.of(byte)).map((message) => reader.take(message)),
  );
  expect(got.filter((event) => event !== null)).toEqual(events);
});

test("what overlaps with the last connection is dropped, whatever it overlaps with", () => {
  for (let seen = 0; seen <= 14; seen += 1) {
    for (let again = 0; again <= seen; again += 1) {
      const reader = new RunReader();
      const taken = events.filter(({ seq }) => seq <= seen);
      const repeated = events.filter(({ seq }) => seq > again);
      const got = [...taken, ...repeated].map((event) => reader.take(message(event)));
      expect(got.filter((event) => event !== null)).toEqual(events);
    }
  }
});

describe("a break in the numbers is refused, so that the client comes back from where it stands:", () => {
  test("an event is missing", () => {
    const reader = new RunReader();
    reader.take(message(events[0]!));
    expect(() => reader.take(message(events[2]!))).toThrow(ProtocolError);
    expect(reader.position).toBe(`${EPOCH}-1`);
  });

  test("a merged delta begins within what was read", () => {
    const reader = new RunReader("r", `${EPOCH}-3`);
    const merged = { type: "text_delta", seq: 5, seq_from: 3, at: 0, step: 1, content: "" };
    expect(() => reader.take(message(merged))).toThrow(ProtocolError);
  });
});

test("a snapshot is where the reader stands, forwards and backwards", () => {
  const reader = new RunReader("r", `${EPOCH}-9`);
  expect(reader.take({ event: "gap", data: { after: 9, seq: 0 } })).toEqual({ type: "gap", after: 9, seq: 0 });
  reader.take({ event: "snapshot", data: { seq: 0, step: 1, text: "", tools: [] } });
  expect(reader.take(message(events[0]!))).toEqual(events[0]);
  expect(reader.position).toBe(`${EPOCH}-1`);
});

test("what a newer server may send is passed over, and counted where it stands in the log", () => {
  const reader = new RunReader();
  expect(reader.take({ event: "rumour", data: "?" })).toBeNull();
  expect(reader.take({ event: "picture", id: `${EPOCH}-1`, data: "?" })).toBeNull();
  expect(reader.take(message(events[1]!))).toEqual(events[1]);
});

test.each([
  { event: "text_delta", data: undefined },
  { event: "text_delta", data: [] },
  { event: "text_delta", id: `${EPOCH}-1`, data: { seq: "1" } },
  { event: "snapshot", data: { seq: -1 } },
  { event: "gap", data: null },
])("data that are not what the protocol says are refused: $event $data", (broken) => {
  expect(() => new RunReader().take(broken)).toThrow(ProtocolError);
});

function message(event: { seq: number }) {
  return { id: `${EPOCH}-${event.seq}`, event: (event as unknown as { type: string }).type, data: event };
}
