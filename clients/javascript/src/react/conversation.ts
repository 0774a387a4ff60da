/** A conversation with one gateway, as a store that React draws. The runs go on without it. */

import { StreamingLabError } from "../errors.js";
import type { StreamEvent } from "../events.js";
import { newKey } from "../gateway.js";
import { chat, follow, stop } from "../runs.js";
import type { RunStream } from "../stream.js";
import { runFailure } from "../text.js";
import { Transcript } from "../transcript.js";
import type { Connection, Question, StreamOptions } from "../types.js";
import { Frames } from "./frames.js";
import {
  answerMessage,
  EMPTY,
  isLive,
  questionMessage,
  statusOf,
  type ChatMessage,
  type ChatState,
  type ChatStatus,
} from "./messages.js";
import { ChatStore, tabStorage, type Keeper } from "./store.js";
import type { Turn } from "./turn.js";

export interface ConversationOptions
  extends Omit<StreamOptions, "signal" | "onConnection">,
    Pick<Question, "model" | "agent" | "temperature"> {
  /** the gateway's address, such as "/api" */
  url: string;
  /** where the conversation outlives a reload: the tab's `sessionStorage` by default, null for nowhere */
  storage?: Keeper | null | undefined;
  /** its name there; each conversation on a page needs its own */
  storageKey?: string | undefined;
}

export class Conversation {
  #options: ConversationOptions;
  #store: ChatStore | undefined;
  #state = EMPTY;
  #listeners = new Set<() => void>();
  #frames = new Frames(() => this.#draw());
  #messages: readonly ChatMessage[] = []; // all but the answer of the last turn
  #conversation: string | undefined;
  #turn: Turn | undefined; // the last one
  #status: ChatStatus = "idle";
  #error: StreamingLabError | null = null;
  #reading: AbortController | undefined;
  #stopping = false;

  constructor(options: ConversationOptions) {
    this.#options = options;
  }

  /** Take the options of another render; the address and the storage stay those of the first. */
  configure(options: ConversationOptions): void {
    const { url, storage, storageKey } = this.#options;
    this.#options = { ...options, url, storage, storageKey };
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  state = (): ChatState => this.#state;

  /** Go on with what the page was reading, before a reload too. Returns what leaves again. */
  connect = (): (() => void) => {
    if (!this.#store) this.#restore();
    addEventListener("pagehide", this.#save);
    if (this.#turn && isLive(this.#status)) void this.#read(this.#turn);
    return () => {
      removeEventListener("pagehide", this.#save);
      this.#save();
      this.#reading?.abort();
      this.#frames.cancel();
    };
  };

  /** Ask. False, and nothing is done, while another answer is under way. */
  send = (question: string | Question): boolean => {
    if (isLive(this.#status)) return false;
    if (this.#turn) this.#messages = [...this.#messages, answerMessage(this.#turn, this.#status)];
    const { model, agent, temperature } = this.#options;
    const asked = typeof question === "string" ? { message: question } : question;
    const conversation = asked.messages ? undefined : this.#conversation;
    const defaults = { model, agent, temperature, conversation };
    this.#turn = { id: newKey(), key: newKey(), question: { ...defaults, ...asked }, transcript: new Transcript() };
    this.#messages = [...this.#messages, questionMessage(this.#turn)];
    this.#begin(this.#turn);
    return true;
  };

  /** Stop the answer at the model. What is there of it stays. */
  stop = async (): Promise<void> => {
    if (!isLive(this.#status)) return;
    this.#stopping = true;
    await this.#stopRun();
  };

  /** Go on with an answer whose connection was given up. */
  resume = (): void => {
    if (this.#turn && this.#status === "error" && !this.#turn.transcript.done) this.#begin(this.#turn);
  };

  /** Forget everything. An answer that is under way is stopped. */
  reset = (): void => {
    void this.stop();
    this.#reading?.abort();
    this.#messages = [];
    this.#turn = this.#conversation = undefined;
    this.#store?.clear();
    this.#set("idle");
  };

  #restore(): void {
    const { storage, storageKey = "streaming-lab-chat" } = this.#options;
    this.#store = new ChatStore(storage === undefined ? tabStorage() : storage, storageKey);
    const saved = this.#store.load();
    if (!saved?.turn || this.#turn) return;
    this.#messages = saved.messages;
    this.#conversation = saved.conversation;
    this.#turn = saved.turn;
    this.#showTurn(saved.turn);
  }

  #save = (): void => {
    const messages = [...this.#messages];
    if (this.#turn) this.#store?.save({ version: 1, messages, conversation: this.#conversation, turn: this.#turn });
  };

  #begin(turn: Turn): void {
    this.#stopping = false;
    this.#showTurn(turn);
    this.#save();
    void this.#read(turn);
  }

  async #read(turn: Turn): Promise<void> {
    this.#reading?.abort();
    const { signal } = (this.#reading = new AbortController());
    const stream = this.#stream(turn, signal, (connection) => this.#onConnection(turn, stream, connection));
    try {
      for await (const event of stream) this.#observe(turn, stream, event);
      if (turn.transcript.done) this.#showTurn(turn);
      else this.#set("done"); // its end is known to the server alone
    } catch (error) {
      if (signal.aborted) return;
      this.#set("error", asChatError(error));
    }
    this.#save();
  }

  #stream(turn: Turn, signal: AbortSignal, onConnection: (connection: Connection) => void): RunStream {
    const { url, storage: _, storageKey: __, ...options } = this.#options;
    const all = { ...options, signal, onConnection };
    if (!turn.position) turn.transcript = new Transcript(); // it is read from its beginning
    if (turn.runId) return follow(url, turn.runId, { ...all, after: turn.position });
    return chat(url, { ...all, ...turn.question, idempotencyKey: turn.key });
  }

  #onConnection(turn: Turn, stream: RunStream, connection: Connection): void {
    if (this.#turn !== turn) return;
    if (connection === "waiting") this.#set("reconnecting");
    if (connection !== "open") return;
    this.#noteRunId(turn, stream);
    this.#showTurn(turn);
  }

  #observe(turn: Turn, stream: RunStream, event: StreamEvent): void {
    turn.transcript.observe(event);
    this.#noteRunId(turn, stream);
    turn.position = stream.position;
    this.#conversation = stream.conversation ?? this.#conversation;
    if (!turn.transcript.done) this.#showTurn(turn);
  }

  /** Note the run's id: from now on the run can be found again after a reload, and stopped. */
  #noteRunId(turn: Turn, { runId }: RunStream): void {
    if (turn.runId || !runId) return;
    turn.runId = runId;
    this.#save();
    if (this.#stopping) void this.#stopRun();
  }

  async #stopRun(): Promise<void> {
    const { url, storage: _, storageKey: __, ...options } = this.#options;
    if (!this.#turn?.runId) return; // #noteRunId stops it
    try {
      await stop(url, this.#turn.runId, options);
    } catch (error) {
      this.#set(this.#status, asChatError(error));
    }
  }

  /** Take over the status that the turn's events amount to. */
  #showTurn({ transcript }: Turn): void {
    this.#set(statusOf(transcript), runFailure(transcript.done, transcript.error));
  }

  #set(status: ChatStatus, error: StreamingLabError | null = null): void {
    this.#status = status;
    this.#error = error;
    this.#frames.request();
  }

  #draw(): void {
    const last = this.#turn && answerMessage(this.#turn, this.#status);
    this.#state = {
      messages: last ? [...this.#messages, last] : this.#messages,
      text: last?.text ?? "",
      tools: last?.tools ?? [],
      status: this.#status,
      error: this.#error,
      runId: this.#turn?.runId,
      conversation: this.#conversation,
    };
    this.#listeners.forEach((listener) => listener());
  }
}

/** Return what went wrong as an error of the client's family. */
function asChatError(error: unknown): StreamingLabError {
  if (error instanceof StreamingLabError) return error;
  const message = "The chat failed in the page itself.";
  return new StreamingLabError({ code: "internal", message, hint: "Its cause has the rest.", cause: error });
}
