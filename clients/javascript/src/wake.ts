/** What a browser says of its network and its page. In Node, and of a page in a worker, there is nothing to hear. */

/** Call `wake` whenever the network is back or the page is seen again. Returns what ends that. */
export function onWake(wake: () => void): () => void {
  const { document } = globalThis as { document?: Document };
  const seen = (): void => {
    if (!document?.hidden) wake();
  };
  globalThis.addEventListener?.("online", wake);
  document?.addEventListener("visibilitychange", seen);
  return () => {
    globalThis.removeEventListener?.("online", wake);
    document?.removeEventListener("visibilitychange", seen);
  };
}
