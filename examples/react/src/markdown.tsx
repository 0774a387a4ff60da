import { createContext, use } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";

const PLUGINS = [remarkGfm];
const LINKED = /^(?:https?:|mailto:|#)/i; // where a link may lead; # to a footnote
const InLink = createContext(false);

/** Markdown as a model writes it: HTML is text, and a picture a link to it, so that nothing is loaded from another host. */
export function Markdown({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS} urlTransform={(url) => (LINKED.test(url) ? url : undefined)}>
      {text}
    </ReactMarkdown>
  );
}

const COMPONENTS: Components = {
  a: ({ node: _, href, ...rest }) => {
    if (!href) return <span {...rest} />;
    const elsewhere = href.startsWith("#") ? {} : { target: "_blank", rel: "noopener noreferrer" };
    return (
      <InLink value={true}>
        <a href={href} {...rest} {...elsewhere} />
      </InLink>
    );
  },
  img: function Picture({ src, alt }) {
    const address = typeof src === "string" ? src : "";
    if (use(InLink) || !address) return alt;
    return (
      <a href={address} target="_blank" rel="noopener noreferrer">
        {alt || address}
      </a>
    );
  },
};
