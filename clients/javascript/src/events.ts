/** What a run says, as it stands on the wire: one interface for each type, and one union that names them all. */

export type Status = "completed" | "stopped" | "failed" | "lost";

/**
 * Tokens of one run. `estimated` is true when the model's server did not report them. `output_tokens` is all that the
 * model wrote; `reasoning_tokens` of them were reasoning, and it is absent when that is not known. Likewise
 * `cached_tokens` of the input were read out of the server's cache, and `cache_write_tokens` put into it.
 */
export interface Usage {
  input_tokens: number;
  output_tokens: number;
  estimated: boolean;
  reasoning_tokens?: number;
  cached_tokens?: number;
  cache_write_tokens?: number;
}

/** `seq` counts 1, 2, 3 … within the run; `at` is seconds since it began; `step` is the model's turn within it. */
interface Logged {
  seq: number;
  at: number;
  step: number;
}

/** With `seq_from` it stands for those of its type from `seq_from` to `seq`, merged for a reader that was behind. */
interface Piece extends Logged {
  content: string;
  seq_from?: number;
}

/** With the `state` "begun", the first event of a run, it says that work has begun, and has no content. */
export interface Thinking extends Piece {
  type: "thinking";
  state?: string;
}

export interface TextDelta extends Piece {
  type: "text_delta";
}

export interface ToolCall extends Logged {
  type: "tool_call";
  tool: string;
  call_id: string;
  input: unknown;
}

/** `status` is "failed" when the tool did, "stopped" when the run was stopped meanwhile. */
export interface ToolResult extends Logged {
  type: "tool_result";
  tool: string;
  call_id: string;
  result: unknown;
  status?: Status;
}

/** The answer: the text_deltas of the last step since its last `retry`, joined. */
export interface FinalAnswer extends Logged {
  type: "final_answer";
  content: string;
}

/** An attempt failed with `code`, and what it wrote is void; the next begins after `wait` seconds. */
export interface Retry extends Logged {
  type: "retry";
  code: string;
  wait?: number;
}

/**
 * `message` is a sentence for people, which only servers of before might leave out; `detail` is what the model's server
 * itself said, where it said something.
 */
export interface RunError extends Logged {
  type: "error";
  code: string;
  message?: string;
  detail?: string;
}

/** The last event of every run. `code` says why it ended as it did, where there is something to say. */
export interface Done extends Logged {
  type: "done";
  status: Status;
  code?: string;
  usage?: Usage;
}

/** What stands in a run's log. */
export type RunEvent = Thinking | TextDelta | ToolCall | ToolResult | FinalAnswer | Retry | RunError | Done;

/** The events after `after` up to `seq` cannot be had any more. A snapshot comes next. */
export interface Gap {
  type: "gap";
  after: number;
  seq: number;
}

/** What all events up to `seq` amount to. It replaces what the reader has. */
export interface Snapshot {
  type: "snapshot";
  seq: number;
  step: number;
  text: string;
  tools: ToolResult[];
}

export type StreamEvent = RunEvent | Gap | Snapshot;
