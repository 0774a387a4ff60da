/** The page's way to the gateway, which can be cut. What is cut breaks as it does when a cable is pulled. */
export class Network {
  #cable = new AbortController();

  get isCut(): boolean {
    return this.#cable.signal.aborted;
  }

  cut(): void {
    this.#cable.abort();
  }

  mend(): void {
    this.#cable = new AbortController();
  }

  readonly fetch: typeof fetch = (input, init) => {
    const signals = [this.#cable.signal, init?.signal].filter((signal) => signal instanceof AbortSignal);
    return fetch(input, { ...init, signal: AbortSignal.any(signals) });
  };
}
