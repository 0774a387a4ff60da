import type { ChatStatus } from "streaming-lab-client/react";

export type Language = "en" | "ja";

const en = {
  title: "Streaming Lab",
  language: "日本語",
  newChat: "New chat",
  cut: "Cut the network",
  mend: "Mend the network",
  tools: "Answer with tools",
  ask: "Ask something",
  send: "Send",
  stop: "Stop",
  resume: "Go on",
  you: "You",
  assistant: "Answer",
  thoughts: "Thoughts",
  emptyTitle: "An answer that survives",
  emptyText:
    "Ask, then cut the network or reload the page while the answer arrives. The server goes on, and you lose nothing.",
  examples: ["What is 17 * 23, and which products sold best?", "What is streaming?", "How does backpressure work?"],
  status: {
    idle: "Ready",
    thinking: "Thinking",
    streaming: "Streaming",
    reconnecting: "Reconnecting",
    done: "Done",
    error: "Failed",
    stopped: "Stopped",
  } satisfies Record<ChatStatus, string>,
  tool: { running: "running", completed: "done", failed: "failed", stopped: "stopped", lost: "lost" },
  input: "Asked",
  result: "Answered",
  token: "Access token of the gateway",
  useToken: "Use it",
  cutShort: "The answer reached the model's limit of length.",
  unwatched: "It was stopped because nobody was reading.",
};

const ja: typeof en = {
  title: "Streaming Lab",
  language: "English",
  newChat: "新しい会話",
  cut: "通信を切断",
  mend: "通信を復旧",
  tools: "ツールを使って回答",
  ask: "質問を入力してください",
  send: "送信",
  stop: "停止",
  resume: "再開",
  you: "あなた",
  assistant: "回答",
  thoughts: "思考",
  emptyTitle: "途切れても失われない回答",
  emptyText:
    "質問して、回答が届いている間に通信を切断したり、ページを再読み込みしたりしてみてください。サーバーは回答を続けるため、何も失われません。",
  examples: ["17 * 23 はいくつですか。また、最も売れた商品は何ですか。", "ストリーミングとは何ですか。", "バックプレッシャーとは何ですか。"],
  status: {
    idle: "入力待ち",
    thinking: "考えています",
    streaming: "受信中",
    reconnecting: "再接続しています",
    done: "完了",
    error: "失敗",
    stopped: "停止しました",
  },
  tool: { running: "実行中", completed: "完了", failed: "失敗", stopped: "停止", lost: "不明" },
  input: "入力",
  result: "結果",
  token: "ゲートウェイのアクセストークン",
  useToken: "使用する",
  cutShort: "回答がモデルの長さの上限に達しました。",
  unwatched: "誰も読んでいなかったため、停止されました。",
};

export type Texts = typeof en;

export const TEXTS: Record<Language, Texts> = { en, ja };

export const preferred: Language = navigator.language.startsWith("ja") ? "ja" : "en";
