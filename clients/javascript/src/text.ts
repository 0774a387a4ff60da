/** Only the text of a stream. */

import { RunFailed } from "./errors.js";
import type { Done, RunError, StreamEvent } from "./events.js";
import { Transcript } from "./transcript.js";

/**
 * Yield the text so far, whenever it has changed. It is the whole text and not a piece, because it can also become
 * shorter: a retry voids it. Throws RunFailed when the run failed.
 */
export async function* text(stream: AsyncIterable<StreamEvent>): AsyncGenerator<string, void> {
  const transcript = new Transcript();
  let last = "";
  for await (const event of stream) {
    transcript.observe(event);
    if (transcript.text !== last) yield (last = transcript.text);
  }
  const failure = runFailure(transcript.done, transcript.error);
  if (failure) throw failure;
}

/** Return the error that a run's end means, if it means one. */
export function runFailure(done: Done | undefined, error: RunError | undefined): RunFailed | null {
  if (done?.status !== "failed" && done?.status !== "lost") return null;
  const code = error?.code ?? done.code ?? "internal";
  return new RunFailed({ code, message: error?.message ?? "The answer could not be completed." });
}
