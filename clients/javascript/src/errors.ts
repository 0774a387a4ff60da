/** One family of errors, one class for each cause. None of them holds a token or what was asked. */

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

/** What may pass: the same request may succeed a moment later. */
export class Passing extends StreamingLabError {}

/** 401 and 403: the token is missing, wrong or over, or does not allow this. */
export class AuthError extends StreamingLabError {}

/** 404: the run or the conversation never was, or its time is over. */
export class NotFound extends StreamingLabError {}

/** Any other 4xx: the request itself is wrong, or comes at the wrong time. */
export class InvalidRequest extends StreamingLabError {}

/** 429, for longer than the client would wait. */
export class RateLimited extends Passing {}

/** 5xx, again and again. */
export class Unavailable extends Passing {}

/** The server cannot be reached, or the connection breaks again and again without anything new. */
export class ConnectionLost extends Passing {}

/** What came is not what the protocol says: a proxy's page, broken JSON, events that are missing. */
export class ProtocolError extends Passing {}

/** The run itself came to nothing: its `done` says "failed" or "lost". Thrown by `text()` only. */
export class RunFailed extends StreamingLabError {}

/** The error that an HTTP status means. */
export function refusal(details: ErrorDetails & { status: number }): StreamingLabError {
  const { status } = details;
  if (status === 401 || status === 403) return new AuthError(details);
  if (status === 404) return new NotFound(details);
  if (status === 429) return new RateLimited(details);
  if (status >= 500 || status === 408 || status === 425) return new Unavailable(details);
  return new InvalidRequest(details);
}

export function connectionLost(message = "The connection to the server was lost."): ConnectionLost {
  return new ConnectionLost({ code: "connection_lost", message, hint: "Check the network." });
}

export function protocolError(message: string): ProtocolError {
  return new ProtocolError({ code: "protocol_error", message, hint: "Check the address." });
}
