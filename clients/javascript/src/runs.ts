/** What one can do with runs, each in one call. */

import { foreignAnswer } from "./foreign.js";
import { Gateway, questionCall, runPath } from "./gateway.js";
import { RunReader } from "./reader.js";
import { withRetries } from "./recovery.js";
import { RunStream } from "./stream.js";
import type { ChatOptions, FollowOptions, RequestOptions, StartedRun, StartOptions } from "./types.js";

const STOPPED = [202, 204]; // the latter: it had ended already

/** Ask, and follow the answer. Nothing is sent before the loop begins. */
export function chat(url: string, options: ChatOptions): RunStream {
  return new RunStream(url, options, new RunReader(), questionCall(options));
}

/** Follow a run from its beginning, or from after an event. */
export function follow(url: string, runId: string, options: FollowOptions = {}): RunStream {
  return new RunStream(url, options, new RunReader(runId, options.after));
}

/** Ask, and get the run to follow. A run that nobody follows for a minute is stopped. */
export async function start(url: string, options: StartOptions): Promise<StartedRun> {
  const gateway = new Gateway(url, options);
  const question = { ...questionCall(options), signal: options.signal };
  return withRetries(gateway, options, () => gateway.start(question));
}

/** Stop a run at the model. What it wrote so far stays, and all who follow it see its end. */
export async function stop(url: string, runId: string, options: RequestOptions = {}): Promise<void> {
  const gateway = new Gateway(url, options);
  await withRetries(gateway, options, async () => {
    const answer = await gateway.call("DELETE", runPath(runId), { signal: options.signal });
    if (!STOPPED.includes(answer.status)) throw foreignAnswer(url, answer);
  });
}
