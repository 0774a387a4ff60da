/** What one can do with runs, each in one call. */

import type { StartedRun } from "./gateway.js";
import { Gateway, runPath } from "./gateway.js";
import { asking, type ChatOptions, type FollowOptions, type RequestOptions, type StartOptions } from "./options.js";
import { RunReader } from "./reader.js";
import { persist } from "./recovery.js";
import { RunStream } from "./stream.js";

/** Ask, and follow the answer. Nothing is sent before the loop begins. */
export function chat(url: string, options: ChatOptions): RunStream {
  return new RunStream(url, options, new RunReader(), asking(options));
}

/** Follow a run from its beginning, or from after an event. */
export function follow(url: string, runId: string, options: FollowOptions = {}): RunStream {
  return new RunStream(url, options, new RunReader(runId, options.after));
}

/** Ask, and get the run to follow. A run that nobody follows for a minute is stopped. */
export async function start(url: string, options: StartOptions): Promise<StartedRun> {
  const gateway = new Gateway(url, options);
  const question = { ...asking(options), signal: options.signal };
  return persist(gateway, options, () => gateway.start(question));
}

/** Stop a run at the model. What it wrote so far stays, and all who follow it see its end. */
export async function stop(url: string, runId: string, options: RequestOptions = {}): Promise<void> {
  const gateway = new Gateway(url, options);
  await persist(gateway, options, () => gateway.call("DELETE", runPath(runId), { signal: options.signal }));
}
