import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useEffect, useState } from "react";
import { Composer } from "./composer";
import { chatId, keep, newChat, recall } from "./kept";
import { Message } from "./message";
import { withQuestion, withStopped, type ChatMessage } from "./messages";
import { texts } from "./texts";
import { useStickToEnd } from "./use-stick-to-end";

const API = "/api/ai-sdk/chat";
const MODEL = new URLSearchParams(location.search).get("model") ?? undefined; // the server's first without it
const AGAIN = 1_000; // milliseconds until a connection that was lost is looked for

const id = chatId();
const kept = recall(id);

/** Version 7 of `ai` takes back what a failed attempt had written, so it is told of it in its own words. */
const transport = new DefaultChatTransport<ChatMessage>({
  api: `${API}?version=7`,
  // An answer that came to its end while this page was away is asked for, too, but not one that is all here.
  prepareReconnectToStreamRequest: () => ({ api: `${API}/${encodeURIComponent(id)}/stream?version=7&ended=${recall(id).open}` }),
});

/** Leaving does not stop an answer here: it goes on for whoever comes back. This does, for all who follow it. */
const stopAnswer = () => fetch(`${API}/${encodeURIComponent(id)}/stop`, { method: "POST" });

export function App() {
  const [agent, setAgent] = useState(true);
  const { messages, setMessages, status, error, sendMessage, regenerate, resumeStream } = useChat<ChatMessage>({
    id,
    messages: kept.messages,
    transport,
    resume: true,
    throttle: 50,
    onData: (part) => {
      if (part.type === "data-question") setMessages((messages) => withQuestion(messages, part.data));
    },
    onFinish: ({ messages, message, finishReason, isError, isAbort }) => {
      const seen = finishReason === "interrupted" ? withStopped(messages, message.id) : messages;
      setMessages(seen);
      keep(id, { messages: seen, open: isError || isAbort });
    },
  });
  const live = status === "submitted" || status === "streaming";
  const unanswered = status === "ready" && messages.at(-1)?.role === "user";
  const body = { model: MODEL, agent };

  useEffect(() => {
    if (live && messages.length > 0) keep(id, { messages, open: true });
  }, [live, messages]);

  useEffect(() => {
    if (!(error instanceof TypeError)) return; // what a lost connection is to a browser
    const timer = setTimeout(() => void resumeStream(), AGAIN);
    return () => clearTimeout(timer);
  }, [error, resumeStream]);

  useEffect(() => {
    if (!live) return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing) void stopAnswer(); // wherever the focus is
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [live]);

  const main = useStickToEnd([messages, error, status]);

  return (
    <div className="app">
      <header>
        <h1>{texts.title}</h1>
        <span className="status" data-status={status} role="status">
          {texts.status[status]}
        </span>
        <nav>
          <a href={location.href} target="_blank" rel="noreferrer">
            {texts.follow}
          </a>
          <button type="button" onClick={newChat}>
            {texts.newChat}
          </button>
        </nav>
      </header>
      <main ref={main} tabIndex={0} aria-label={texts.chat}>
        {messages.length === 0 && !live && <p className="empty">{texts.empty}</p>}
        {messages.map((message) => (
          <Message key={message.id} message={message} live={live && message === messages.at(-1)} />
        ))}
        {status === "submitted" && <p className="quiet">{texts.waiting}</p>}
        {error && (
          <p className="error" role="alert">
            {error instanceof TypeError ? texts.lost : error.message}
          </p>
        )}
        {(error ?? unanswered) && (
          <p className="ways">
            <button type="button" onClick={() => void regenerate({ body })}>
              {texts.again}
            </button>
            <button type="button" onClick={() => void resumeStream()}>
              {texts.look}
            </button>
          </p>
        )}
      </main>
      <footer>
        <Composer
          live={live}
          onSend={(text) => void sendMessage({ text }, { body })}
          onStop={() => void stopAnswer()}
        />
        <label>
          <input type="checkbox" checked={agent} onChange={(event) => setAgent(event.target.checked)} /> {texts.tools}
        </label>
      </footer>
    </div>
  );
}
