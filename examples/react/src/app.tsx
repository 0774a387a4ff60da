import { useEffect, useRef, useState } from "react";
import { AuthError } from "streaming-lab-client";
import { useChatStream } from "streaming-lab-client/react";
import { Composer } from "./composer";
import { Message } from "./message";
import { Network } from "./network";
import { preferred, TEXTS, type Texts } from "./texts";
import { useStickToEnd } from "./use-stick-to-end";

const API: string = import.meta.env["VITE_API"] ?? "/api";
const MODEL = new URLSearchParams(location.search).get("model") ?? undefined; // the server's first without it
const network = new Network();

export function App() {
  const [language, setLanguage] = useState(preferred);
  const [agent, setAgent] = useState(true);
  const [cut, setCut] = useState(false);
  const token = useRef(""); // for as long as the page is open; it is kept nowhere
  const chat = useChatStream({
    url: API,
    model: MODEL,
    agent,
    fetch: network.fetch,
    token: () => token.current,
    attempts: 20,
  });
  const { messages, status, error } = chat;
  const texts = TEXTS[language];
  const live = status === "thinking" || status === "streaming" || status === "reconnecting";
  const end = useStickToEnd(messages);

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  const switchNetwork = () => {
    if (cut) network.mend();
    else network.cut();
    setCut(!cut);
  };
  const useToken = (entered: string) => {
    token.current = entered;
    chat.resume();
  };
  return (
    <div className="app">
      <header>
        <h1>{texts.title}</h1>
        <span className="status" data-status={status} role="status">
          {texts.status[status]}
        </span>
        <nav>
          <button type="button" aria-pressed={cut} onClick={switchNetwork}>
            {cut ? texts.mend : texts.cut}
          </button>
          <button type="button" onClick={chat.reset} disabled={messages.length === 0}>
            {texts.newChat}
          </button>
          <button type="button" lang={language === "en" ? "ja" : "en"} onClick={() => setLanguage(language === "en" ? "ja" : "en")}>
            {texts.language}
          </button>
        </nav>
      </header>
      <main ref={end} tabIndex={0} aria-label={texts.title}>
        {messages.length === 0 && <Empty texts={texts} onAsk={chat.send} />}
        {messages.map((message) => (
          <Message key={message.id} message={message} texts={texts} />
        ))}
        {error && (
          <div className="error" role="alert">
            <p>
              {error.message} {error.hint}
            </p>
            {error instanceof AuthError ? (
              <TokenForm texts={texts} onToken={useToken} />
            ) : (
              <button type="button" onClick={chat.resume}>
                {texts.resume}
              </button>
            )}
          </div>
        )}
      </main>
      <footer>
        <Composer texts={texts} live={live} onSend={chat.send} onStop={() => void chat.stop()} />
        <label>
          <input type="checkbox" checked={agent} onChange={(event) => setAgent(event.target.checked)} /> {texts.tools}
        </label>
      </footer>
    </div>
  );
}

function Empty({ texts, onAsk }: { texts: Texts; onAsk: (question: string) => void }) {
  return (
    <section className="empty">
      <h2>{texts.emptyTitle}</h2>
      <p>{texts.emptyText}</p>
      <div className="examples">
        {texts.examples.map((example) => (
          <button type="button" key={example} onClick={() => onAsk(example)}>
            {example}
          </button>
        ))}
      </div>
    </section>
  );
}

function TokenForm({ texts, onToken }: { texts: Texts; onToken: (token: string) => void }) {
  const [entered, setEntered] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        onToken(entered.trim());
      }}
    >
      <label>
        {texts.token}
        <input type="password" autoComplete="off" required value={entered} onChange={(event) => setEntered(event.target.value)} />
      </label>
      <button type="submit">{texts.useToken}</button>
    </form>
  );
}
