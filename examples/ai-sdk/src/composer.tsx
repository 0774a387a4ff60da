import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import { texts } from "./texts";

interface Props {
  live: boolean;
  onSend: (question: string) => void;
  onStop: () => void;
}

/** Enter sends, Shift+Enter breaks the line. Enter that ends a conversion of an input method does neither. */
export function Composer({ live, onSend, onStop }: Props) {
  const [question, setQuestion] = useState("");
  const box = useRef<HTMLTextAreaElement>(null);
  const empty = !question.trim();

  useEffect(() => {
    box.current?.focus();
  }, [live]);

  const send = () => {
    if (live || empty) return;
    onSend(question.trim());
    setQuestion("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Safari ends the composition first; its Enter is then known by its key code alone.
    if (event.nativeEvent.isComposing || event.keyCode === 229) return;
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={box}
        rows={1}
        value={question}
        placeholder={texts.ask}
        aria-label={texts.ask}
        onChange={(event) => setQuestion(event.target.value)}
        onKeyDown={onKeyDown}
      />
      {live ? (
        <button type="button" className="main" onClick={onStop}>
          {texts.stop}
        </button>
      ) : (
        <button type="submit" className="main" disabled={empty}>
          {texts.send}
        </button>
      )}
    </form>
  );
}
