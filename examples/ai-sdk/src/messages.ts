import type { UIMessage } from "ai";

/** A message of this page: it may be an answer that was stopped. The server tells what an answer's question is. */
export type ChatMessage = UIMessage<{ stopped?: boolean }, { question: Question }>;

interface Question {
  id: string;
  text: string;
}

/** Puts the question before the answer that was taken up, where another browser asked it; what it replaced goes. */
export function withQuestion(messages: ChatMessage[], { id, text }: Question): ChatMessage[] {
  if (messages.at(-1)?.role !== "assistant") return messages; // one that is here, with a question behind it that failed
  const before = messages.slice(0, -1);
  const asked = before.findIndex((message) => message.id === id);
  const question: ChatMessage = { id, role: "user", parts: [{ type: "text", text }] };
  return [...(asked < 0 ? [...before, question] : before.slice(0, asked + 1)), ...messages.slice(-1)];
}

export function withStopped(messages: ChatMessage[], id: string): ChatMessage[] {
  return messages.map((message) => (message.id === id ? { ...message, metadata: { ...message.metadata, stopped: true } } : message));
}
