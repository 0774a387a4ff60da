export type { ConversationOptions as ChatStreamOptions } from "./conversation.js";
export type { Keeper } from "./store.js";
export type { ChatMessage, ChatState, ChatStatus } from "./messages.js";
export { useChatStream, type Chat } from "./use-chat-stream.js";
export type { ToolUse } from "../transcript.js";
