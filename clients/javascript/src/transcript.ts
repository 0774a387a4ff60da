/** What the events of one run amount to: text, thinking, tools, how it ended. No I/O. */

import type { Done, RunError, Status, StreamEvent, ToolResult } from "./events.js";

/** A tool's call and, once it is there, its result. `input` is unknown when only the result could be had. */
export interface ToolUse {
  id: string;
  tool: string;
  input: unknown;
  result: unknown;
  status: "running" | Status;
}

/** Sums up the events of one run. Its fields are plain data, so that it can be kept as JSON. */
export class Transcript {
  /** the text that counts: of the current step, since the last retry */
  text = "";
  thinking = "";
  /** a new array whenever one of them changes */
  tools: readonly ToolUse[] = [];
  error: RunError | undefined;
  done: Done | undefined;
  step = 1;

  /** Add one event. */
  observe(event: StreamEvent): void {
    if (event.type === "gap") return;
    // A retry voids the text of its step, and so does the next step. A tool's result may come late, of a step before.
    if (event.type === "retry" || (event.type !== "tool_result" && event.step !== this.step)) {
      this.step = event.step;
      this.text = "";
    }
    switch (event.type) {
      case "text_delta":
        this.text += event.content;
        break;
      case "thinking":
        this.thinking += event.content;
        break;
      case "tool_call":
        this.tools = [...this.tools, { ...running, id: event.call_id, tool: event.tool, input: event.input }];
        break;
      case "tool_result":
        this.tools = withResult(this.tools, event);
        break;
      case "retry":
        this.thinking = "";
        this.tools = [];
        break;
      case "snapshot":
        this.text = event.text;
        this.thinking = "";
        this.tools = event.tools.reduce(withResult, []);
        break;
      case "error":
        this.error = event;
        break;
      case "done":
        this.done = event;
    }
  }
}

const running = { result: undefined, status: "running" } as const;

/** Add a result to its call, or alone where the call is not known. */
function withResult(tools: readonly ToolUse[], { call_id: id, tool, result, status = "completed" }: ToolResult): ToolUse[] {
  const known = tools.some((use) => use.id === id) ? tools : [...tools, { ...running, id, tool, input: undefined }];
  return known.map((use) => (use.id === id ? { ...use, result, status } : use));
}
