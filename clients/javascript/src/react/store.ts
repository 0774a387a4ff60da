/** What a conversation keeps for a reload of its page. Never an access token. */

import type { Question } from "../options.js";
import { Transcript } from "../transcript.js";
import type { ChatMessage } from "./messages.js";

/** `sessionStorage`, `localStorage`, or anything with these three. */
export type Keeper = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** A question that is being answered. Without `runId` it is not known whether the server has heard it. */
export interface Turn {
  id: string;
  question: Question;
  /** sent with the question; with it the same question is no second run */
  key: string;
  runId?: string | undefined;
  /** the resume token of the last event that is in the transcript */
  position?: string | undefined;
  transcript: Transcript;
}

export interface Kept {
  version: 1;
  messages: ChatMessage[];
  conversation?: string | undefined;
  turn: Turn;
}

export class Memory {
  readonly #keeper: Keeper | null;
  readonly #name: string;

  /** Without a keeper nothing is kept. */
  constructor(keeper: Keeper | null, name: string) {
    this.#keeper = keeper;
    this.#name = name;
  }

  /** Null when nothing was kept, or nothing that this version knows how to read. */
  load(): Kept | null {
    try {
      const kept = JSON.parse(this.#keeper?.getItem(this.#name) ?? "null") as Kept | null;
      if (kept?.version !== 1) return null;
      return { ...kept, turn: { ...kept.turn, transcript: Object.assign(new Transcript(), kept.turn.transcript) } };
    } catch {
      return null;
    }
  }

  /** Where there is no room, or no permission, the conversation goes on and a reload loses it. */
  save(kept: Kept): void {
    try {
      this.#keeper?.setItem(this.#name, JSON.stringify(kept));
    } catch {
      this.clear();
    }
  }

  clear(): void {
    try {
      this.#keeper?.removeItem(this.#name);
    } catch {
      // not permitted, as said above
    }
  }
}

/** The tab's own storage, where the page may use it. */
export function tabStorage(): Keeper | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
