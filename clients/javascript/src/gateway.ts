/** Requests to one gateway: its addresses, the caller's token, and what refusals mean. */

import { AuthError, refusal, type StreamingLabError } from "./errors.js";
import { asLost } from "./recovery.js";

/** An access token, or what fetches one; asked again when the server says that the last one is over. */
export type Token = string | (() => string | Promise<string>);

export interface StartedRun {
  id: string;
  /** send it with the next question to go on */
  conversation: string;
  model: string;
}

export interface GatewayOptions {
  token?: Token | undefined;
  fetch?: typeof fetch | undefined;
}

export interface Call {
  /** JSON */
  body?: string | undefined;
  /** so that the same request, sent again, starts no second run */
  key?: string | undefined;
  signal?: AbortSignal | undefined;
}

export class Gateway {
  readonly base: string;
  readonly options: GatewayOptions;
  #token: string | undefined;
  #stale = true; // to be fetched before the next request
  #renewed = false; // after a refusal, and not yet known to be good

  constructor(url: string, options: GatewayOptions) {
    this.base = url.replace(/\/+$/, "");
    this.options = options;
  }

  /** Whether the error says that the token was refused, and another, which the next request will have, was not tried yet. */
  expire(error: unknown): boolean {
    if (!(error instanceof AuthError && error.status === 401)) return false;
    if (this.#renewed || typeof this.options.token !== "function") return false;
    this.#renewed = this.#stale = true;
    return true;
  }

  /** The token's time is over, as the server says; the next may be as good as this one was. */
  renew(): void {
    this.#stale = true;
  }

  /** The token is a good one. */
  trust(): void {
    this.#renewed = false;
  }

  /** The answer, if it is a good one. Throws StreamingLabError, or the signal's reason. */
  async call(method: string, path: string, call: Call): Promise<Response> {
    const response = await this.#send(method, path, call);
    if (response.ok) return response;
    throw await refused(response);
  }

  /** A run of its own for the question. */
  async start(question: Call): Promise<StartedRun> {
    return (await this.call("POST", "/runs", question)).json() as Promise<StartedRun>;
  }

  async #send(method: string, path: string, { body, key, signal }: Call): Promise<Response> {
    const token = await this.#current();
    const headers: Record<string, string> = { Accept: "text/event-stream, application/json" };
    const request: RequestInit = { method, headers, cache: "no-store", signal: signal ?? null };
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (key) headers["Idempotency-Key"] = key;
    if (body) {
      headers["Content-Type"] = "application/json";
      request.body = body;
    }
    try {
      return await (this.options.fetch ?? fetch)(this.base + path, request);
    } catch (error) {
      throw asLost(error, signal, "The server cannot be reached.");
    }
  }

  async #current(): Promise<string | undefined> {
    if (this.#stale) {
      const { token } = this.options;
      this.#token = typeof token === "function" ? await token() : token;
      this.#stale = false;
    }
    return this.#token;
  }
}

export const runPath = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;

/** By hand: a page that was not served over TLS has no `crypto.randomUUID`. */
export function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** The server's own words where they came; a proxy's page has none. */
async function refused(response: Response): Promise<StreamingLabError> {
  const { status, headers } = response;
  const said = (await response.json().catch(() => null)) as { error?: { code?: string; message?: string; hint?: string } };
  const { code = `http_${status}`, message = `The server answered with status ${status}.`, hint } = said?.error ?? {};
  return refusal({ status, code, message, hint, retryAfter: secondsUntil(headers.get("Retry-After")) });
}

/** Of a Retry-After, which is seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function secondsUntil(retryAfter: string | null): number | undefined {
  const seconds = Number(retryAfter);
  const left = Number.isNaN(seconds) ? (Date.parse(retryAfter!) - Date.now()) / 1000 : seconds;
  return left > 0 ? left : undefined;
}
