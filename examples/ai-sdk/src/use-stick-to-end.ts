import { useEffect, useLayoutEffect, useRef, type RefObject } from "react";

const NEAR = 40; // pixels

/** Keeps the end of a growing element in view, for as long as its reader has not scrolled away from it. */
export function useStickToEnd(content: unknown): RefObject<HTMLElement | null> {
  const element = useRef<HTMLElement>(null);
  const atEnd = useRef(true);

  useEffect(() => {
    const { current } = element;
    const look = () => {
      if (current) atEnd.current = current.scrollHeight - current.scrollTop - current.clientHeight < NEAR;
    };
    current?.addEventListener("scroll", look, { passive: true });
    return () => current?.removeEventListener("scroll", look);
  }, []);
  useLayoutEffect(() => {
    if (atEnd.current && element.current) element.current.scrollTop = element.current.scrollHeight;
  }, [content]);
  return element;
}
