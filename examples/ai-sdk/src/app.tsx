import { useChat } from "@ai-sdk/react";
import { DefaultChatTransport } from "ai";
import { useEffect, useRef, useState } from "react";
import { Composer } from "./composer";
import { chatId, keep, newChat, recall } from "./kept";
import { Message } from "./message";

const API = "/api/ai-sdk/chat";
const MODEL = new URLSearchParams(location.search).get("model") ?? undefined; // the server's first without it
const AGAIN = 1_000; // milliseconds until a connection that was lost is looked for

const id = chatId();
const kept = recall(id);

/** Version 7 of `ai` takes back what a failed attempt had written, so it is told of it in its own words. */
const transport = new DefaultChatTransport({
  api: `${API}?version=7`,
  // An answer that came to its end while this page was away is asked for, too, but not one that is all here.
  prepareReconnectToStreamRequest: () => ({ api: `${API}/${encodeURIComponent(id)}/stream?version=7&ended=${recall(id).open}` }),
});

/** Leaving does not stop an answer here: it goes on for whoever comes back. This does, for all who follow it. */
const stopAnswer = () => fetch(`${API}/${encodeURIComponent(id)}/stop`, { method: "POST" });

export function App() {
  const [agent, setAgent] = useState(true);
  const { messages, status, error, sendMessage, regenerate, resumeStream } = useChat({
    id,
    messages: kept.messages,
    transport,
    resume: true,
    throttle: 50,
    onFinish: ({ messages, isError, isAbort }) => keep(id, { messages, open: isError || isAbort }),
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

  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void end.current?.scrollIntoView({ block: "end" }); // newer browsers return a promise, which is no clean-up
  }, [messages, error]);

  return (
    <div className="app">
      <header>
        <h1>useChat on Streaming Lab</h1>
        <span className="status" data-status={status} role="status">
          {status}
        </span>
        <nav>
          <a href={location.href} target="_blank" rel="noreferrer">
            Follow in another window
          </a>
          <button type="button" onClick={newChat}>
            New chat
          </button>
        </nav>
      </header>
      <main tabIndex={0} aria-label="The chat">
        {messages.length === 0 && !live && (
          <p className="empty">Ask something, and reload the page while the answer arrives: it goes on, whole.</p>
        )}
        {messages.map((message) => (
          <Message key={message.id} message={message} live={live && message === messages.at(-1)} />
        ))}
        {status === "submitted" && <p className="quiet">The answer is being waited for …</p>}
        {error && (
          <p className="error" role="alert">
            {error instanceof TypeError ? "The connection was lost. It is being looked for …" : error.message}
          </p>
        )}
        {(error ?? unanswered) && (
          <p className="ways">
            <button type="button" onClick={() => void regenerate({ body })}>
              Ask again
            </button>
            <button type="button" onClick={() => void resumeStream()}>
              Look for the answer
            </button>
          </p>
        )}
        <div ref={end} />
      </main>
      <footer>
        <Composer
          live={live}
          onSend={(text) => void sendMessage({ text }, { body })}
          onStop={() => void stopAnswer()}
        />
        <label>
          <input type="checkbox" checked={agent} onChange={(event) => setAgent(event.target.checked)} /> with tools
        </label>
      </footer>
    </div>
  );
}
