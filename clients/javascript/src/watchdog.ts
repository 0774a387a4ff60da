/** Ends a connection that is silent for too long. */

import { connectionLost } from "./errors.js";

export interface Watchdog {
  /** aborts whatever belongs to the connection */
  signal: AbortSignal;
  /** Note that something came. */
  heard: () => void;
  /** Stop watching, and close what may still be open of the connection. */
  end: () => void;
}

/** Watch a connection, which may be silent for `limit` milliseconds. The outer signal ends it as well. */
export function watch(limit: number, outer: AbortSignal | undefined): Watchdog {
  const controller = new AbortController();
  let last = Date.now();
  // One timer, set anew only when it fires: to set it for every piece would cost more than to read the piece.
  const check = (): void => {
    const left = last + limit - Date.now();
    if (left > 0) timer = setTimeout(check, left);
    else controller.abort(connectionLost("The server has been silent for too long."));
  };
  const abort = (): void => controller.abort(outer?.reason);
  let timer = setTimeout(check, limit);
  outer?.addEventListener("abort", abort);
  return {
    signal: controller.signal,
    heard: () => {
      last = Date.now();
    },
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", abort);
      controller.abort();
    },
  };
}
