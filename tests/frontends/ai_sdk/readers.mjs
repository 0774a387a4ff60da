/** What each version of the AI SDK makes of an answer, with its own chat, transport and schema of chunks. */

import { AbstractChat as FirstChat, DefaultChatTransport as FirstTransport, readUIMessageStream as readFirst } from "ai5-first";
import { DefaultChatTransport as Transport5, readUIMessageStream as read5 } from "ai5";
import { DefaultChatTransport as Transport6, readUIMessageStream as read6 } from "ai6";
import { DefaultChatTransport as Transport7, readUIMessageStream as read7 } from "ai7";
import { Chat as Chat5 } from "ai-sdk-react-2";
import { Chat as Chat6 } from "ai-sdk-react-3";
import { Chat as Chat7 } from "ai-sdk-react-4";

/** A chat without a framework. `@ai-sdk/react` of that time asks for another `ai` than the one that is meant. */
class BareChat extends FirstChat {
  constructor({ messages = [], ...init }) {
    super({
      ...init,
      state: {
        messages,
        status: "ready",
        error: undefined,
        pushMessage(message) { this.messages = [...this.messages, message]; },
        popMessage() { this.messages = this.messages.slice(0, -1); },
        replaceMessage(index, message) { this.messages = this.messages.with(index, structuredClone(message)); },
        snapshot: structuredClone,
      },
    });
  }
}

const SDKS = {
  "5.0.92": [BareChat, FirstTransport, readFirst],
  5: [Chat5, Transport5, read5],
  6: [Chat6, Transport6, read6],
  7: [Chat7, Transport7, read7],
};

/** A chat of that version; `notes` is what it called back with, and `statuses` each that it was in. */
export function chatOf(version, transport, init = {}) {
  const [Chat, Transport] = SDKS[version];
  const notes = { data: [], finishes: [], errors: [], calls: 0 };
  const chat = new Chat({
    ...init,
    transport: new Transport(transport),
    onData: (part) => notes.data.push(part),
    onFinish: ({ message, messages, ...how }) => notes.finishes.push(how),
    onError: (error) => notes.errors.push(error.message),
    onToolCall: () => { notes.calls += 1; },
  });
  return { chat, notes };
}

/** The message that a program without a chat reads from an answer, to whose end it comes whatever is in it. */
export async function messageOf(version, transport) {
  const [, Transport, read] = SDKS[version];
  const stream = await new Transport(transport).sendMessages({ chatId: "c", messages: [], trigger: "submit-message" });
  let last;
  for await (const message of read({ stream })) last = message;
  return last;
}

export function stateOf({ chat, notes }) {
  return { status: chat.status, error: chat.error?.message ?? null, messages: chat.messages, ...notes };
}
