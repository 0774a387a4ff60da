import type { ChatStatus, DynamicToolUIPart } from "ai";

const en = {
  title: "useChat on Streaming Lab",
  follow: "Follow in another window",
  newChat: "New chat",
  chat: "The chat",
  empty: "Ask something, and reload the page while the answer arrives: it goes on, whole.",
  waiting: "The answer is being waited for …",
  lost: "The connection was lost. It is being looked for …",
  again: "Ask again",
  look: "Look for the answer",
  ask: "Ask something",
  send: "Ask",
  stop: "Stop",
  stopped: "Stopped",
  tools: "with tools",
  role: { user: "You", assistant: "Answer", system: "System" },
  status: { ready: "Ready", submitted: "Waiting", streaming: "Answering", error: "Failed" } satisfies Record<ChatStatus, string>,
  thinking: "Thinking …",
  thought: "Thought",
  tool: { "input-available": "running …", "output-available": "done", "output-error": "failed" } as Partial<
    Record<DynamicToolUIPart["state"], string>
  >,
  input: "Input",
  output: "Output",
  failure: "Error",
  footnotes: "Footnotes",
  back: "Back to the text",
};

const ja: typeof en = {
  title: "Streaming Lab で useChat",
  follow: "別のウィンドウで追いかける",
  newChat: "新しいチャット",
  chat: "チャット",
  empty: "質問して、回答の途中でページを再読み込みしてください。回答は途切れず、すべて届きます。",
  waiting: "回答を待っています…",
  lost: "接続が切れました。再接続しています…",
  again: "もう一度質問する",
  look: "回答を探す",
  ask: "質問を入力してください",
  send: "質問する",
  stop: "停止",
  stopped: "停止しました",
  tools: "ツールを使う",
  role: { user: "あなた", assistant: "回答", system: "システム" },
  status: { ready: "入力待ち", submitted: "待ち", streaming: "回答中", error: "失敗" },
  thinking: "推論中…",
  thought: "推論",
  tool: { "input-available": "実行中…", "output-available": "完了", "output-error": "失敗" },
  input: "入力",
  output: "結果",
  failure: "エラー",
  footnotes: "脚注",
  back: "本文に戻る",
};

const wanted = new URLSearchParams(location.search).get("lang") ?? navigator.language;

export const language = wanted.toLowerCase().startsWith("ja") ? "ja" : "en";
export const texts = { en, ja }[language];
