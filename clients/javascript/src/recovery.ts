/** What follows a failure: another attempt, or the error that says why there is none. */

import { connectionLost, Passing } from "./errors.js";
import type { Gateway } from "./gateway.js";
import type { RequestOptions, StreamOptions } from "./options.js";
import { Patience } from "./patience.js";

/**
 * Resolves when another attempt is due: at once where a token was refused that another can replace. Throws what no
 * further attempt can mend, or the signal's reason.
 */
export async function recover(
  failure: unknown,
  gateway: Gateway,
  patience: Patience,
  { signal, onConnection }: Pick<StreamOptions, "signal" | "onConnection">,
): Promise<void> {
  signal?.throwIfAborted();
  if (gateway.expire(failure)) return;
  const wait = failure instanceof Passing ? patience.next(failure.retryAfter) : null;
  if (wait === null) throw failure;
  onConnection?.("waiting");
  return pause(wait, signal);
}

/** What the action answers, tried again for as long as that may help. */
export async function persist<T>(gateway: Gateway, options: RequestOptions, action: () => Promise<T>): Promise<T> {
  const patience = new Patience(options);
  for (;;) {
    try {
      return await action();
    } catch (error) {
      await recover(error, gateway, patience, options);
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
function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const leave = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", leave);
  });
}
