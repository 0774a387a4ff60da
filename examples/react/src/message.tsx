import { memo } from "react";
import type { ChatMessage, ToolUse } from "streaming-lab-client/react";
import { Markdown } from "./markdown";
import type { Texts } from "./texts";

const LIVE = ["thinking", "streaming", "reconnecting"];

/** Drawn anew only when the message has changed, which the hook tells by a new object. */
export const Message = memo(function Message({ message, texts }: { message: ChatMessage; texts: Texts }) {
  const { role, text, thinking, tools, status, code } = message;
  const live = LIVE.includes(status);
  return (
    <article className={`message ${role}`} aria-label={role === "user" ? texts.you : texts.assistant} aria-busy={live}>
      {thinking && (
        <details className="thoughts">
          <summary>{texts.thoughts}</summary>
          {thinking}
        </details>
      )}
      {tools.map((use) => (
        <ToolCard key={use.id} use={use} texts={texts} />
      ))}
      {role === "user" ? <p>{text}</p> : text && <Markdown text={text} />}
      {live && !text && <span className="dots" aria-hidden="true" />}
      {status === "stopped" && <p className="note">{code === "unwatched" ? texts.unwatched : texts.status.stopped}</p>}
      {code === "length" && <p className="note">{texts.cutShort}</p>}
    </article>
  );
});

function ToolCard({ use, texts }: { use: ToolUse; texts: Texts }) {
  return (
    <details className="tool" data-status={use.status}>
      <summary>
        <span className="mark" aria-hidden="true" />
        <code>{use.tool}</code>
        <span className="state">{texts.tool[use.status]}</span>
      </summary>
      <dl>
        {use.input !== undefined && <Value name={texts.input} value={use.input} />}
        {use.result !== undefined && <Value name={texts.result} value={use.result} />}
      </dl>
    </details>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <pre tabIndex={0}>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
      </dd>
    </div>
  );
}
