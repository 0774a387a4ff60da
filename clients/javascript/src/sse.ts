/** Server-sent events: bytes in, messages out. https://html.spec.whatwg.org/multipage/server-sent-events.html */

import { createParser } from "eventsource-parser";
import { protocolError } from "./errors.js";
import type { Message } from "./types.js";

const LONGEST = 32 * 1024 * 1024; // characters of one message; a final answer may have 8 MiB before it is escaped

export class SseDecoder {
  #messages: Message[] = [];
  #text = new TextDecoder(); // which drops the byte order mark and joins characters that were cut
  #endedWithCr = false; // the last piece did: a LF that follows is its other half
  #parser = createParser({
    maxBufferSize: LONGEST,
    onEvent: ({ id, event = "message", data }) => {
      this.#messages.push({ id, event, data: parseJson(data) });
    },
    onError: (error) => {
      if (error.type === "max-buffer-size-exceeded") throw protocolError("A message is too long.");
    },
  });

  /** Return the messages that the piece completes. Throws ProtocolError. */
  decode(piece: Uint8Array): Message[] {
    this.#messages = [];
    let text = this.#text.decode(piece, { stream: true });
    if (!text) return [];
    if (this.#endedWithCr && text.startsWith("\n")) text = text.slice(1);
    this.#endedWithCr = text.endsWith("\r");
    if (this.#endedWithCr) text += "\n"; // the parser would hold the line back until more comes, which may take long
    this.#parser.feed(text);
    return this.#messages;
  }
}

/** Return undefined for what is no JSON: the messages before it are good, and the reader refuses this one. */
function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
