import type { Element, ElementContent, Root, RootContent } from "hast";
import { Component, memo, type ReactNode } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkCjkFriendly from "remark-cjk-friendly";
import remarkGfm from "remark-gfm";
import { texts } from "./texts";

const LINKED = /^(?:https?:|mailto:|#)/i; // where a link may lead; # to a footnote
const TOO_DEEP = /^(?:[ \t]*(?:>|[*+-][ \t]|\d{1,9}[.)][ \t])){50}/m; // what no reader means, and a parser is slow at

const PLUGINS = [remarkGfm, remarkCjkFriendly]; // the second for bold beside Japanese brackets

interface Props {
  /** Goes before the ids of footnotes, which several messages may have. */
  id: string;
  text: string;
}

/** Markdown as a model writes it: half finished while it arrives, with HTML as the text that it is, without pictures. */
export const Markdown = memo(function Markdown({ id, text }: Props) {
  const plain = <p className="text">{text}</p>;
  if (TOO_DEEP.test(text)) return plain;
  const footnotes = { clobberPrefix: `${id}-`, footnoteLabel: texts.footnotes, footnoteBackLabel: texts.back };
  return (
    <Unbroken instead={plain}>
      <ReactMarkdown
        remarkPlugins={PLUGINS}
        rehypePlugins={[picturesAsLinks]}
        remarkRehypeOptions={footnotes}
        urlTransform={(url) => (LINKED.test(url) ? url : undefined)}
        components={COMPONENTS}
      >
        {text}
      </ReactMarkdown>
    </Unbroken>
  );
});

const COMPONENTS: Components = {
  a: ({ node: _, href, ...rest }) => {
    if (!href) return <span {...rest} />;
    return href.startsWith("#") ? <a href={href} {...rest} /> : <a href={href} {...rest} target="_blank" rel="noopener noreferrer" />;
  },
  pre: ({ node: _, ...rest }) => <pre tabIndex={0} {...rest} />, // what is wider than the page is scrolled by keyboard, too
  table: ({ node: _, ...rest }) => (
    <div className="table" tabIndex={0}>
      <table {...rest} />
    </div>
  ),
};

/** Lets nothing be loaded from another host: a picture is a link to it, or within a link its words. */
function picturesAsLinks() {
  return (tree: Root) => void (tree.children = tree.children.map((child) => asLink(child, false)));
}

function asLink<Content extends RootContent | ElementContent>(content: Content, linked: boolean): Content | ElementContent {
  if (content.type !== "element") return content;
  if (content.tagName === "img") {
    const { src, alt } = content.properties;
    const words: ElementContent = { type: "text", value: String(alt || src || "") };
    return linked ? words : { type: "element", tagName: "a", properties: { href: src }, children: [words] };
  }
  const within = linked || content.tagName === "a";
  (content as Element).children = content.children.map((child) => asLink(child, within));
  return content;
}

/** Shows something else `instead` where drawing fails, and the rest of the page stays. */
class Unbroken extends Component<{ instead: ReactNode; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  override render() {
    return this.state.failed ? this.props.instead : this.props.children;
  }
}
