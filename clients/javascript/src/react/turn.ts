import type { Transcript } from "../transcript.js";
import type { Question } from "../types.js";

/** A question and its answer so far. Without `runId` it is not known whether the server has received the question. */
export interface Turn {
  id: string;
  question: Question;
  /** the idempotency key: with it the same question, sent again, is no second run */
  key: string;
  runId?: string | undefined;
  /** the resume token of the last event that is in the transcript */
  position?: string | undefined;
  transcript: Transcript;
}
