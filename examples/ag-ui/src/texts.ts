const en = {
  messages: "The conversation",
  ask: "Ask something",
  send: "Send",
  stop: "Stop",
  stopped: "Stopped",
  anew: "New conversation",
  agent: "Use the server's tools",
  thoughts: "Reasoning",
  answering: "Answering …",
  hint: "Ask, and reload the page in the midst of the answer: it goes on. Its address shows it in another browser, too.",
  example: "What is 17 * 23, and which products sold best?",
};

const ja: typeof en = {
  messages: "会話",
  ask: "質問",
  send: "送信",
  stop: "停止",
  stopped: "停止しました",
  anew: "新しい会話",
  agent: "サーバーのツールを使う",
  thoughts: "推論",
  answering: "回答中…",
  hint: "質問して、回答の途中でページを再読み込みしてください。続きが表示されます。同じアドレスを別のブラウザーで開いても表示されます。",
  example: "17 * 23 はいくつですか。また、最も売れた商品は何ですか。",
};

const wanted = new URLSearchParams(location.search).get("lang") ?? navigator.language;

export const language = wanted.toLowerCase().startsWith("ja") ? "ja" : "en";
export const texts = { en, ja }[language];
