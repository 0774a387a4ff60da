/** What people do with a chat, with each version of the AI SDK, at a real gateway: all at once, for most of it is waiting. */

import { setTimeout as sleep } from "node:timers/promises";
import { chatOf, stateOf } from "./readers.mjs";

const { url, models } = JSON.parse(process.argv[2]);
const PATIENCE = 20_000;

async function until(holds) {
  for (const end = Date.now() + PATIENCE; !holds(); await sleep(5)) {
    if (Date.now() > end) throw new Error(`waited in vain for ${holds}`);
  }
}

/** The text of the last message, so far. */
const textOf = ({ chat }) =>
  (chat.messages.at(-1)?.parts ?? []).flatMap((part) => (part.type === "text" ? [part.text] : [])).join("");

/** A page that is open at a chat; `more` is its transport's. */
function opened(version, id, more = {}, messages = []) {
  const api = `${url}/ai-sdk/chat${version === 5 ? "" : `?version=${version}`}`;
  return chatOf(version, { api, ...more }, { id, messages });
}

const asking = (model, body = {}) => ({ body: { model, ...body } });
const stop = (id) => fetch(`${url}/ai-sdk/chat/${encodeURIComponent(id)}/stop`, { method: "POST" });

const SCENARIOS = {
  async plain(version, id) {
    const page = opened(version, id, asking(models.plain));
    await page.chat.sendMessage({ text: "q" });
    return [page];
  },
  async agent(version, id) {
    const page = opened(version, id, asking(models.agent, { agent: true }));
    await page.chat.sendMessage({ text: "What is 17 * 23, and which products sold best?" });
    await page.chat.sendMessage({ text: "What is 2 + 2?" }); // with the calls of before in what was said
    return [page];
  },
  async told_without_tools(version, id) {
    const page = opened(version, id, asking(models.agent, { agent: true }));
    await page.chat.sendMessage({ text: "What is 17 * 23?" });
    await page.chat.sendMessage({ text: "q" }, { body: { model: models.plain, agent: false } });
    return [page];
  },
  async reasoning(version, id) {
    const page = opened(version, id, asking(models.reasoning));
    await page.chat.sendMessage({ text: "q" });
    return [page];
  },
  async retried(version, id) {
    const page = opened(version, id, asking(`${models.cut}&id=${encodeURIComponent(id)}`));
    await page.chat.sendMessage({ text: "q" });
    return [page];
  },
  async failed(version, id) {
    const page = opened(version, id, asking(models.failing));
    await page.chat.sendMessage({ text: "q" });
    await page.chat.regenerate({ body: { model: models.plain } }); // the page can go on
    return [page];
  },
  async refused(version, id) {
    const page = opened(version, id, asking("no such model"));
    await page.chat.sendMessage({ text: "q" });
    return [page];
  },
  async with_a_file(version, id) {
    const page = opened(version, id, asking(models.plain));
    const file = { type: "file", mediaType: "image/png", url: "data:image/png;base64,AA==" };
    await page.chat.sendMessage({ text: "q", files: [file] });
    return [page];
  },
  async regenerated(version, id) {
    const page = opened(version, id, asking(models.plain));
    await page.chat.sendMessage({ text: "first" });
    await page.chat.sendMessage({ text: "second" });
    const [, , , former] = page.chat.messages;
    await page.chat.regenerate();
    if (former.id === page.chat.messages[3].id) throw new Error("it is the former answer");
    return [page];
  },
  async edited(version, id) {
    const page = opened(version, id, asking(models.plain));
    await page.chat.sendMessage({ text: "first" });
    await page.chat.sendMessage({ text: "anew", messageId: page.chat.messages[0].id });
    return [page];
  },
  async resumed(version, id) {
    const first = opened(version, id, asking(models.slow));
    const asked = first.chat.sendMessage({ text: "q" });
    await until(() => textOf(first).length > 20);
    const second = opened(version, id, {}, first.chat.messages.slice(0, 1));
    const third = opened(version, id, {}, structuredClone(first.chat.messages)); // a page that kept what it had
    await Promise.all([asked, second.chat.resumeStream(), third.chat.resumeStream()]);
    return [first, second, third];
  },
  async stopped(version, id) {
    const first = opened(version, id, asking(models.endless));
    const asked = first.chat.sendMessage({ text: "q" });
    await until(() => textOf(first).length > 20);
    const second = opened(version, id);
    const resumed = second.chat.resumeStream();
    await until(() => textOf(second).length > 20);
    const answer = await stop(id);
    if (answer.status !== 202) throw new Error(`stopping was answered ${answer.status}`);
    await Promise.all([asked, resumed]);
    const third = opened(version, id);
    await third.chat.resumeStream();
    return [first, second, third];
  },
  async left(version, id) {
    const page = opened(version, id, asking(models.slow));
    void page.chat.sendMessage({ text: "q" });
    await until(() => textOf(page).length > 20);
    await page.chat.stop(); // leaves; the answer goes on
    const back = opened(version, id, {}, structuredClone(page.chat.messages));
    await back.chat.resumeStream();
    return [page, back];
  },
  async asked_anew(version, id) {
    const page = opened(version, id, asking(models.endless));
    void page.chat.sendMessage({ text: "q" });
    await until(() => textOf(page).length > 20);
    await page.chat.stop();
    await page.chat.sendMessage({ text: "another" }, { body: { model: models.plain } });
    return [page];
  },
  async cut(version, id) {
    const page = opened(version, id, {
      ...asking(models.slow),
      fetch: async (address, init) => {
        const answer = await fetch(address, init);
        if (init.method !== "POST") return answer;
        let size = 0;
        return new Response(answer.body.pipeThrough(new TransformStream({
          transform(piece, controller) {
            size += piece.length;
            if (size > 400) controller.error(new TypeError("network error"));
            else controller.enqueue(piece);
          },
        })));
      },
    });
    await page.chat.sendMessage({ text: "q" });
    const [{ isDisconnect }] = page.notes.finishes;
    if (!isDisconnect) throw new Error("it was not taken for a cut");
    await page.chat.resumeStream();
    return [page];
  },
  async nothing(version, id) {
    const page = opened(version, id);
    await page.chat.resumeStream();
    return [page];
  },
};

const outcomes = {};
await Promise.all([5, 6, 7].flatMap((version) => Object.entries(SCENARIOS).map(async ([name, play]) => {
  const id = `${name} ${version} /?#%&é`;
  try {
    outcomes[`${name} ${version}`] = (await play(version, id)).map(stateOf);
  } catch (error) {
    outcomes[`${name} ${version}`] = String(error.stack);
  }
})));
console.log(JSON.stringify(outcomes));
