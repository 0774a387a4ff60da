/** A run with everything in it, as the gateway sends it. */

export const EPOCH = "0123456789abcdef";

const EVENTS: Record<string, unknown>[] = [
  { type: "thinking", step: 1, content: "日本語で考える" },
  { type: "text_delta", step: 1, content: "One mo" },
  { type: "text_delta", step: 1, seq_from: 3, content: "ment: \u2028 data: " },
  { type: "tool_call", step: 1, tool: "add", call_id: "c1", input: { a: 1, b: 2 } },
  { type: "tool_call", step: 1, tool: "clock", call_id: "c2", input: {} },
  { type: "tool_result", step: 1, tool: "clock", call_id: "c2", result: "12:00", status: "failed" },
  { type: "text_delta", step: 2, content: "void" },
  { type: "tool_result", step: 1, tool: "add", call_id: "c1", result: 3 },
  { type: "retry", step: 2, code: "connection_lost", wait: 0.1 },
  { type: "text_delta", step: 2, content: "It is 三" },
  { type: "text_delta", step: 2, content: " 🙂\n" },
  { type: "final_answer", step: 2, content: "It is 三 🙂\n" },
  { type: "done", step: 2, status: "completed", usage: { input_tokens: 1, output_tokens: 2, estimated: true } },
];

/** The events with their numbers; the third stands for two. */
export const events = EVENTS.map((event, number) => {
  const seq = number < 2 ? number + 1 : number + 2;
  return { ...event, seq, at: seq / 10 };
});

/** The stream as bytes, from after the event of this seq. A comment and an empty event stand in it too. */
export function bytesAfter(seq: number): Uint8Array {
  const open = `retry: 1000\n\nevent: open\ndata: {"run_id":"r","epoch":"${EPOCH}","conversation":"c","model":"demo"}\n\n`;
  const rest = events.filter((event) => event.seq > seq);
  const lines = rest.map((event) => {
    const type = (event as unknown as { type: string }).type;
    return `: alive\n\nid: ${EPOCH}-${event.seq}\nevent: ${type}\ndata: ${JSON.stringify(event)}\n\ndata:\n\n`;
  });
  return new TextEncoder().encode(open + lines.join(""));
}
