/** `node asks.mjs <base URL> <key> <asks, as JSON>`: asks each in its way, and prints what came of all of them. */

import OpenAI from "openai";

const [baseURL, apiKey, asks] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 30_000 });
const question = [{ role: "user", content: "Hi" }];

const ways = {
  /** A chat, whole and as the helper streams it. */
  async chat({ model }) {
    const whole = await client.chat.completions.create({ model, messages: question });
    const stream = client.chat.completions.stream({
      model,
      messages: question,
      stream_options: { include_usage: true },
    });
    const texts = [];
    for await (const chunk of stream) texts.push(chunk.choices[0]?.delta.content ?? "");
    const final = await stream.finalChatCompletion();
    return { whole: whole.choices[0].message.content, streamed: texts.join(""), usage: final.usage, asked: whole.usage };
  },

  /** A tool that the helper runs, and the answer that comes of it. */
  async tools({ model, tool, city }) {
    const run = (given) => `${given.city}: clear sky`;
    const runner = client.chat.completions.runTools({
      model,
      messages: [{ role: "user", content: `What is the weather in ${city}?` }],
      tools: [{ type: "function", function: { ...tool, function: run, parse: JSON.parse } }],
      stream: true,
    });
    return { text: await runner.finalContent() };
  },

  /** A response whose stream is left in its midst, and gone on with by number and by the helper. */
  async background({ model }) {
    const stream = await client.responses.create({ model, input: "Hi", stream: true, background: true });
    const seen = [];
    let id;
    for await (const event of stream) {
      id ??= event.response.id;
      seen.push(event.sequence_number);
      if (seen.length === 8) break;
    }
    let text;
    for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: seen.at(-1) })) {
      seen.push(event.sequence_number);
      text = event.response?.output?.[0]?.content[0].text;
    }
    const helped = client.responses.stream({ response_id: id, starting_after: 20 });
    const again = [];
    for await (const event of helped) again.push(event.sequence_number);
    const final = await helped.finalResponse();
    const kept = await client.responses.retrieve(id);
    return { seen, again, text, final: final.output_text, kept: kept.output_text, status: kept.status };
  },

  /** A response that goes on from another, with its input listed, and is then deleted. */
  async kept({ model }) {
    const first = await client.responses.create({ model, input: "Hi" });
    const second = await client.responses.create({ model, input: "And?", previous_response_id: first.id });
    const items = [];
    for await (const item of client.responses.inputItems.list(second.id)) items.push(item.content[0].text);
    await client.responses.delete(second.id);
    const gone = await client.responses.retrieve(second.id).catch((error) => error.status);
    return { text: second.output_text, items, gone };
  },

  async cancel({ model }) {
    const { id } = await client.responses.create({ model, input: "Hi", background: true });
    const stream = client.responses.stream({ response_id: id });
    const types = [];
    for await (const event of stream) {
      if (event.type.endsWith(".delta") && !types.at(-1).endsWith(".delta")) await client.responses.cancel(id);
      types.push(event.type);
    }
    return { last: types.at(-1), status: (await client.responses.retrieve(id)).status };
  },

  /** What the errors are, before a stream and in it. */
  async errors({ broken }) {
    const told = (error) => ({ kind: error.constructor.name, status: error.status, code: error.code });
    const none = await client.chat.completions.create({ model: "nobody's", messages: question }).catch(told);
    const several = await client.chat.completions.create({ model: broken, messages: question, n: 2 }).catch(told);
    const stream = await client.chat.completions.create({ model: broken, messages: question, stream: true });
    return { none, several, within: await drained(stream).catch(told) };
  },
};

async function drained(stream) {
  for await (const _ of stream);
}

const outcomes = await Promise.all(
  JSON.parse(asks).map(([way, given]) =>
    ways[way](given).catch((error) => ({ failed: String(error.stack) })),
  ),
);
console.log(JSON.stringify(outcomes));
