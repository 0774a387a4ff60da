/** What follows a failure: another attempt, or the error that says why there is none. */

import { TransientError } from "./errors.js";
import type { Gateway } from "./gateway.js";
import { RetryPolicy } from "./retry.js";
import type { RequestOptions, StreamOptions } from "./types.js";

/**
 * Wait until another attempt is due; not at all where another token can replace the one that was refused. Throws the
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
  return sleep(wait, signal);
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

/** Throws the signal's reason. */
function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", abort);
  });
}
