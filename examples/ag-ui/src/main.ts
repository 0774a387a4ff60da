import type { Message, RunAgentParameters, ToolCall } from "@ag-ui/client";
import { GatewayAgent } from "./agent";
import { markdown } from "./markdown";
import { language, texts } from "./texts";

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const [messages, composer, question] = [find("messages"), find("composer"), find<HTMLTextAreaElement>("question")];
const [status, failure, stop, send] = [find("status"), find("error"), find("stop"), find<HTMLButtonElement>("send")];
const useTools = find<HTMLInputElement>("agent");

// The thread stands in the address, so that a reload and another browser have the same conversation.
const address = new URL(location.href);
const known = address.searchParams.get("thread");
const threadId = known ?? crypto.randomUUID();
address.searchParams.set("thread", threadId);
history.replaceState(null, "", address);

const model = address.searchParams.get("model"); // the server's first where none is named
const agent = new GatewayAgent({ url: import.meta.env["VITE_API"] ?? "/api/ag-ui", threadId });

function element(name: string, text = "", kind = ""): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = kind;
  return made;
}

/** What was drawn of each message, and of which text: to read Markdown takes time. */
const written = new Map<string, { text: string; shown: HTMLElement }>();

function rendered(id: string, text: string): HTMLElement {
  const known = written.get(id);
  const shown = known?.text === text ? known.shown : markdown(text);
  written.set(id, { text, shown });
  return shown.cloneNode(true) as HTMLElement;
}

function card(call: ToolCall): HTMLElement {
  const made = element("details", "", "tool");
  const result = agent.messages.find((each) => each.role === "tool" && each.toolCallId === call.id);
  made.dataset["done"] = String(result !== undefined);
  made.append(element("summary", call.function.name), element("pre", call.function.arguments));
  if (result) made.append(element("pre", String(result.content)));
  made.querySelectorAll("pre").forEach((value) => (value.tabIndex = 0)); // scrolled by keyboard, too
  return made;
}

function drawn(message: Message): HTMLElement | undefined {
  if (message.role === "user") return element("p", String(message.content), "user");
  if (message.role === "reasoning") {
    const thoughts = element("details", "", "thoughts");
    thoughts.append(element("summary", texts.thoughts), rendered(message.id, message.content));
    return thoughts;
  }
  if (message.role !== "assistant") return undefined; // results stand with their calls
  const answer = element("article");
  if (message.content) answer.append(rendered(message.id, message.content));
  answer.append(...(message.toolCalls ?? []).map(card));
  return answer;
}

/** Puts beneath a message that the answer was stopped there. */
function withNote(message: Message): (HTMLElement | undefined)[] {
  return [drawn(message), message.metadata?.["stopped"] ? element("p", texts.stopped, "note") : undefined];
}

/** Draws what has changed; what a reader has opened stays open. */
function draw(): void {
  const atEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < 40;
  const shown = agent.messages.flatMap(withNote).filter((each) => each !== undefined);
  shown.forEach((each, number) => {
    const before = messages.children[number];
    const open = [...(before?.querySelectorAll("details") ?? [])].map((details) => details.open);
    if (before instanceof HTMLDetailsElement && each instanceof HTMLDetailsElement) each.open = before.open;
    each.querySelectorAll("details").forEach((details, place) => (details.open = open[place] ?? false));
    if (!before) messages.append(each);
    else if (!before.isEqualNode(each)) before.replaceWith(each);
  });
  while (messages.children.length > shown.length) messages.lastElementChild?.remove();
  if (!shown.length) messages.append(element("p", texts.hint, "hint"));
  if (atEnd) messages.scrollTop = messages.scrollHeight;
}

/** Draws once for all that comes until the browser shows the next picture. */
let drawing = 0;
function drawSoon(): void {
  drawing ||= requestAnimationFrame(() => {
    drawing = 0;
    draw();
  });
}

function show(live: boolean): void {
  status.textContent = live ? texts.answering : "";
  stop.hidden = !live;
  send.hidden = live;
}

async function follow(asked?: RunAgentParameters): Promise<void> {
  failure.hidden = true;
  const fail = (message: string) => {
    failure.textContent = message;
    failure.hidden = false;
  };
  let stopped = false;
  try {
    show(asked !== undefined);
    const subscriber = {
      onRunInitialized: draw,
      onEvent: () => show(true),
      onMessagesChanged: drawSoon,
      onRunFinishedEvent: ({ outcome }: { outcome: string }) => void (stopped = outcome === "cancelled"),
      onRunErrorEvent: ({ event }: { event: { message: string } }) => fail(event.message),
    };
    await agent.follow(subscriber, asked);
  } catch (error) {
    const { payload, message } = error as Error & { payload?: { message?: string } };
    fail(payload?.message ?? message);
  } finally {
    if (stopped) agent.noteStop();
    draw();
    show(false);
  }
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  if (send.hidden || !question.value.trim()) return;
  agent.addMessage({ id: crypto.randomUUID(), role: "user", content: question.value });
  question.value = "";
  void follow({ forwardedProps: { agent: useTools.checked, ...(model && { model }) } });
});
/** Is a key of an input method. Safari ends the composition first; its Enter is then known by its key code alone. */
const composing = (event: KeyboardEvent) => event.isComposing || event.keyCode === 229;

question.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !composing(event)) {
    event.preventDefault();
    (composer as HTMLFormElement).requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !stop.hidden && !composing(event)) void agent.stop();
});
stop.addEventListener("click", () => void agent.stop());

address.searchParams.delete("thread");
find<HTMLAnchorElement>("anew").href = address.href; // with the model and the language that were chosen
document.documentElement.lang = language;
messages.setAttribute("aria-label", texts.messages);
document.querySelector("label[for=question]")!.textContent = texts.ask;
document.querySelector(".choice span")!.textContent = texts.agent;
question.value = known ? "" : texts.example;
[stop.textContent, send.textContent, find("anew").textContent] = [texts.stop, texts.send, texts.anew];
draw();
void follow();
