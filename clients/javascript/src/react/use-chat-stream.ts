import { useEffect, useState, useSyncExternalStore } from "react";
import type { Question } from "../types.js";
import { Conversation, type ConversationOptions } from "./conversation.js";
import { EMPTY, type ChatState } from "./messages.js";

export interface Chat extends ChatState {
  /** Ask. False, and nothing is done, while another answer is under way. */
  send: (question: string | Question) => boolean;
  /** Stop the answer at the model. What is there of it stays. */
  stop: () => Promise<void>;
  /** Go on with an answer whose connection was given up. */
  resume: () => void;
  /** Forget everything. An answer that is under way is stopped. */
  reset: () => void;
}

/**
 * A chat with the gateway at `url`. It re-renders at most once per animation frame. Leaving the page, or a reload, ends
 * no answer: whoever comes back reads on. The address and the storage are those of the first render.
 */
export function useChatStream(options: ConversationOptions): Chat {
  const [conversation] = useState(() => new Conversation(options));
  useEffect(() => conversation.configure(options));
  useEffect(conversation.connect, [conversation]);
  const state = useSyncExternalStore(conversation.subscribe, conversation.state, () => EMPTY);
  const { send, stop, resume, reset } = conversation;
  return { ...state, send, stop, resume, reset };
}
