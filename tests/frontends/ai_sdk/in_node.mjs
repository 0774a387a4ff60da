/** Reads answers from its input, one a line, `{version, body}`, and says of each what the chat has then. */

import { createInterface } from "node:readline";
import { chatOf, messageOf, stateOf } from "./readers.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  const { version, body } = JSON.parse(line);
  const transport = { fetch: async () => new Response(Buffer.from(body, "base64")) };
  const reader = chatOf(version, transport);
  await reader.chat.sendMessage({ text: "q" });
  console.log(JSON.stringify({ ...stateOf(reader), read: await messageOf(version, transport) }));
}
