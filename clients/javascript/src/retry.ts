/** How long to wait between attempts, and when to give up. No I/O. */

export interface PatienceOptions {
  /** attempts in a row that bring nothing new until the client gives up; 8 by default */
  attempts?: number | undefined;
  /** milliseconds of the first wait at most, doubled for each that follows; 500 by default */
  firstWait?: number | undefined;
  /** milliseconds of any wait at most; 10 000 by default */
  longestWait?: number | undefined;
}

const LONGEST_ASKED = 60; // seconds; a server that asks for more is not waited for

export class Patience {
  readonly #options: PatienceOptions;
  readonly #random: () => number;
  #failures = 0; // in a row
  #brought = false; // something new, since the last failure

  constructor(options: PatienceOptions = {}, random = Math.random) {
    this.#options = options;
    this.#random = random;
  }

  /** Something new came: what failed before does not count any more, nor does it that this attempt will end. */
  progress(): void {
    this.#brought = true;
  }

  /**
   * Milliseconds until the next attempt, null when there is none. Full jitter, so that clients that lost one server
   * do not come back together; never before `retryAfter` seconds, if the server named them.
   */
  next(retryAfter = 0): number | null {
    const { attempts = 8, firstWait = 500, longestWait = 10_000 } = this.#options;
    this.#failures = this.#brought ? 0 : this.#failures + 1;
    this.#brought = false;
    if (this.#failures >= attempts || retryAfter > LONGEST_ASKED) return null;
    const ceiling = Math.min(longestWait, firstWait * 2 ** Math.max(0, this.#failures - 1));
    return retryAfter * 1000 + this.#random() * ceiling;
  }
}
