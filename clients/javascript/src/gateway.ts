/** Requests to one gateway: its addresses, the caller's token, and what refusals mean. */

import { asLost, AuthError, refusal, type StreamingLabError } from "./errors.js";
import { describe, foreignAnswer } from "./foreign.js";
import type { GatewayOptions, ReadingOptions, StartedRun, StartOptions, Token } from "./types.js";

/** What a request carries. */
export interface Call {
  /** JSON */
  body?: string | undefined;
  /** the idempotency key: with it the same request, sent again, starts no second run */
  key?: string | undefined;
  signal?: AbortSignal | undefined;
}

export class Gateway {
  /** as the caller gave it */
  readonly url: string;
  readonly base: string;
  /** where a token comes from, if there is one */
  readonly token: Token | undefined;
  /** whether it is a follow token */
  readonly onlyFollows: boolean;
  readonly #fetch: typeof fetch | undefined;
  #token: string | undefined;
  #stale = true; // to be fetched before the next request
  #replaced = false; // after a refusal, and not accepted yet

  constructor(url: string, { token, followToken, fetch }: GatewayOptions & ReadingOptions) {
    this.url = url;
    this.base = url.replace(/\/+$/, "");
    this.onlyFollows = followToken !== undefined;
    this.token = followToken ?? token;
    this.#fetch = fetch;
  }

  /** Fetch another token before the next request if the error refuses this one. False when there is none to try. */
  replaceToken(error: unknown): boolean {
    if (!(error instanceof AuthError && error.status === 401)) return false;
    if (this.#replaced || typeof this.token !== "function") return false;
    this.#replaced = this.#stale = true;
    return true;
  }

  /** Fetch another token before the next request: the server says that this one, which was good, has expired. */
  expireToken(): void {
    this.#stale = true;
  }

  /** Note that the server accepts the token. */
  acceptToken(): void {
    this.#replaced = false;
  }

  /** Send a request, and return its response if it succeeded. Throws StreamingLabError, or the signal's reason. */
  async call(method: string, path: string, call: Call): Promise<Response> {
    const response = await this.#send(method, path, call);
    if (response.ok) return response;
    throw await refused(this.url, response);
  }

  /** Start a run for the question. */
  start(question: Call): Promise<StartedRun> {
    return this.post("/runs", question, "id");
  }

  /** Post a request, and return the JSON of its answer, which has at least that field. Throws StreamingLabError. */
  async post<T>(path: string, call: Call, field: keyof T): Promise<T> {
    const response = await this.call("POST", path, call);
    const answer = await jsonOf<T>(response);
    if (!answer?.[field]) throw foreignAnswer(this.url, response);
    return answer;
  }

  async #send(method: string, path: string, { body, key, signal }: Call): Promise<Response> {
    const token = await this.currentToken();
    const headers: Record<string, string> = { Accept: "text/event-stream, application/json" };
    const request: RequestInit = { method, headers, cache: "no-store", signal: signal ?? null };
    if (token) headers["Authorization"] = `Bearer ${token}`;
    if (key) headers["Idempotency-Key"] = key;
    if (body) {
      headers["Content-Type"] = "application/json";
      request.body = body;
    }
    try {
      return await (this.#fetch ?? fetch)(this.base + path, request);
    } catch (error) {
      throw asLost(error, signal, "The server cannot be reached.");
    }
  }

  /** Return the token, fetched if need be. */
  async currentToken(): Promise<string | undefined> {
    if (this.#stale) {
      const { token } = this;
      this.#token = typeof token === "function" ? await token() : token;
      this.#stale = false;
    }
    return this.#token;
  }
}

export const runPath = (runId: string): string => `/runs/${encodeURIComponent(runId)}`;

/** Make an idempotency key. By hand: a page that was not served over TLS has no `crypto.randomUUID`. */
export function newKey(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}

/** The fields of a question and of its messages: what of the options is sent. */
const QUESTION_FIELDS = "message messages role content model agent temperature conversation".split(" ");

/** Make the request that asks the question; sent again as it is, it starts no second run. */
export function questionCall(options: StartOptions): Call {
  return { body: JSON.stringify(options, QUESTION_FIELDS), key: options.idempotencyKey ?? newKey() };
}

/** Make the error of a response, in the server's own words where it has some; a proxy's page has none. */
async function refused(url: string, response: Response): Promise<StreamingLabError> {
  const { status, headers } = response;
  const { error } = (await jsonOf<{ error?: { code: string; message: string; hint: string } }>(response)) ?? {};
  const [message, hint] = error?.code ? [error.message, error.hint] : describe(url, response);
  const retryAfter = secondsUntil(headers.get("Retry-After"));
  return refusal({ status, code: error?.code || `http_${status}`, message, hint, retryAfter });
}

const jsonOf = <T>(response: Response): Promise<T | null> => response.json().catch(() => null);

/** Read a Retry-After, which is seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3 */
function secondsUntil(retryAfter: string | null): number | undefined {
  const seconds = Number(retryAfter);
  const left = Number.isNaN(seconds) ? (Date.parse(retryAfter!) - Date.now()) / 1000 : seconds;
  return left > 0 ? left : undefined;
}
