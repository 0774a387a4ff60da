/** What a conversation saves for a reload of its page. Never an access token. */

import { Transcript } from "../transcript.js";
import type { ChatMessage } from "./messages.js";
import type { Turn } from "./turn.js";

/** `sessionStorage`, `localStorage`, or anything with these three. */
export type Keeper = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export interface SavedChat {
  version: 1;
  messages: ChatMessage[];
  conversation?: string | undefined;
  turn: Turn;
}

export class ChatStore {
  readonly #keeper: Keeper | null;
  readonly #name: string;

  /** Without a keeper nothing is saved. */
  constructor(keeper: Keeper | null, name: string) {
    this.#keeper = keeper;
    this.#name = name;
  }

  /** Return null when nothing was saved, or nothing that this version can read. */
  load(): SavedChat | null {
    try {
      const saved = JSON.parse(this.#keeper?.getItem(this.#name) ?? "null") as SavedChat | null;
      if (saved?.version !== 1) return null;
      return { ...saved, turn: { ...saved.turn, transcript: Object.assign(new Transcript(), saved.turn.transcript) } };
    } catch {
      return null;
    }
  }

  /** Save the chat. Without room or permission the conversation goes on, and a reload loses it. */
  save(chat: SavedChat): void {
    try {
      this.#keeper?.setItem(this.#name, JSON.stringify(chat));
    } catch {
      this.clear();
    }
  }

  clear(): void {
    try {
      this.#keeper?.removeItem(this.#name);
    } catch {
      // not permitted: there is nothing to clear
    }
  }
}

/** Return the tab's own storage, where the page may use it. */
export function tabStorage(): Keeper | null {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}
