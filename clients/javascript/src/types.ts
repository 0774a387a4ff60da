/** What callers choose, and how a question stands on the wire. */

import type { Call, GatewayOptions } from "./gateway.js";
import { newKey } from "./gateway.js";
import type { PatienceOptions } from "./patience.js";

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

/** "waiting": the connection is lost, and another is tried in a moment. */
export type Connection = "connecting" | "open" | "waiting";

export interface RequestOptions extends GatewayOptions, PatienceOptions {
  /** ends everything at once; the loop throws the signal's reason, and the run goes on */
  signal?: AbortSignal | undefined;
}

export interface StreamOptions extends RequestOptions {
  /** "sse" by default */
  protocol?: "sse" | "websocket" | undefined;
  /** milliseconds between the server's signs of life, 15 000 by default; after 2.5 without any the client reconnects */
  heartbeat?: number | undefined;
  /** for environments that have none of their own, such as Node 20 */
  WebSocket?: SocketClass | undefined;
  onConnection?: ((connection: Connection) => void) | undefined;
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

interface Asking {
  /** the same key and question within 24 hours are the same run; a new key for each call by default */
  idempotencyKey?: string | undefined;
}

export type StartOptions = Question & RequestOptions & Asking;

export type ChatOptions = Question & StreamOptions & Asking;

export interface FollowOptions extends StreamOptions {
  /** the resume token of the last event that you have */
  after?: string | undefined;
}

/** What stands in a question and its messages. */
const ASKED = "message messages role content model agent temperature conversation".split(" ");

/** The request that asks the question; sent again as it is, it starts no second run. */
export function asking(options: StartOptions): Call {
  return { body: JSON.stringify(options, ASKED), key: options.idempotencyKey ?? newKey() };
}
