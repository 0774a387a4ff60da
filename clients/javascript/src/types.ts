/** What callers choose, and what several files name. */

/** An access token, or a function that fetches one, called again when the server refuses the last one. */
export type Token = string | (() => string | Promise<string>);

/** `message`, or `messages` with what was said before. */
export interface Question {
  message?: string | undefined;
  messages?: { role: "system" | "user" | "assistant"; content: string }[] | undefined;
  /** the server's first model when it is left out */
  model?: string | undefined;
  /** answer with tools */
  agent?: boolean | undefined;
  temperature?: number | undefined;
  /** go on in this conversation, whose id an earlier stream had */
  conversation?: string | undefined;
}

export interface StartedRun {
  id: string;
  /** send it with the next question to go on */
  conversation: string;
  model: string;
}

/** "waiting": the connection is lost, and another is tried in a moment. */
export type Connection = "connecting" | "open" | "waiting";

export interface GatewayOptions {
  token?: Token | undefined;
  fetch?: typeof fetch | undefined;
}

/** For what only reads one run. */
export interface ReadingOptions {
  /** a follow token of the run, or a function that fetches one; sent in the place of `token` */
  followToken?: Token | undefined;
}

export interface RetryOptions {
  /** attempts in a row that bring nothing new until the client gives up; 8 by default */
  attempts?: number | undefined;
  /** milliseconds of the first wait at most, doubled for each that follows; 500 by default */
  firstWait?: number | undefined;
  /** milliseconds of any wait at most; 10 000 by default */
  longestWait?: number | undefined;
}

export interface RequestOptions extends GatewayOptions, RetryOptions {
  /** ends everything at once; the loop throws the signal's reason, and the run goes on */
  signal?: AbortSignal | undefined;
}

export interface StreamOptions extends RequestOptions {
  /** "sse" by default */
  protocol?: "sse" | "websocket" | undefined;
  /** milliseconds between the server's heartbeats, 15 000 by default; after 2.5 without any the client reconnects */
  heartbeat?: number | undefined;
  /** for environments that have none of their own, such as Node 20 */
  WebSocket?: SocketClass | undefined;
  onConnection?: ((connection: Connection) => void) | undefined;
}

interface IdempotencyOptions {
  /** the same key and question within 24 hours are the same run; a new key for each call by default */
  idempotencyKey?: string | undefined;
}

export type StartOptions = Question & RequestOptions & IdempotencyOptions;

export type ChatOptions = Question & StreamOptions & IdempotencyOptions;

export interface FollowOptions extends StreamOptions, ReadingOptions {
  /** the resume token of the last event that you have */
  after?: string | undefined;
}

/** As much of a WebSocket as is used, so that every implementation of it will do. */
export type SocketClass = new (url: URL) => Socket;

export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  close(): void;
}

/** One message of any protocol. `id` is the resume token; control messages have none. */
export interface Message {
  id?: string | undefined;
  event: string;
  data: unknown;
}
