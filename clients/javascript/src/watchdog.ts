/** Ends a connection that is silent for too long. */

import { connectionLost } from "./errors.js";
import { onWake } from "./wake.js";

const MISSED_HEARTBEATS = 2.5; // after which a connection counts as dead

export interface Watchdog {
  /** aborts whatever belongs to the connection */
  signal: AbortSignal;
  /** Note that something came. */
  heard: () => void;
  /** Tell whether the connection was ended because the page was away and something was missed: no reason to wait. */
  woken: () => boolean;
  /** Stop watching, and close what may still be open of the connection. */
  end: () => void;
}

/**
 * Watch a connection, on which something comes every `heartbeat` milliseconds. When the page is seen again or the network
 * is back, one heartbeat without anything is enough: a computer that slept has dead connections. The outer signal ends
 * it as well.
 */
export function watch(heartbeat: number, outer: AbortSignal | undefined): Watchdog {
  const controller = new AbortController();
  const limit = heartbeat * MISSED_HEARTBEATS;
  const silent = (): void => controller.abort(connectionLost("The server has been silent for too long."));
  let last = Date.now();
  let woken = false;
  // One timer, set anew only when it fires: to set it for every piece would cost more than to read the piece.
  const check = (): void => {
    const left = last + limit - Date.now();
    if (left > 0) timer = setTimeout(check, left);
    else silent();
  };
  const abort = (): void => controller.abort(outer?.reason);
  let timer = setTimeout(check, limit);
  outer?.addEventListener("abort", abort);
  const unwatch = onWake(() => {
    if (Date.now() - last <= heartbeat) return;
    woken = true;
    silent();
  });
  return {
    signal: controller.signal,
    woken: () => woken,
    heard: () => {
      last = Date.now();
    },
    end: () => {
      clearTimeout(timer);
      unwatch();
      outer?.removeEventListener("abort", abort);
      controller.abort();
    },
  };
}
