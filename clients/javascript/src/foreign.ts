/** What is told where something else than a gateway answers. */

import { protocolError, type ProtocolError } from "./errors.js";

/** Make the error for an answer that is not what a gateway says there. */
export function foreignAnswer(url: string, response: Response): ProtocolError {
  return protocolError(...describe(url, response));
}

/** Name the address that was tried, and the one that may be meant. */
export function describe(url: string, { status, headers, url: asked }: Response): [message: string, hint: string] {
  const kind = headers.get("Content-Type") ?? "nothing";
  return [`What answers at ${bare(asked || url)} is not a gateway: status ${status}, ${kind}.`, suggestion(url)];
}

/** Return the hint for an address where no gateway is: its path ends with `/api`, wherever it is mounted. */
export function suggestion(url: string): string {
  const given = parsed(url);
  if (/\/api\/*$/.test(given.pathname)) return "Check the address.";
  const { href } = new URL(/^.*?\/api(?=\/)/.exec(given.pathname)?.[0] ?? "api", given);
  return `Is it ${bare(href)}?`;
}

/** Return an address without what may be secret in it. */
export function bare(url: string): string {
  const { protocol, host, pathname } = parsed(url);
  return `${protocol}//${host}${pathname}`;
}

const parsed = (url: string): URL => new URL(url, globalThis.location?.href);
