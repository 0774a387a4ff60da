import type { ChatMessage } from "./messages";

/** What this browser keeps of a chat. `open`: an answer was asked for, and has not come to its end here. */
export interface Kept {
  messages: ChatMessage[];
  open: boolean;
}

/** A browser that knows nothing of a chat looks for an answer, too. */
export function recall(id: string): Kept {
  const kept = localStorage.getItem(`chat ${id}`);
  return kept ? (JSON.parse(kept) as Kept) : { messages: [], open: true };
}

export function keep(id: string, kept: Kept): void {
  try {
    localStorage.setItem(`chat ${id}`, JSON.stringify(kept));
  } catch (error) {
    console.warn("The browser's storage is full: a reload shows less than there was.", error);
  }
}

/** The chat's id is in the page's address: whoever has that can follow, and a reload is the same chat. */
export function chatId(): string {
  const address = new URL(location.href);
  const id = address.searchParams.get("chat") ?? crypto.randomUUID();
  address.searchParams.set("chat", id);
  history.replaceState(null, "", address);
  return id;
}

export function newChat(): void {
  const address = new URL(location.href);
  address.searchParams.delete("chat");
  location.assign(address);
}
