/** Ends a connection that says nothing. */

import { connectionLost } from "./errors.js";

export interface Watchdog {
  /** whatever belongs to the connection is to be aborted with it */
  signal: AbortSignal;
  heard: () => void;
  /** The connection is left: what may still be open of it is closed. */
  end: () => void;
}

/** `patience` in milliseconds. The outer signal ends the connection as well. */
export function watch(patience: number, outer: AbortSignal | undefined): Watchdog {
  const controller = new AbortController();
  let last = Date.now();
  // One timer, set anew only when it fires: to set it for every piece would cost more than to read the piece.
  const look = (): void => {
    const left = last + patience - Date.now();
    if (left > 0) timer = setTimeout(look, left);
    else controller.abort(connectionLost("The server has been silent for too long."));
  };
  const leave = (): void => controller.abort(outer?.reason);
  let timer = setTimeout(look, patience);
  outer?.addEventListener("abort", leave);
  return {
    signal: controller.signal,
    heard: () => {
      last = Date.now();
    },
    end: () => {
      clearTimeout(timer);
      outer?.removeEventListener("abort", leave);
      controller.abort();
    },
  };
}
