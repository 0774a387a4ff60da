import type { DynamicToolUIPart } from "ai";
import { memo } from "react";
import { Markdown } from "./markdown";
import type { ChatMessage } from "./messages";
import { texts } from "./texts";

export const Message = memo(function Message({ message, live }: { message: ChatMessage; live: boolean }) {
  return (
    <article className={`message ${message.role}`} aria-busy={live} aria-label={texts.role[message.role]}>
      {message.parts.map((part, at) => {
        const id = `${message.id}-${at}`;
        switch (part.type) {
          case "text":
            return message.role === "user" ? (
              <p key={at} className="text">
                {part.text}
              </p>
            ) : (
              <div key={at} className="markdown">
                <Markdown id={id} text={part.text} />
              </div>
            );
          case "reasoning":
            return (
              <details key={at} className="reasoning">
                <summary>{part.state === "streaming" ? texts.thinking : texts.thought}</summary>
                <div className="markdown">
                  <Markdown id={id} text={part.text} />
                </div>
              </details>
            );
          case "dynamic-tool":
            return <Tool key={at} part={part} />;
          default:
            return null;
        }
      })}
      {message.metadata?.stopped && <p className="quiet stopped">{texts.stopped}</p>}
    </article>
  );
});

function Tool({ part }: { part: DynamicToolUIPart }) {
  return (
    <details className="tool" data-state={part.state}>
      <summary>
        <code>{part.toolName}</code> <span className="quiet">{texts.tool[part.state] ?? part.state}</span>
      </summary>
      <Value name={texts.input} value={part.input} />
      {part.state === "output-available" && <Value name={texts.output} value={part.output} />}
      {part.state === "output-error" && <Value name={texts.failure} value={part.errorText} />}
    </details>
  );
}

function Value({ name, value }: { name: string; value: unknown }) {
  return (
    <figure>
      <figcaption className="quiet">{name}</figcaption>
      <pre tabIndex={0}>{typeof value === "string" ? value : JSON.stringify(value, null, 2)}</pre>
    </figure>
  );
}
