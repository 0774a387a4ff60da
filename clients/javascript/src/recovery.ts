/** Another attempt, or the error that says why there is none. */

import { connectionLost, Passing } from "./errors.js";
import type { RequestOptions } from "./options.js";
import { Patience } from "./patience.js";

/** Milliseconds until the next attempt. Throws what no further attempt can mend, or the signal's reason. */
export function another(error: unknown, patience: Patience, signal: AbortSignal | undefined): number {
  signal?.throwIfAborted();
  const wait = error instanceof Passing ? patience.next(error.retryAfter) : null;
  if (wait === null) throw error;
  return wait;
}

/** What the action answers, tried again for as long as that may help. */
export async function persist<T>(options: RequestOptions, action: () => Promise<T>): Promise<T> {
  const patience = new Patience(options);
  for (;;) {
    try {
      return await action();
    } catch (error) {
      await pause(another(error, patience, options.signal), options.signal);
    }
  }
}

/** What a broken connection throws, as an error of ours; anything else as it is. An abort is known by its name. */
export function asLost(error: unknown, signal: AbortSignal | undefined, message?: string): unknown {
  if (signal?.aborted) return signal.reason;
  const broken = error instanceof TypeError || (error as { name?: unknown } | null)?.name === "AbortError";
  return broken ? connectionLost(message) : error;
}

/** Throws the signal's reason. */
export async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", leave, { once: true });
  });
}
