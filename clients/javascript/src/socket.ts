/** One connection to one run over WebSocket. Loaded only where it is used. */

import { connectionLost, InvalidRequest, refusal, type StreamingLabError } from "./errors.js";
import { bare, suggestion } from "./foreign.js";
import { runPath, type Call, type Gateway } from "./gateway.js";
import type { RunReader } from "./reader.js";
import type { Message, Socket, SocketClass } from "./types.js";
import type { Watchdog } from "./watchdog.js";

/** Yield the messages of the reader's run from where it stands until its end. Starts the run if it has no id. */
export async function* follow(
  gateway: Gateway,
  reader: RunReader,
  question: Call,
  Socket: SocketClass | undefined = globalThis.WebSocket as SocketClass | undefined,
  watchdog: Watchdog,
  opened: () => void,
): AsyncGenerator<Message[], void> {
  if (!Socket) {
    const message = "There is no WebSocket here.";
    throw new InvalidRequest({ code: "no_websocket", message, hint: "Pass one as the option WebSocket." });
  }
  reader.runId ??= (await gateway.start(question)).id;
  const { position } = reader;
  const url = await address(gateway, reader, watchdog.signal);
  const closed = connectionLost(`No WebSocket could be opened at ${bare(url.href)}.`, suggestion(gateway.url));
  yield* messages(new Socket(url), closed, watchdog, opened);
  reader.done ||= position !== undefined && position === reader.position; // we had all of it before
}

/**
 * Make the address, with a token that reads this run only: a browser's WebSocket has no headers, and addresses are
 * written to logs.
 */
async function address(gateway: Gateway, { runId = "", position }: RunReader, signal: AbortSignal): Promise<URL> {
  const url = new URL(`${gateway.base}${runPath(runId)}/ws`, globalThis.location?.href);
  url.protocol = url.protocol.replace("http", "ws");
  const token = gateway.onlyFollows ? await gateway.currentToken() : await issueToken(gateway, runId, signal);
  if (token) url.searchParams.set("token", token);
  if (position) url.searchParams.set("after", position);
  return url;
}

/** Fetch a follow token, unless the gateway needs no token at all. */
async function issueToken(gateway: Gateway, runId: string, signal: AbortSignal): Promise<string | undefined> {
  if (!gateway.token) return;
  const { token } = await gateway.post<{ token: string }>(`${runPath(runId)}/token`, { signal }, "token");
  return token;
}

/**
 * Yield the messages of a socket; throws `unopened` when it closes before it was open. A browser reads as fast as it can, whatever its reader does; what waits here is
 * bounded as the run's log is.
 */
async function* messages(
  socket: Socket,
  unopened: Error,
  watchdog: Watchdog,
  opened: () => void,
): AsyncGenerator<Message[], void> {
  let pending: Message[] = [];
  let end: Error | null | undefined; // null: the run has ended
  let wake = (): void => {};
  const finish = (reason: Error | null): void => {
    if (end === undefined) end = reason;
    wake();
  };
  const abort = (): void => finish(watchdog.signal.reason as Error);
  watchdog.signal.addEventListener("abort", abort);
  if (watchdog.signal.aborted) abort();
  let isOpen = false;
  socket.onopen = () => {
    isOpen = true;
    opened();
  };
  socket.onerror = () => {}; // a close follows, which says as much
  socket.onclose = ({ code, reason }: { code: number; reason: string }) =>
    finish(isOpen ? closing(code, reason) : unopened);
  socket.onmessage = ({ data }: { data: unknown }) => {
    watchdog.heard();
    pending.push(messageOf(data));
    wake();
  };
  try {
    while (pending.length || end === undefined) {
      if (pending.length) {
        const messages = pending;
        pending = [];
        yield messages;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
    if (end) throw end;
  } finally {
    watchdog.signal.removeEventListener("abort", abort);
    socket.onclose = socket.onmessage = null;
    socket.close();
  }
}

const REFUSED = 4000; // a close code is this plus the status that HTTP would have answered
const TOKEN_ENDS = ["expired", "revoked"]; // while the stream lasted
// In the words that HTTP has: a close's reason is too short for them.
const LAPSES: Record<string, string> = {
  expired_follow_token: "The follow token's time is over.",
  revoked_follow_token: "The follow token was revoked.",
};

/** Return the error that a close means; null for the end that follows all of a run. */
function closing(code: number, reason: string): StreamingLabError | null {
  if (code === 1000 && reason === "ended") return null;
  const status = code - REFUSED;
  if (status < 400 || status >= 600 || TOKEN_ENDS.includes(reason)) return connectionLost();
  const lapse = LAPSES[reason];
  const message = lapse ?? "The server refused to let this run be followed.";
  const hint = lapse && "Ask for a new one and go on where you were.";
  return refusal({ status, code: reason || `http_${status}`, message, hint });
}

/** Read a message; data that are none become one that the reader refuses. */
function messageOf(data: unknown): Message {
  try {
    const message = JSON.parse(data as string) as Message;
    if (typeof message.event === "string") return message;
  } catch {
    // refused, as what is no object
  }
  return { event: "open", data: undefined };
}
