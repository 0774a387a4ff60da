/** What follows a failure: another attempt, or the error that says why there is none. */

import { TransientError } from "./errors.js";
import type { Gateway } from "./gateway.js";
import { RetryPolicy } from "./retry.js";
import type { RequestOptions, StreamOptions } from "./types.js";
import { onWake } from "./wake.js";

/**
 * Wait until another attempt is due, or until the network or the page is back, if it is not the server that wants to be
 * left alone; not at all where another token can replace the one that was refused. Throws the
 * failure when no further attempt can help, or the signal's reason.
 */
export async function recover(
  failure: unknown,
  gateway: Gateway,
  policy: RetryPolicy,
  { signal, onConnection }: Pick<StreamOptions, "signal" | "onConnection">,
): Promise<void> {
  signal?.throwIfAborted();
  if (gateway.replaceToken(failure)) return;
  const wait = failure instanceof TransientError ? policy.next(failure.retryAfter) : null;
  if (wait === null) throw failure;
  onConnection?.("waiting");
  const wake = failure instanceof TransientError && !failure.retryAfter ? () => policy.progress() : null;
  return sleep(wait, signal, wake);
}

/** Repeat the action until it succeeds, or until no further attempt can help. */
export async function withRetries<T>(gateway: Gateway, options: RequestOptions, action: () => Promise<T>): Promise<T> {
  const policy = new RetryPolicy(options);
  for (;;) {
    try {
      return await action();
    } catch (error) {
      await recover(error, gateway, policy, options);
    }
  }
}

/** Sleep for so long, or until the page wakes, which is told if that is of interest. Throws the signal's reason. */
async function sleep(milliseconds: number, signal: AbortSignal | undefined, woken: (() => void) | null): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      unwatch?.();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    const unwatch = woken && onWake(() => (woken(), end()));
    signal?.addEventListener("abort", end);
  });
  signal?.throwIfAborted();
}
