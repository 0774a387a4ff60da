/** For who wants only the text. */

import { RunFailed } from "./errors.js";
import type { Done, RunError, StreamEvent } from "./events.js";
import { Transcript } from "./transcript.js";

/**
 * The text so far, whenever it has changed. The whole text and no pieces of it, because it can also become shorter:
 * a retry voids it. Throws RunFailed when the run came to nothing.
 */
export async function* text(stream: AsyncIterable<StreamEvent>): AsyncGenerator<string, void> {
  const transcript = new Transcript();
  let last = "";
  for await (const event of stream) {
    transcript.observe(event);
    if (transcript.text !== last) yield (last = transcript.text);
  }
  const failure = failed(transcript.done, transcript.error);
  if (failure) throw failure;
}

/** The error that a run's end means, if it means one. */
export function failed(done: Done | undefined, error: RunError | undefined): RunFailed | null {
  if (done?.status !== "failed" && done?.status !== "lost") return null;
  const code = error?.code ?? done.code ?? "internal";
  return new RunFailed({ code, message: error?.message ?? "The answer could not be completed." });
}
