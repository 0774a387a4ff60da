/** Where a reader of one run stands. No I/O: messages in, events out, each event once and in order. */

import { protocolError } from "./errors.js";
import type { Gap, RunEvent, Snapshot, StreamEvent, TextDelta } from "./events.js";
import type { Message } from "./types.js";

const LOGGED = "thinking text_delta tool_call tool_result final_answer error retry done";
/** Any other name says nothing of the run (`close`, `drain`), or comes from a newer server. */
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

  /** Return the event that the message adds to what was read, if it adds any. Throws ProtocolError. */
  take({ id, event, data }: Message): StreamEvent | null {
    if (!KNOWN.has(event)) return this.#skip(id);
    if (Object(data) !== data) throw noEvent(); // no object
    switch (event) {
      case "open":
        this.runId ??= (data as Opening).run_id;
        this.conversation = (data as Opening).conversation ?? this.conversation;
        return null;
      case "gap":
        return { type: "gap", after: wholeNumber((data as Gap).after), seq: wholeNumber((data as Gap).seq) };
      case "snapshot":
        this.#seq = wholeNumber((data as Snapshot).seq);
        return { ...(data as Snapshot), type: "snapshot" };
      default:
        return this.#advance(id, data as RunEvent);
    }
  }

  #advance(id: string | undefined, event: RunEvent): RunEvent | null {
    const seq = wholeNumber(event.seq);
    if (seq <= this.#seq) return null;
    this.#step(id, seq, (event as Partial<TextDelta>).seq_from ?? seq);
    this.done = event.type === "done";
    return event;
  }

  /** Count a message of an unknown name, which still has its place in the log. */
  #skip(id: string | undefined): null {
    const seq = seqOf(id);
    if (seq > this.#seq) this.#step(id, seq, seq);
    return null;
  }

  /** Move on to `seq`. Throws when an event in between is missing, which another connection brings. */
  #step(id: string | undefined, seq: number, from: number): void {
    if (from !== this.#seq + 1) throw protocolError(`Event ${this.#seq + 1} is missing.`);
    this.#seq = seq;
    if (id) this.position = id;
  }
}

/** Return the seq of a resume token `epoch-seq`; 0 of anything else, which the server then refuses. */
function seqOf(token = ""): number {
  return Number(/^[0-9a-f]+-(\d{1,15})$/.exec(token)?.[1] ?? 0);
}

function wholeNumber(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw noEvent();
}

const noEvent = (): Error => protocolError("What came is no event of a run.");
