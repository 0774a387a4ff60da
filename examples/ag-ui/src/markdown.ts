import DOMPurify from "dompurify";
import { Marked, type Tokens } from "marked";
import cjkFriendly from "marked-cjk-friendly";

const TOO_DEEP = /^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){50}/m; // what no reader means, and a parser is slow at
const SAFE = {
  ALLOWED_TAGS: "a blockquote br code del em h1 h2 h3 h4 h5 h6 hr input li ol p pre strong table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["align", "checked", "disabled", "href", "start", "title", "type"],
  ADD_URI_SAFE_ATTR: ["align", "start", "type"], // what else would be taken for addresses
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  RETURN_DOM_FRAGMENT: true as const,
};

const escaped = (text: string) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** HTML is shown as the text that it is, and a picture as a link to it, so that nothing is loaded from another host. */
const marked = new Marked(cjkFriendly(), {
  renderer: {
    html: ({ text, block }) => (block ? `<p>${escaped(text)}</p>` : escaped(text)),
    image: ({ href, text }) => `<a href="${escaped(href)}">${escaped(text || href)}</a>`,
    link({ href, title, tokens }: Tokens.Link) {
      const inner = this.parser.parseInline(tokens).replace(/<\/?a\b[^>]*>/g, ""); // a picture within a link is its words
      return `<a href="${escaped(href)}"${title ? ` title="${escaped(title)}"` : ""}>${inner}</a>`;
    },
  },
});

/** Draws Markdown as a model writes it, half finished while it arrives; where it cannot be drawn, its text. */
export function markdown(text: string): HTMLElement {
  const made = document.createElement("div");
  made.className = "markdown";
  try {
    if (TOO_DEEP.test(text)) throw new RangeError("It is nested too deeply.");
    made.append(DOMPurify.sanitize(marked.parse(text, { async: false }), SAFE));
  } catch {
    made.textContent = text;
    made.classList.add("plain");
  }
  for (const link of made.querySelectorAll("a")) {
    if (link.href) Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
    else link.replaceWith(...link.childNodes);
  }
  for (const wide of made.querySelectorAll<HTMLElement>("pre, table")) frame(wide);
  return made;
}

/** Puts what may be wider than the page where it is scrolled by itself, by keyboard, too. */
function frame(wide: HTMLElement): void {
  const frame = document.createElement("div");
  frame.className = "wide";
  frame.tabIndex = 0;
  wide.replaceWith(frame);
  frame.append(wide);
}
