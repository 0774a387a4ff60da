/** How long to wait between attempts, and when to give up. No I/O. */

import type { RetryOptions } from "./types.js";

const LONGEST_RETRY_AFTER = 60; // seconds; a server that asks for more is not waited for

export class RetryPolicy {
  readonly #options: RetryOptions;
  readonly #random: () => number;
  #failures = 0; // in a row
  #progressed = false; // since the last failure

  constructor(options: RetryOptions = {}, random = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** Note that something new came: the failures before it do not count any more, nor does the next one. */
  progress(): void {
    this.#progressed = true;
  }

  /**
   * Return the milliseconds until the next attempt, null when there is none. Full jitter, so that clients that lost one
   * server do not come back together; never before `retryAfter` seconds, if the server named them.
   */
  next(retryAfter = 0): number | null {
    const { attempts = 8, firstWait = 500, longestWait = 10_000 } = this.#options;
    this.#failures = this.#progressed ? 0 : this.#failures + 1;
    this.#progressed = false;
    if (this.#failures >= attempts || retryAfter > LONGEST_RETRY_AFTER) return null;
    const ceiling = Math.min(longestWait, firstWait * 2 ** Math.max(0, this.#failures - 1));
    return retryAfter * 1000 + this.#random() * ceiling;
  }
}
