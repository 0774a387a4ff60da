/** What a chat shows. Objects are never changed: what is different is a new object. */

import type { StreamingLabError } from "../errors.js";
import type { ToolUse, Transcript } from "../transcript.js";
import type { Turn } from "./turn.js";

/**
 * "thinking": asked, and no text yet; "streaming": text arrives; "reconnecting": the connection was lost and comes back
 * by itself; "error": see `error`; when the connection was given up, `resume()` goes on.
 */
export type ChatStatus = "idle" | "thinking" | "streaming" | "reconnecting" | "done" | "error" | "stopped";

export interface ChatMessage {
  id: string;
  role: "user" | "assistant";
  text: string;
  /** what the model thought aloud */
  thinking: string;
  tools: readonly ToolUse[];
  /** of an answer; a question is "done" */
  status: ChatStatus;
  /** why the answer ended as it did, where the server says so: "length", "unwatched", … */
  code?: string | undefined;
}

/** `text` and `tools` are those of the last answer, so far. */
export interface ChatState {
  messages: readonly ChatMessage[];
  text: string;
  tools: readonly ToolUse[];
  status: ChatStatus;
  error: StreamingLabError | null;
  runId: string | undefined;
  conversation: string | undefined;
}

export const EMPTY: ChatState = {
  messages: [],
  text: "",
  tools: [],
  status: "idle",
  error: null,
  runId: undefined,
  conversation: undefined,
};

/** Return the message that shows a turn's question. */
export function questionMessage({ id, question: { message, messages } }: Turn): ChatMessage {
  const text = message ?? messages?.at(-1)?.content ?? "";
  return { id: `${id}-question`, role: "user", text, thinking: "", tools: [], status: "done" };
}

/** Return the message that shows a turn's answer so far. */
export function answerMessage({ id, transcript: { text, thinking, tools, done } }: Turn, status: ChatStatus): ChatMessage {
  return { id, role: "assistant", text, thinking, tools, status, code: done?.code };
}

/** Return whether an answer of this status goes on. */
export function isLive(status: ChatStatus): boolean {
  return status === "thinking" || status === "streaming" || status === "reconnecting";
}

const STATUS_OF_END = { completed: "done", stopped: "stopped", failed: "error", lost: "error" } as const;

/** Return the status that a turn's events amount to. */
export function statusOf({ done, text }: Transcript): ChatStatus {
  if (done) return STATUS_OF_END[done.status];
  return text ? "streaming" : "thinking";
}
