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
export { chat, follow, start, stop } from "./runs.js";
export type { RunStream } from "./stream.js";
export { text } from "./text.js";
export { Transcript, type ToolUse } from "./transcript.js";
export type {
  ChatOptions,
  Connection,
  FollowOptions,
  Question,
  RequestOptions,
  StartedRun,
  StartOptions,
  StreamOptions,
  Token,
} from "./types.js";
