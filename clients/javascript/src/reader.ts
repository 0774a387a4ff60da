/** Where a reader of one run stands. No I/O: messages in, events out, each event once and in order. */

import type { RunEvent, Snapshot, StreamEvent, TextDelta } from "./events.js";
import { protocolError } from "./errors.js";

/** One message of any protocol. `id` is the resume token; control messages have none. */
export interface Message {
  id?: string | undefined;
  event: string;
  data: unknown;
}

const LOGGED = "thinking text_delta tool_call tool_result final_answer error retry done";
/** Others say nothing of the run (`close`, `drain`), or come from newer servers. */
const KNOWN = new Set(`${LOGGED} open gap snapshot`.split(" "));

interface Opening {
  run_id: string;
  conversation: string | null;
}

export class RunReader {
  runId: string | undefined;
  /** of the question's conversation; send it with the next question to go on */
  conversation: string | undefined;
  /** the resume token of the last event that had one */
  position: string | undefined;
  done = false;
  #seq: number;

  constructor(runId?: string, after?: string) {
    this.runId = runId;
    this.position = after;
    this.#seq = seqOf(after);
  }

  /** The event that the message adds to what was read, if it adds any. Throws ProtocolError. */
  take({ id, event, data }: Message): StreamEvent | null {
    if (!KNOWN.has(event)) return this.#pass(id);
    if (!isObject(data)) throw noEvent();
    switch (event) {
      case "open":
        this.runId ??= (data as unknown as Opening).run_id;
        this.conversation = (data as unknown as Opening).conversation ?? this.conversation;
        return null;
      case "gap":
        return { type: "gap", after: whole(data["after"]), seq: whole(data["seq"]) };
      case "snapshot":
        this.#seq = whole(data["seq"]);
        return { ...(data as unknown as Snapshot), type: "snapshot" };
      default:
        return this.#advance(id, data as unknown as RunEvent);
    }
  }

  #advance(id: string | undefined, event: RunEvent): RunEvent | null {
    const seq = whole(event.seq);
    if (seq <= this.#seq) return null;
    this.#step(id, seq, (event as Partial<TextDelta>).seq_from ?? seq);
    this.done = event.type === "done";
    return event;
  }

  /** A message of an unknown name still has its place in the log. */
  #pass(id: string | undefined): null {
    const seq = seqOf(id);
    if (seq > this.#seq) this.#step(id, seq, seq);
    return null;
  }

  /** What does not begin where the reader stands is not taken: coming back from there mends it. */
  #step(id: string | undefined, seq: number, from: number): void {
    if (from !== this.#seq + 1) throw protocolError(`Event ${this.#seq + 1} is missing.`);
    this.#seq = seq;
    if (id) this.position = id;
  }
}

function isObject(data: unknown): data is Record<string, unknown> {
  return typeof data === "object" && data !== null;
}

/** The seq of a resume token `epoch-seq`; 0 of anything else, which the server then refuses. */
function seqOf(token = ""): number {
  return Number(/^[0-9a-f]+-(\d{1,15})$/.exec(token)?.[1] ?? 0);
}

function whole(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw noEvent();
}

const noEvent = (): Error => protocolError("What came is no event of a run.");
