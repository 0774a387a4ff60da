export type {
  Done,
  FinalAnswer,
  Gap,
  Retry,
  RunError,
  RunEvent,
  Snapshot,
  Status,
  StreamEvent,
  TextDelta,
  Thinking,
  ToolCall,
  ToolResult,
  Usage,
} from "./events.js";
export {
  AuthError,
  ConnectionLost,
  InvalidRequest,
  NotFound,
  ProtocolError,
  RateLimited,
  RunFailed,
  StreamingLabError,
  Unavailable,
} from "./errors.js";
export type { StartedRun, Token } from "./gateway.js";
export type {
  ChatOptions,
  Connection,
  FollowOptions,
  Question,
  RequestOptions,
  StartOptions,
  StreamOptions,
} from "./options.js";
export { chat, follow, start, stop } from "./runs.js";
export type { RunStream } from "./stream.js";
export { text } from "./text.js";
export { Transcript, type ToolUse } from "./transcript.js";
