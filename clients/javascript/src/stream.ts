/** A run, followed to its end over as many connections as it takes. */

import { connectionLost } from "./errors.js";
import type { StreamEvent } from "./events.js";
import { Gateway, runPath, type Call } from "./gateway.js";
import type { RunReader } from "./reader.js";
import { recover } from "./recovery.js";
import { readStream } from "./response.js";
import { RetryPolicy } from "./retry.js";
import type { Connection, FollowOptions, Message } from "./types.js";
import { watch, type Watchdog } from "./watchdog.js";

const HEARTBEAT = 15_000; // milliseconds, as the gateway has it

/** `for await (const event of stream)`, once. Leaving the loop closes the connection; the run goes on. */
export class RunStream implements AsyncIterable<StreamEvent> {
  readonly #options: FollowOptions;
  readonly #gateway: Gateway;
  readonly #reader: RunReader;
  readonly #question: Call | undefined;
  readonly #retryPolicy: RetryPolicy;
  #begun = false;

  constructor(url: string, options: FollowOptions, reader: RunReader, question?: Call) {
    this.#options = options;
    this.#gateway = new Gateway(url, options);
    this.#reader = reader;
    this.#question = question;
    this.#retryPolicy = new RetryPolicy(options);
  }

  /** Known as soon as the server has answered. */
  get runId(): string | undefined {
    return this.#reader.runId;
  }

  /** The resume token of the last event, for `follow(…, { after })`. */
  get position(): string | undefined {
    return this.#reader.position;
  }

  /** Send it with the next question to go on. */
  get conversation(): string | undefined {
    return this.#reader.conversation;
  }

  /**
   * Throws StreamingLabError when no further attempt can help, or the signal's reason. An iterator by hand: a generator
   * that yields each event costs several times as much as one that yields what a piece of the stream brought.
   */
  [Symbol.asyncIterator](): AsyncIterator<StreamEvent, void> {
    if (this.#begun) throw new TypeError("A stream is read once.");
    this.#begun = true;
    const batches = this.#batches();
    let batch: IterableIterator<Message> | undefined;
    const more = async (failure?: unknown): Promise<IteratorResult<StreamEvent, void>> => {
      const end = this.#reader.done && batches.return();
      const { value } = await (end || (failure ? batches.throw(failure) : batches.next()));
      if (!value) return { value, done: true };
      batch = value.values();
      return next();
    };
    const next = (): Promise<IteratorResult<StreamEvent, void>> => {
      try {
        this.#options.signal?.throwIfAborted();
        const value = batch && !this.#reader.done && this.#take(batch);
        return value ? Promise.resolve({ value, done: false }) : more();
      } catch (error) {
        return more(error); // the generator recovers from it, or throws it
      }
    };
    return {
      next,
      return: async () => {
        batch = undefined;
        await batches.return();
        return { value: undefined, done: true };
      },
    };
  }

  /** Return the next event of the batch, if it has one more. */
  #take(batch: IterableIterator<Message>): StreamEvent | null {
    for (const message of batch) {
      if (message.event === "close") this.#gateway.expireToken(); // `drain` needs nothing done: the stream ends by itself
      const event = this.#reader.take(message);
      if (!event) continue;
      if ("at" in event) { // a new event of the log
        this.#retryPolicy.progress();
        this.#gateway.acceptToken();
      }
      return event;
    }
    return null;
  }

  async *#batches(): AsyncGenerator<Message[], void> {
    const { signal, heartbeat = HEARTBEAT } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      const watchdog = watch(heartbeat, signal);
      let failure: unknown;
      try {
        this.#report("connecting");
        yield* await this.#connect(watchdog);
        if (this.#reader.done) return;
        failure = connectionLost();
      } catch (error) {
        failure = error;
      } finally {
        watchdog.end();
      }
      if (!watchdog.woken()) await recover(failure, this.#gateway, this.#retryPolicy, this.#options);
    }
  }

  /** Open another connection, and return its messages. */
  async #connect(watchdog: Watchdog): Promise<AsyncIterable<Message[]> | Message[][]> {
    const { protocol, WebSocket } = this.#options;
    const gateway = this.#gateway;
    const reader = this.#reader;
    const { signal } = watchdog;
    const question = { ...this.#question, signal };
    if (protocol === "websocket") {
      const { follow } = await import("./socket.js");
      return follow(gateway, reader, question, WebSocket, watchdog, () => this.#report("open"));
    }
    const { runId, position } = reader;
    const after = position ? `?after=${encodeURIComponent(position)}` : "";
    const response = runId
      ? await gateway.call("GET", `${runPath(runId)}/events${after}`, { signal })
      : await gateway.call("POST", "/chat", question);
    reader.runId ??= response.headers.get("X-Run-Id") ?? undefined;
    reader.done = response.status === 204; // we have all of it
    this.#report("open");
    return reader.done ? [] : readStream(gateway, response, watchdog);
  }

  #report(connection: Connection): void {
    this.#options.onConnection?.(connection);
  }
}
