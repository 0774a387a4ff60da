/** One connection to one run over HTTP: messages until it ends, for whatever reason. */

import { asLost } from "./errors.js";
import { foreignAnswer } from "./foreign.js";
import type { Gateway } from "./gateway.js";
import { SseDecoder } from "./sse.js";
import type { Message } from "./types.js";
import type { Watchdog } from "./watchdog.js";

/** Yield the messages of a response, as many at a time as one piece of it brought. */
export async function* readStream(
  { url }: Gateway,
  response: Response,
  watchdog: Watchdog,
): AsyncGenerator<Message[], void> {
  const isStream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
  if (!isStream || !response.body) throw foreignAnswer(url, response);
  const body = response.body.getReader();
  const decoder = new SseDecoder();
  try {
    for (;;) {
      const { done, value } = await body.read();
      if (done) return;
      watchdog.heard();
      const messages = decoder.decode(value);
      if (messages.length) yield messages;
    }
  } catch (error) {
    throw asLost(error, watchdog.signal);
  } finally {
    body.cancel().catch(() => {}); // of a body that has failed, cancelling fails too
  }
}
