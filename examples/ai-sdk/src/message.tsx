import type { DynamicToolUIPart, UIMessage } from "ai";
import { memo } from "react";

export const Message = memo(function Message({ message, live }: { message: UIMessage; live: boolean }) {
  return (
    <article className={`message ${message.role}`} aria-busy={live} aria-label={message.role}>
      {message.parts.map((part, at) => {
        switch (part.type) {
          case "text":
            return (
              <p key={at} className="text">
                {part.text}
              </p>
            );
          case "reasoning":
            return (
              <details key={at} className="reasoning">
                <summary>{part.state === "streaming" ? "Thinking …" : "Thought"}</summary>
                <p>{part.text}</p>
              </details>
            );
          case "dynamic-tool":
            return <Tool key={at} part={part} />;
          default:
            return null;
        }
      })}
    </article>
  );
});

const STATES: Partial<Record<DynamicToolUIPart["state"], string>> = {
  "input-available": "running …",
  "output-available": "done",
  "output-error": "failed",
};

function Tool({ part }: { part: DynamicToolUIPart }) {
  return (
    <details className="tool" data-state={part.state}>
      <summary>
        <code>{part.toolName}</code> <span className="quiet">{STATES[part.state] ?? part.state}</span>
      </summary>
      <Value name="Input" value={part.input} />
      {part.state === "output-available" && <Value name="Output" value={part.output} />}
      {part.state === "output-error" && <Value name="Error" value={part.errorText} />}
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
