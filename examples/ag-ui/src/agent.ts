import { HttpAgent, runHttpRequest, transformHttpEventStream } from "@ag-ui/client";
import type { AgentSubscriber, BaseEvent, RunAgentInput, RunAgentParameters } from "@ag-ui/client";
import type { Observable } from "rxjs";

/** An HttpAgent whose runs belong to the server: they can be taken up again, and are stopped rather than left. */
export class GatewayAgent extends HttpAgent {
  /** Makes `connectAgent()` take up the thread's run: all messages so far, then what follows. */
  protected override connect({ threadId }: RunAgentInput): Observable<BaseEvent> {
    const { headers } = this;
    const { signal } = (this.abortController = new AbortController());
    const request = () => this.fetch(this.address(threadId, "stream"), { headers, signal });
    return transformHttpEventStream(runHttpRequest(request), this.debugLogger);
  }

  /** Stops the run for everyone who follows it; `abortRun()` only leaves it. */
  async stop(): Promise<void> {
    await this.fetch(this.address(this.threadId, "stop"), { method: "POST", headers: this.headers });
  }

  /** Asks, or without `asked` takes up what runs; comes back after every cut until the run has ended. */
  async follow(subscriber: AgentSubscriber, asked?: RunAgentParameters): Promise<void> {
    let live = false;
    const noting: AgentSubscriber = {
      ...subscriber,
      onRunStartedEvent: () => void (live = true),
      onRunFinishedEvent: (params) => {
        live = false;
        return subscriber.onRunFinishedEvent?.(params);
      },
      onRunErrorEvent: (params) => {
        live = params.event.code === "drain"; // the server is leaving, and the run goes on
        if (!live) return subscriber.onRunErrorEvent?.(params);
      },
    };
    for (let asks = asked !== undefined; ; asks = false) {
      try {
        await (asks ? this.runAgent(asked, noting) : this.connectAgent({}, noting));
        if (!live) return;
      } catch (error) {
        const refused = "status" in (error as Error);
        if (refused || (asks && !live)) throw error; // nobody knows whether it was taken: to ask again may be to pay twice
      }
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }

  /** Notes in the last message that the run was stopped behind it; the thread keeps that. */
  noteStop(): void {
    const last = this.messages.at(-1);
    if (last) this.setMessages([...this.messages.slice(0, -1), { ...last, metadata: { ...last.metadata, stopped: true } }]);
  }

  private address(threadId: string, what: string): string {
    return `${this.url}/${encodeURIComponent(threadId)}/${what}`;
  }
}
