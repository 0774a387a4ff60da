/** One family of errors, one class for each cause. None of them holds a token or the question. */

export interface ErrorDetails {
  /** what programs tell apart */
  code: string;
  /** what is wrong, in one sentence */
  message: string;
  /** what to do next; may be empty */
  hint?: string | undefined;
  /** of the HTTP answer, if there was one */
  status?: number | undefined;
  /** seconds after which the server wants to be asked again */
  retryAfter?: number | undefined;
  cause?: unknown;
}

export class StreamingLabError extends Error {
  declare readonly code: string;
  declare readonly hint: string;
  declare readonly status: number | undefined;
  declare readonly retryAfter: number | undefined;

  constructor({ message, hint = "", ...rest }: ErrorDetails) {
    super(message);
    Object.assign(this, { name: "StreamingLabError", hint, ...rest }); // a minifier renames classes
  }
}

/** The same request may succeed a moment later. */
export class TransientError extends StreamingLabError {}

/** 401 and 403: the token is missing, wrong or expired, or does not allow this. */
export class AuthError extends StreamingLabError {}

/** 404: there is no such run or conversation, or it is kept no longer. */
export class NotFound extends StreamingLabError {}

/** Any other 4xx: the request itself is wrong, or comes at the wrong time. */
export class InvalidRequest extends StreamingLabError {}

/** 429, for longer than the client would wait. */
export class RateLimited extends TransientError {}

/** 5xx, again and again. */
export class Unavailable extends TransientError {}

/** The server cannot be reached, or the connection breaks again and again without anything new. */
export class ConnectionLost extends TransientError {}

/** What came is not what the protocol says: a proxy's page, broken JSON, missing events. */
export class ProtocolError extends TransientError {}

/** The run itself failed: its `done` says "failed" or "lost". Thrown by `text()` only. */
export class RunFailed extends StreamingLabError {}

const BY_STATUS: Record<number, typeof StreamingLabError> = {
  401: AuthError,
  403: AuthError,
  404: NotFound,
  408: Unavailable,
  425: Unavailable,
  429: RateLimited,
};

/** Return the error that an HTTP status means. */
export function refusal(details: ErrorDetails & { status: number }): StreamingLabError {
  const { status } = details;
  return new (BY_STATUS[status] ?? (status < 500 ? InvalidRequest : Unavailable))(details);
}

export function connectionLost(message = "The connection to the server was lost.", hint = "Check the network."): ConnectionLost {
  return new ConnectionLost({ code: "connection_lost", message, hint });
}

export function protocolError(message: string, hint = "Check the address."): ProtocolError {
  return new ProtocolError({ code: "protocol_error", message, hint });
}

/**
 * Turn what `fetch` throws for a broken connection into ConnectionLost, and return anything else as it is. Browsers
 * throw a TypeError; an abort is known by its name, for its class differs from realm to realm.
 */
export function asLost(error: unknown, signal: AbortSignal | undefined, message?: string): unknown {
  if (signal?.aborted) return signal.reason;
  const broken = error instanceof TypeError || (error as { name?: unknown } | null)?.name === "AbortError";
  return broken ? connectionLost(message) : error;
}
